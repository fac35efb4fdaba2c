"""Balanced accuracy stands beside accuracy where the classes of the val images are unequal, and nowhere else."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from scripts import repro, table
from scripts.reporting.graph import Cell
from scripts.results import results_table, spread_rows
from stages import draw, evaluate, features, verdict
from stages.ground import paths
from stages.ground.files import read_json, read_table, write_table
from stages.statistics.scores import are_unequal, balanced_accuracy, class_ratio
from stages.study.trials import BALANCED, read_trials, write_trials
from tests.conftest import PROJECT
from tests.drawing import draw_picture
from tests.finished import DATA, MODEL
from tests.results import write_results
from tests.test_trials import run, set_study

CELL = (MODEL, DATA, "frozen")
UNEQUAL, EQUAL = [9, 3], [9, 6]


def test_classes_are_unequal_from_half_as_many_images_more_on() -> None:
    assert [are_unequal(np.arange(2).repeat(sizes)) for sizes in ([3, 2], [4, 2], [31, 20])] == [False, True, True]
    assert class_ratio(np.array([0] * 6 + [2] * 2)) == 3  # of the classes there are


def test_balanced_accuracy_is_the_mean_recall() -> None:
    right = np.array([True] * 8 + [False] * 2)
    assert balanced_accuracy(right, np.array([0] * 7 + [1] * 3)) == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("sizes", [UNEQUAL, EQUAL])
def test_what_shows_an_accuracy_shows_the_balanced_one_too(
    in_folder: Path, capsys: pytest.CaptureFixture[str], sizes: list[int]
) -> None:
    """Two of each class are wrong."""
    shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
    write_results(MODEL, DATA, ["a", "b"], ["frozen", "unfrozen"], images=sizes)
    unequal = sizes == UNEQUAL
    assert ("class_ratio" in read_json(paths.metrics(*CELL))) == unequal
    compared = read_json(paths.comparison_metrics(MODEL, DATA))[f"{MODEL}-{DATA}"]["frozen"]
    assert compared.keys() & {"balanced_accuracy", "class_ratio"} == (
        {"balanced_accuracy", "class_ratio"} if unequal else set()
    )
    cell = draw.Cell(MODEL, DATA, {"frozen": {}, "unfrozen": {}})
    shown = [
        capsys.readouterr().out.splitlines()[0],  # of compare
        results_table([(MODEL, DATA)]).splitlines()[2],  # the README's and the page's
        repro.answer(Cell(MODEL, DATA), "frozen"),
        draw.described(cell.compared("frozen")).replace("\n", ", "),
        draw.and_balanced(cell.metrics("frozen")),
    ]
    assert [", balanced 0.5556" in line for line in shown] == [unequal] * len(shown)
    told = {"metrics": {str(paths.metrics(*CELL)): {"data": read_json(paths.metrics(*CELL))}}}
    accuracies = table.Run.of({"rev": "workspace", "data": told}).accuracies
    balanced = {"mobilenet_v2 shapes frozen, balanced": 0.5556} if unequal else {}
    assert accuracies == {"mobilenet_v2 shapes frozen": read_json(paths.metrics(*CELL))["accuracy"]} | balanced


def more_val_images(kind: str, count: int) -> None:
    for number in range(count):
        draw_picture(paths.images(DATA) / f"val/{kind}/more{number}.png", kind, 100 + number)
    features.main(MODEL, DATA)


def test_evaluate_says_both(finished_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more_val_images("discs", 2)  # five and three
    evaluate.main(*CELL)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(f"), balanced {read_json(paths.metrics(*CELL))['balanced_accuracy']:.4f}")


def test_trials_on_unequal_classes_have_both_and_so_has_what_they_tell(finished_project: Path) -> None:
    set_study()
    assert BALANCED not in read_table_of_trials()
    more_val_images("discs", 3)  # six and three
    trials = run()
    assert all(0 <= of.balanced_accuracy <= 1 for of in trials)
    assert BALANCED in read_table_of_trials(again=False)
    verdict.main(MODEL, DATA)
    of_frozen = [of for of in trials if of.variant == "frozen"]
    mean = np.mean([of.balanced_accuracy for of in of_frozen])
    assert read_json(paths.verdicts(MODEL, DATA))["frozen"][BALANCED] == pytest.approx(mean, abs=1e-4)
    assert spread_rows(MODEL, DATA)[0][1][4].endswith(f", balanced {mean:.4f}")


def read_table_of_trials(again: bool = True) -> list[str]:
    """Its columns."""
    if again:
        run()
    return list(read_table(paths.trials(MODEL, DATA))[0])


def test_trials_from_before_leave_the_mean_out(in_folder: Path) -> None:
    rows = [
        {
            "variant": "frozen", "images": 0, "split": number, "seed": number, "train_images": 10, "val_images": 10,
            "mistakes": 1, "loss": 0.5, "precision": "float32", "settings": "a", "code": "b",
            BALANCED: 0.25 if number else None,
        }
        for number in range(2)
    ]  # fmt: skip
    write_table(paths.trials(MODEL, DATA), rows)
    trials = read_trials(paths.trials(MODEL, DATA))
    assert [of.balanced_accuracy for of in trials] == [None, 0.25]
    assert BALANCED not in verdict.spread(trials, "frozen")
    before = paths.trials(MODEL, DATA).read_bytes()
    write_trials(paths.trials(MODEL, DATA), trials)
    assert paths.trials(MODEL, DATA).read_bytes() == before
