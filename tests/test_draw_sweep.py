"""stages/draw_sweep.py: what the figure of a search shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.figures.sweep import Axis, draw_sweep
from stages.ground import paths
from tests.finished import DATA, MODEL, call
from tests.test_sweep import set_sweep


@pytest.mark.parametrize("keys", [("lr",), ("lr", "batch_size")])
def test_the_figure_is_drawn_of_what_a_sweep_writes(finished_project: Path, keys: tuple[str, ...]) -> None:
    settings = {"lr": {"low": 0.001, "high": 1.0}, "batch_size": [2, 4]}
    set_sweep(settings={key: settings[key] for key in keys})
    assert [call(f"{stage} {MODEL} {DATA}") for stage in ("sweep", "draw_sweep")] == [0, 0]
    with Image.open(paths.sweep_figure(MODEL, DATA, "frozen")) as picture:
        assert picture.width > 800


def test_ranges_are_cut_into_orders_of_magnitude_and_lists_are_not() -> None:
    numbers, names = Axis("lr", [0.001, 0.01, 0.1, 1.0, 100.0], True).binned()
    assert numbers.tolist() == [0, 1, 2, 3, 4]
    assert names[0] == "0.001 to 0.01"
    numbers, names = Axis("schedule", ["step", "cosine", "step"], False).binned()
    assert (numbers.tolist(), names) == ([1, 0, 1], ["cosine", "step"])


def test_each_cell_has_the_least_loss_and_those_without_one_say_so() -> None:
    axes = [Axis("lr", [1, 1, 2, 2], False), Axis("epochs", [5, 5, 5, 9], False)]
    figure = draw_sweep("title", [0.5, 0.25, np.inf, 0.125], axes, 0.02, (0.01, -0.01, 0.03), "What came of it")
    left, right = figure.axes
    assert sorted(text.get_text() for text in left.texts) == ["0.125", "0.25", "none", "none"]
    assert "What came of it." in figure.get_supxlabel()
    heights = [line.get_ydata()[0] for line in right.lines]
    assert 2 in heights
    assert pytest.approx(1) in heights
