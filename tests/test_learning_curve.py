"""stages/learning_curve.py, on features drawn from a seed."""

from pathlib import Path

import numpy as np
import pytest

from stages import learning_curve
from stages.ground import paths
from stages.ground.files import read_table
from stages.ground.seeds import derived_rng
from stages.heads.linear import Embeddings, Sgd
from stages.learning_curve import sizes
from stages.models.features import Embedded, Features
from stages.settings import load_params
from stages.statistics.sampling import stratified
from tests.conftest import PROJECT

CELL = ("mobilenet_v2", "mine")


def draw_features(count: int, offset: float) -> Embeddings:
    """Two classes that lie apart in the first of eight dimensions."""
    labels = np.arange(count) % 2
    embeddings = np.random.default_rng(count).standard_normal((count, 8), np.float32)
    embeddings[:, 0] += offset * (2 * labels - 1)
    return Embeddings(embeddings, labels)


@pytest.fixture
def project(in_folder: Path) -> Path:
    text = (PROJECT / "params.yaml").read_text().replace("  draws: 10", "  draws: 3")
    text = text.replace("epochs: 10", "epochs: 4").replace("lr: 0.003", "lr: 0.03")
    (in_folder / "params.yaml").write_text(text)
    splits = {}
    for split, count in (("train", 60), ("val", 200)):
        of = draw_features(count, 1.5)
        splits[split] = Embedded([f"{split}/{number}.png" for number in range(count)], of.embeddings, of.labels)
    Features("drawn", ["a", "b"], splits).write(paths.features(*CELL))
    return in_folder


def test_every_size_is_drawn_so_many_times_and_more_images_are_better(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learning_curve.main(*CELL)
    rows = read_table(paths.learning_curve(*CELL))
    assert [(row["images"], row["draw"]) for row in rows] == [
        (images, draw) for images in ("10", "20", "50", "60") for draw in "123"
    ]
    means = [np.mean([float(row["accuracy"]) for row in rows if row["images"] == images]) for images in ("10", "60")]
    assert means[0] < means[1]
    assert len({row["accuracy"] for row in rows if row["images"] == "60"}) > 1  # another order, other weights
    assert "60 images: mean accuracy" in capsys.readouterr().out


def test_its_outputs_are_the_same_each_time_and_follow_from_the_seed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = paths.learning_curve(*CELL)
    learning_curve.main(*CELL)
    first = output.read_bytes()
    learning_curve.main(*CELL)
    assert output.read_bytes() == first
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0 #", "seed: 1 #", 1))
    learning_curve.main(*CELL)
    assert output.read_bytes() != first


def test_sizes_end_with_all_and_leave_out_what_there_is_not() -> None:
    assert sizes([10, 20, 50], 2, 60) == [10, 20, 50, 60]
    assert sizes([10, 20, 50], 2, 50) == [10, 20, 50]
    assert sizes([10, 20, 50], 2, 8) == [8]
    assert sizes([10, 20, 50], 10, 60) == [10, 20, 50, 60]
    assert sizes([10, 20, 50], 11, 60) == [20, 50, 60]


@pytest.mark.parametrize(
    ("classes", "count", "expected"),
    [([60, 40], 10, [6, 4]), ([50, 50], 20, [10, 10]), ([97, 2, 1], 3, [1, 1, 1]), ([5, 3], 8, [5, 3])],
)
def test_a_draw_takes_each_class_by_its_share_and_once_at_least(
    classes: list[int], count: int, expected: list[int]
) -> None:
    labels = np.repeat(range(len(classes)), classes)
    drawn = [stratified(labels, count, derived_rng(seed)) for seed in range(5)]
    for some in drawn:
        assert np.bincount(labels[some]).tolist() == expected
        assert len(set(some.tolist())) == count
    assert len({tuple(some) for some in drawn}) > 1 or count == len(labels)


def test_an_odd_image_falls_to_either_class() -> None:
    labels = np.repeat([0, 1], 50)
    counts = {int(labels[stratified(labels, 11, derived_rng(seed))].sum()) for seed in range(20)}
    assert counts == {5, 6}


@pytest.mark.parametrize("images", [10, 20, 50, 100, 244])
def test_every_size_is_trained_for_as_many_steps_as_all(images: int) -> None:
    recipe = load_params(PROJECT / "params.yaml").variants["frozen"]
    longer = recipe.with_steps_of(images, 244)
    total, wanted = longer.epochs * recipe.steps(images), recipe.epochs * recipe.steps(244)
    assert abs(total - wanted) <= recipe.steps(images) / 2
    assert longer.step_epochs / longer.epochs == pytest.approx(recipe.step_epochs / recipe.epochs, abs=0.02)
    same = ("lr", "batch_size", "momentum", "step_factor")
    assert all(getattr(longer, name) == getattr(recipe, name) for name in same)


def test_a_run_trains_on_its_images_for_the_steps_and_with_the_schedule_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """epochs 10, step_epochs 7, batch_size 16: 4 steps an epoch with 60 images, 1 with 10; so 40 epochs, 28 before
    the step."""
    epochs: list[tuple[int, float]] = []

    def record(sgd: Sgd, train: Embeddings, seed: int, epoch: int) -> None:
        epochs.append((len(train.labels), round(sgd.recipe.lr_in(epoch), 6)))

    monkeypatch.setattr(Sgd, "epoch", record)
    recipe = load_params(PROJECT / "params.yaml").variants["frozen"]
    learning_curve.accuracy_with(10, draw_features(60, 1), draw_features(10, 1), recipe, 0)
    assert epochs == [(10, 0.003)] * 28 + [(10, 0.0003)] * 12


def test_a_schedule_without_steps_keeps_having_none() -> None:
    frozen = load_params(PROJECT / "params.yaml").variants["frozen"]
    linear = frozen.model_copy(update={"schedule": "linear", "step_epochs": None, "step_factor": None})
    assert linear.with_steps_of(10, 244).step_epochs is None
