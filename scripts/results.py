"""What the study's trials tell, and the table of results, from their files.

python -m scripts.results            prints both
python -m scripts.results --readme   writes them into README.md, each between its two marks
"""

import json
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from stages.ground import paths
from stages.ground.files import read_json, written_whole
from stages.settings import load_params
from stages.statistics.inference import above_chance, and_balanced, described_clean, p_value_text

README = Path("README.md")
BEGIN, END = "<!-- results: python -m scripts.results --readme -->\n", "<!-- end of results -->\n"
BEGIN_VERDICTS = "<!-- verdicts: python -m scripts.results --readme -->\n"
END_VERDICTS = "<!-- end of verdicts -->\n"
SPREAD = ("network", "data set", "variant", "trials", "mean val accuracy", "95 % of trials", "difference", "ahead")
CHANGES = {"label": "labels", "leave_out": "images left out", "together": "images kept together"}
FACTS = {"file": "files, by their sizes and formats,", "colours": "colours"}
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
    return markdown(HEADER, [row for model, dataset in cells for row in result_rows(model, dataset)])


def markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return "no results yet\n"
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
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
        accuracy = f"{numbers['accuracy']:.4f}{and_balanced(numbers)}"
        rows.append((model, dataset, variant, *made, accuracy, interval, *against))
    return rows


def audit_notes(model: str, dataset: str) -> list[str]:
    """What the images' audit means for the accuracies, in sentences; none where it has not run."""
    path, compared = paths.audit_metrics(model, dataset), paths.comparison_metrics(model, dataset)
    if not path.is_file():
        return []
    found = read_json(path)
    changed = [
        f"{found[f'corrected_{name}']} {what}" for name, what in CHANGES.items() if found.get(f"corrected_{name}")
    ]
    notes = [f"Corrections by hand were applied: {', '.join(changed)}"] if changed else []
    for facts in ("file", "colours"):
        if above_chance(found[f"{facts}_accuracy_low"], found["chance"]):
            accuracy = f"{found[f'{facts}_accuracy']:.2f}, by chance {found['chance']:.2f}"
            notes.append(f"The {FACTS[facts]} alone tell the classes apart: balanced accuracy {accuracy}")
    if compared.is_file():
        for variant, numbers in read_json(compared)[f"{model}-{dataset}"].items():
            if "clean_images" in numbers:
                notes.append(f"{variant}: {numbers['accuracy']:.4f}, and {described_clean(numbers)}")
    return notes


def verdicts(cells: Iterable[tuple[str, str]]) -> str:
    """A line for each comparison of the study, where it has run, and a table of the numbers behind them."""
    told = [of for cell in cells for of in spread_rows(*cell)]
    sentences = "".join(f"- {of[0]}.\n" for of, _ in told if of)  # by number of images: docs/results.md and the page
    return f"{sentences}\n{markdown(SPREAD, [row for _, row in told])}"


def spread_rows(model: str, dataset: str) -> list[tuple[list[str], tuple[str, ...]]]:
    """Of each way of training that the study tried, its sentences, none for the baseline, and its row under SPREAD."""
    path = paths.verdicts(model, dataset)
    rows: list[tuple[list[str], tuple[str, ...]]] = []
    for variant, of in (read_json(path) if path.is_file() else {}).items():
        spread = f"{of['percentile_2.5']:.3f} to {of['percentile_97.5']:.3f}"
        balanced = f", balanced {of['balanced_accuracy']:.4f}" if "balanced_accuracy" in of else ""
        numbers = (f"{of['accuracy']:.4f}{balanced}", spread)
        against = ("baseline", "")
        if "sentence" in of:
            interval = f"{of['difference_low']:+.3f} to {of['difference_high']:+.3f}"
            against = (f"{of['difference']:+.4f} ({interval})", f"{of['ahead']:.0%} of {of['pairs']}")
        sentences = [of[key] for key in ("sentence", "from_images") if key in of]
        rows.append((sentences, (model, dataset, variant, str(of["trials"]), *numbers, *against)))
    return rows


def between_marks(text: str, table: str, begin: str, end: str) -> str:
    """`text` with `table` between the two marks."""
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    params = load_params()
    cells = list(product(params.models, params.datasets))
    told, results = verdicts(cells), results_table(cells)
    if sys.argv[1:] == ["--readme"]:
        text = between_marks(README.read_text(encoding="utf-8"), results, BEGIN, END)
        text = between_marks(text, told, BEGIN_VERDICTS, END_VERDICTS)
        with written_whole(README) as part:
            part.write_text(text, encoding="utf-8")
    else:
        print(f"{told}\n{results}", end="")
