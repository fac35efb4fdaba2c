"""stages/figures/: what is drawn, from the artists."""

import numpy as np
import pytest

from stages.figures.accuracy import Accuracy, draw_accuracy
from stages.figures.comparison import Curve, draw_comparison
from stages.figures.embeddings import draw_embeddings
from stages.figures.learning_curve import SPREAD, draw_learning_curve
from stages.figures.mistakes import Mistake, draw_mistakes
from stages.figures.reliability import draw_reliability
from stages.statistics.calibration import confidence_bins
from stages.statistics.inference import wilson_interval

CURVES = {
    "train": Curve([1, 2, 3], [0.9, 0.5, 0.2], [0.5, 0.8, 0.97]),
    "val": Curve([1, 2, 3], [0.7, 0.4, 0.3], [0.6, 0.9, 0.95]),
}


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


def test_comparison_marks_a_published_accuracy_where_there_is_one() -> None:
    figure = draw_comparison("", dict.fromkeys(("a", "b"), CURVES), dict.fromkeys("ab", ""), {"b": 0.4})
    *others, with_mark = figure.axes
    assert [(len(panel.get_lines()), panel.get_legend()) for panel in others] == [(2, None)] * 3
    mark = with_mark.get_lines()[-1]
    assert (mark.get_marker(), list(mark.get_xdata()), list(mark.get_ydata())) == ("D", [1], [0.4])
    assert with_mark.get_ylim()[0] < 0.4
    [text] = with_mark.get_legend().get_texts()
    assert text.get_text() == "published: 0.400\nafter 25 epochs, read off the original's plots"


def test_accuracy_has_a_row_for_each_variant_with_its_interval_and_its_numbers() -> None:
    variants = {"frozen": Accuracy(0.9477, 0.9002, 0.9733, 8), "unfrozen": Accuracy(0.5, 0.4, 0.8, 76)}
    figure = draw_accuracy("net on data", variants, {"unfrozen": 0.3})
    [axes] = figure.axes
    assert figure.get_suptitle() == "net on data"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["frozen", "unfrozen"]
    assert axes.yaxis_inverted()
    for row, (bars, accuracy) in enumerate(zip(axes.containers, variants.values(), strict=True)):
        dot, _, (interval,) = bars
        assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([accuracy.value], [row])
        assert interval.get_segments()[0][:, 0] == pytest.approx([accuracy.low, accuracy.high])
    looks = [(bars[0].get_color(), bars[0].get_marker()) for bars in axes.containers]
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 2
    assert [text.get_text() for text in axes.texts] == [
        "0.9477 (0.900 to 0.973), 8 wrong",
        "0.5000 (0.400 to 0.800), 76 wrong",
    ]
    mark = next(line for line in axes.get_lines() if line.get_marker() == "D")
    assert (list(mark.get_xdata()), round(mark.get_ydata()[0])) == ([0.3], 1)
    assert axes.get_xlim()[0] < 0.3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "published, after 25 epochs, read off the original's plots"
    ]
    assert draw_accuracy("", variants).legends == []


def test_reliability_shows_each_bins_share_interval_and_count() -> None:
    bins = confidence_bins([0.95] * 4 + [0.72, 0.78], [True] * 3 + [False, True, False])
    figure = draw_reliability("of frozen", bins)
    above, below = figure.axes
    assert figure.get_suptitle() == "of frozen\nexpected calibration error 0.2167; below the dashed line: too sure"
    dots = [(bars[0].get_xdata()[0], bars[0].get_ydata()[0]) for bars in above.containers]
    assert dots == [pytest.approx((0.75, 0.5)), pytest.approx((0.95, 0.75))]
    intervals = [bars[2][0].get_segments()[0][:, 1] for bars in above.containers]
    assert intervals == [pytest.approx(wilson_interval(1, 2)), pytest.approx(wilson_interval(3, 4))]
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in below.patches]
    assert bars == [pytest.approx((0.7, 0.1, 2)), pytest.approx((0.9, 0.1, 4))]
    assert [text.get_text() for text in below.texts] == ["2", "4"]
    assert above.get_xlim() == below.get_xlim() == (0.7, 1.005)
    assert (above.get_ylim()[0], above.get_ylabel()) == (0, "share of right answers, with 95 % interval")


def test_learning_curve_shows_every_draw_and_labels_the_means() -> None:
    accuracies = {10: [0.5, 0.7, 0.9], 20: [0.8, 0.8, 0.95], 244: [0.9, 1.0, 0.95]}
    figure = draw_learning_curve("net on data, frozen", accuracies, "a note")
    [axes] = figure.axes
    *draws, means = axes.get_lines()
    for line, (size, values) in zip(draws, accuracies.items(), strict=True):
        assert line.get_ydata().tolist() == values
        assert line.get_xdata() == pytest.approx([size / SPREAD, size, size * SPREAD])
    assert (means.get_xdata().tolist(), means.get_ydata().tolist()) == ([10, 20, 244], pytest.approx([0.7, 0.85, 0.95]))
    assert [text.get_text() for text in axes.texts] == ["0.700", "0.850", "0.950"]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "20", "all 244"]
    assert (axes.get_ylabel(), figure.get_supxlabel()) == ("val accuracy (share of images)", "a note")


