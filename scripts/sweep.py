"""Tries many settings of a variant inside the train images, and says what the best are worth on images that had no say.

make sweep [DATASET=ants_bees] [MODEL=mobilenet_v2]

Which variant, which settings and how many stands in params.yaml under sweep. What has run is not run again: a sweep
that was interrupted goes on.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from scripts.reporting.graph import Cell, cells_of
from scripts.reporting.rebuilding import Rebuilding
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.files import read_json
from stages.ground.params import read_params
from stages.search.settings import Sweep
from stages.search.tries import Try, read_tries
from stages.settings import load_params

SHOWN = 10  # tries
STUDY = "study/dvc.yaml:draw_study"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", help="one data set; else all")
    parser.add_argument("--model", help="a network; else the first of params.yaml")
    arguments = parser.parse_args()
    params = load_params()
    rebuilding = Rebuilding(cells_of(params, arguments.model, arguments.dataset))
    done = rebuilding.run_each("study/dvc.yaml:draw_sweep")
    for cell in done:
        print(report(cell, params.sweep))
    return rebuilding.told_of_others(done)


def report(cell: Cell, sweep: Sweep) -> str:
    """First what was confirmed, then what the search saw, then how to take the best settings over."""
    result = read_json(paths.sweep_result(cell.model, cell.dataset, sweep.variant))
    tries = list(read_tries(paths.sweep(cell.model, cell.dataset, sweep.variant), sweep.settings).values())
    lines = ["", f"{result['sentence']}.", "", *table(tries, list(sweep.settings))]
    if settings := result["settings"]:
        lines += ["", f"To take them over: {taking_over(cell, sweep.variant, settings)}"]
    lines += [f"All tries: {paths.sweep(cell.model, cell.dataset, sweep.variant)}, and as a figure beside it"]
    return "\n".join(lines)


def taking_over(cell: Cell, variant: str, settings: Mapping[str, Any]) -> str:
    """The command that sets them in params.yaml, and runs what depends on them."""
    params = read_params()
    section, stage = ("variants", "draw") if variant in params["variants"] else ("study.variants", STUDY)
    present = params["variants"].get(variant) or params["study"]["variants"][variant]
    changes = [
        shlex.quote(f"{'' if key in present else '++'}{section}.{variant}.{key}={json.dumps(value)}")
        for key, value in settings.items()
    ]
    return f"dvc exp run {' '.join(f'-S {change}' for change in changes)} {stage}@{cell.model}-{cell.dataset}"


def table(tries: list[Try], keys: list[str]) -> list[str]:
    """The best tries, from the best on, and the present settings."""
    ranked = sorted((of for of in tries if not of.stopped), key=lambda of: of.loss)
    rows = [("", *keys, "loss", "accuracy")]
    for rank, of in enumerate(ranked, start=1):
        if rank <= SHOWN or not of.settings:
            values = [str(of.settings.get(key, "as it is")) for key in keys]
            rows.append((str(rank), *values, f"{of.loss:.4f}", f"{of.accuracy:.4f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    stopped = sum(of.stopped for of in tries)
    total = f"{len(tries)} tries" + (f", {stopped} of them stopped on the way" if stopped else "")
    return [f"Inside the train images, of {total}:", *lines]


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
