"""Is it worth training more than the last layer? Tries every way of training on drawn splits, and says what came of it.

make study [DATASET=ants_bees] [MODEL=mobilenet_v2] [TRIALS=30] [IMAGES=50,100,200]

What has run is not run again: an interrupted study goes on, and a greater number of trials runs those that are missing.
"""

import argparse
import re
import sys

import yaml

from scripts.reporting.graph import Cell, cells_of
from scripts.reporting.rebuilding import Rebuilding
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import read_json, written_whole
from stages.ground.params import PARAMS_FILE, checked
from stages.settings import load_params
from stages.study.settings import Study


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", help="one data set; else all")
    parser.add_argument("--model", help="a network; else the first of params.yaml")
    parser.add_argument(
        "--trials",
        type=int,
        help="of each variant that trains more than the last layer; params.yaml then has that number",
    )
    parser.add_argument(
        "--images",
        type=numbers,
        help="train images to try as well as all: 50,100,200; params.yaml then has them",
    )
    arguments = parser.parse_args()
    params = load_params()
    cells = list(cells_of(params, arguments.model, arguments.dataset))
    for key in ("trials", "images"):
        if (value := getattr(arguments, key)) is not None:
            set_in_study(key, value)
    rebuilding = Rebuilding(cells)
    done = rebuilding.run_each("study/dvc.yaml:draw_study")
    report(done)
    return rebuilding.told_of_others(done)


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def set_in_study(key: str, value: int | list[int]) -> None:
    """In params.yaml, where it is what the next `make study` has too; every other byte stays."""
    text = PARAMS_FILE.read_bytes().decode()
    line = re.compile(rf"(?<=^  {key}: )(\d+|\[[\d, ]*\])", re.MULTILINE)
    if len(line.findall(text)) != 1:
        raise ProjectError(f"{PARAMS_FILE}: expected one line like `  {key}: {value}` under study; write it there")
    changed = line.sub(str(value), text)
    checked(yaml.safe_load(changed)["study"], Study, PARAMS_FILE, ("study",))
    with written_whole(PARAMS_FILE) as part:
        part.write_bytes(changed.encode())


def report(cells: list[Cell]) -> None:
    for cell in cells:
        print()
        for of in read_json(paths.verdicts(cell.model, cell.dataset)).values():
            print("".join(f"{of[key]}.\n" for key in ("sentence", "from_images") if key in of), end="")
        print(
            f"Every trial is a point in {paths.study_figure(cell.model, cell.dataset)}; make plots has the seconds,"
            f" too."
        )


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
