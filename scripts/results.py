"""The table of results, from the metrics files.

python -m scripts.results            prints it
python -m scripts.results --readme   writes it into README.md, between its two marks
"""

import json
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from stages.ground import paths
from stages.ground.files import written_whole
from stages.settings import load_params
from stages.statistics.inference import p_value_text

README = Path("README.md")
BEGIN, END = "<!-- results: python -m scripts.results --readme -->\n", "<!-- end of results -->\n"
HEADER = (
    "network",
    "data set",
    "variant",
    "trained in",
    "mistakes",
    "val accuracy",
    "95 % interval",
    "difference",
    "p-value",
)


def results_table(cells: Iterable[tuple[str, str]]) -> str:
    """A Markdown table with a row for every variant of these networks and data sets, where results are there."""
    rows = [row for model, dataset in cells for row in result_rows(model, dataset)]
    if not rows:
        return "no results yet\n"
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    lines = [HEADER, tuple("-" * width for width in widths), *rows]
    padded = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"| {line} |\n" for line in padded)


def result_rows(model: str, dataset: str) -> list[tuple[str, ...]]:
    """What the table says, under HEADER, of each variant whose results are there."""
    path = paths.comparison_metrics(model, dataset)
    if not path.is_file():
        return []
    rows: list[tuple[str, ...]] = []
    for variant, numbers in json.loads(path.read_text(encoding="utf-8"))[f"{model}-{dataset}"].items():
        of_variant = paths.metrics(model, dataset, variant)
        if not of_variant.is_file():
            continue
        cell = json.loads(of_variant.read_text(encoding="utf-8"))
        interval = f"{numbers['accuracy_low']:.3f} to {numbers['accuracy_high']:.3f}"
        against = ("baseline", "")
        if "p_value" in numbers:
            p_value = p_value_text(numbers["p_value"]).removeprefix("= ")
            against = (f"{numbers['accuracy_difference']:+.4f}", p_value)
        made = (cell.get("precision", "not recorded"), f"{cell['mistakes']} of {cell['images']}")
        rows.append((model, dataset, variant, *made, f"{numbers['accuracy']:.4f}", interval, *against))
    return rows


def between_marks(text: str, table: str, begin: str, end: str) -> str:
    """`text` with `table` between the two marks."""
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    params = load_params()
    results = results_table(product(params.models, params.datasets))
    if sys.argv[1:] == ["--readme"]:
        text = between_marks(README.read_text(encoding="utf-8"), results, BEGIN, END)
        with written_whole(README) as part:
            part.write_text(text, encoding="utf-8")
    else:
        print(results, end="")