def test_embeddings_give_each_class_a_colour_and_a_shape_and_val_the_stronger_points() -> None:
    train = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), np.array([0, 1, 1])
    val = np.array([[6.0, 7.0]]), np.array([0])  # none of the second class
    figure = draw_embeddings("net on data", ["ants", "bees"], {"train": train, "val": val}, (0.34, 0.071))
    [axes] = figure.axes
    assert axes.get_xlabel() == "first principal component (34 % of the variance)"
    assert axes.get_ylabel() == "second principal component (7 % of the variance)"
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["ants, train (1)", "bees, train (2)", "ants, val (1)", "bees, val (0)"]
    drawn = [points.get_offsets().tolist() for points in axes.collections]
    assert drawn == [[[0, 1]], [[2, 3], [4, 5]], [[6, 7]], []]
    ants, bees, ants_val, _ = axes.collections
    assert not np.array_equal(ants.get_facecolor()[0, :3], bees.get_facecolor()[0, :3])
    assert not np.array_equal(ants.get_paths()[0].vertices, bees.get_paths()[0].vertices)
    assert np.array_equal(ants.get_facecolor()[0, :3], ants_val.get_facecolor()[0, :3])
    assert (ants.get_alpha(), ants_val.get_alpha()) == (0.25, None)


def test_mistakes_among_embeddings_have_rings() -> None:
    points = (np.array([[0.0, 1], [2, 3], [4, 5]]), np.array([0, 1, 1]))
    figure = draw_embeddings("net", ["ants", "bees"], {"val": points}, (0.3, 0.1), np.array([False, True, False]))
    *_, rings = figure.axes[0].collections
    assert rings.get_offsets().tolist() == [[2, 3]]
    assert len(rings.get_facecolor()) == 0
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["ants, val (1)", "bees, val (2)", "mistake (1)"]


def test_many_classes_are_named_where_their_val_images_lie() -> None:
    labels = np.tile(np.arange(11), 2)
    places = np.stack([labels, labels**2], 1).astype(float)
    figure = draw_embeddings("net", [f"kind {n}" for n in range(11)], {"val": (places, labels)}, (0.3, 0.1))
    assert figure.axes[0].get_legend() is None
    assert [(text.get_text(), text.xy) for text in figure.axes[0].texts] == [
        (f"kind {n}", (float(n), float(n**2))) for n in range(11)
    ]


def mistakes(count: int, heat: np.ndarray | None = None) -> list[Mistake]:
    return [Mistake(np.full((4, 4, 3), 90, np.uint8), "bee", "ant", 0.987, heat)] * count


def test_mistakes_show_truth_answer_and_probability() -> None:
    figure = draw_mistakes(mistakes(7), total=9)
    titles = [cell.get_suptitle() for cell in figure.subfigs if cell.axes]
    assert titles == ["is: bee\nsaid: ant (0.99)"] * 7
    assert [len(axes.images) for axes in figure.axes] == [1] * 7
    assert "The 7 surest of 9 mistakes" in figure.get_suptitle()
    assert "looked" not in figure.get_suptitle()
    assert "All 2 mistakes" in draw_mistakes(mistakes(2), total=2).get_suptitle()


def test_mistakes_show_where_the_network_looked_beside_the_picture() -> None:
    heat = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    figure = draw_mistakes(mistakes(2, heat), total=2)
    assert "where it looked" in figure.get_suptitle()
    assert len(figure.axes) == 4
    picture, looked = figure.axes[:2]
    assert picture.images[0].get_array().tolist() == np.full((4, 4, 3), 90).tolist()
    grey, laid_over = looked.images
    assert grey.get_array().tolist() == np.full((4, 4), 90).tolist()
    assert np.array_equal(laid_over.get_array(), heat)
    assert laid_over.get_clim() == (0, 1)


def test_no_mistakes_are_said_so() -> None:
    assert [text.get_text() for text in draw_mistakes([], total=0).texts] == ["No mistakes on the val images"]


def test_an_optimum_without_a_course_is_a_line_across() -> None:
    optimum = {split: Curve([0], [0.2], [0.9]) for split in ("train", "val")}
    figure = draw_comparison("t", {"a": CURVES, "probe": optimum}, {"a": "", "probe": ""})
    of_course, of_optimum = figure.axes[2], figure.axes[3]
    assert len(of_optimum.lines) == len(of_course.lines) + 2
    assert {tuple(line.get_ydata()) for line in of_optimum.lines[2:]} == {(0.9, 0.9)}
    assert not any("running" in text.get_text() for text in of_optimum.texts)
