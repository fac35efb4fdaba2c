"""stages/common/figures.py: what is drawn, from the artists."""

import numpy as np
import pytest

from stages.common.figures import Curve, Mistake, draw_comparison, draw_mistakes

CURVES = {"train": Curve([0.9, 0.5, 0.2], [0.5, 0.8, 0.97]), "val": Curve([0.7, 0.4, 0.3], [0.6, 0.9, 0.95])}


@pytest.mark.parametrize("names", [["frozen", "unfrozen"], ["one"], ["a", "b", "c"]])
def test_comparison_has_a_column_for_each_variant_on_shared_axes(names: list[str]) -> None:
    figure = draw_comparison("net on data", dict.fromkeys(names, CURVES), {name: f"of {name}" for name in names})
    axes = np.array(figure.axes).reshape(2, len(names))
    assert figure.get_suptitle() == "net on data"
    assert [column.get_title() for column in axes[0]] == [f"{name}\nof {name}" for name in names]
    assert axes[0, 0].get_ylabel().startswith("loss")
    assert axes[1, 0].get_ylabel().startswith("accuracy")
    for row, measure in zip(axes, ("loss", "accuracy"), strict=True):
        assert len({panel.get_ylim() for panel in row}) == 1
        for panel in row:
            train, val = panel.get_lines()
            assert train.get_ydata().tolist() == getattr(CURVES["train"], measure)
            assert val.get_ydata().tolist() == getattr(CURVES["val"], measure)
            assert val.get_xdata().tolist() == [1, 2, 3]
            assert val.get_linewidth() > train.get_linewidth()
            ends = {text.get_text() for text in panel.texts}
            assert ends == {f"train {train.get_ydata()[-1]:.3f}\n(running)", f"val {val.get_ydata()[-1]:.3f}"}


def mistakes(count: int) -> list[Mistake]:
    return [Mistake(np.zeros((4, 4, 3), np.uint8), "bee", "ant", 0.987)] * count


def test_mistakes_show_truth_answer_and_probability() -> None:
    figure = draw_mistakes(mistakes(7), total=9)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["is: bee\nsaid: ant (0.99)"] * 7
    assert "The 7 surest of 9 mistakes" in figure.get_suptitle()
    assert "All 2 mistakes" in draw_mistakes(mistakes(2), total=2).get_suptitle()


def test_no_mistakes_are_said_so() -> None:
    assert [text.get_text() for text in draw_mistakes([], total=0).texts] == ["No mistakes on the val images"]
