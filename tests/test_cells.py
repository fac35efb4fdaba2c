"""stages/faults/ of many images: in cells and in blocks it finds what comparing all finds, and keeps little."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.measuring import audit_steps
from scripts.measuring.planted import auroc, flipped
from stages.audit import Pictures
from stages.faults import cells, copies, held_out, outliers, rows, shortcuts
from stages.faults.cells import Cells
from stages.faults.copies import find_copies, nearest_of_another_class, without
from stages.faults.held_out import some_groups
from stages.faults.labels import suspect_labels
from stages.faults.looks import GREY, Look, Looks
from stages.faults.outliers import distance_to_crowd, outlier_inputs, strangeness
from stages.faults.rows import Rows, points_of, stacked
from stages.faults.shortcuts import find_shortcuts
from stages.models.features import Embedded, Features
from stages.statistics import neighbours
from stages.statistics.neighbours import directions, nearest
from tests.test_faults import clusters, grey, scene


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done with more than 20,000 images is done with more than 100."""
    monkeypatch.setattr(rows, "FEW", 100)
    monkeypatch.setattr(outliers, "SAMPLE", 200)


def test_up_to_a_border_all_are_compared() -> None:
    points = directions(clusters(300, 3)[0])
    found, true = Cells(points, np.arange(300)).nearest(np.arange(7, 50), 4), nearest(points[7:50], points, 4)
    assert np.array_equal(found.numbers, true.numbers)
    assert np.array_equal(found.distances, true.distances)


def test_in_cells_most_of_the_nearest_are_found(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "PROBES", 4)
    points = directions(clusters(4000, 40, apart=8)[0])
    among, of = np.arange(0, 4000, 2), np.arange(0, 4000, 3)
    found = Cells(points, among).nearest(of, 3)
    assert set(np.unique(found.numbers)) <= {-1, *among.tolist()}
    true = nearest(points[of], points[among], 3)
    assert np.mean([len({*a} & {*among[b]}) / 3 for a, b in zip(found.numbers, true.numbers, strict=True)]) > 0.6
    own = np.isin(of, among)
    assert (found.numbers[own, 0] == of[own]).all()
    there = found.numbers >= 0
    asked = np.repeat(of, 3).reshape(-1, 3)
    apart = np.linalg.norm(points[asked[there]] - points[found.numbers[there]], axis=1)
    assert np.allclose(found.distances[there], apart, atol=2e-3)
    assert (np.diff(np.where(there, found.distances, 9), axis=1) >= 0).all()


def test_a_crowd_is_not_looked_through_whole(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(queries: np.ndarray, among: np.ndarray, count: int) -> neighbours.Neighbours:
        compared.append(len(queries) * len(among))
        return nearest(queries, among, count)

    points = directions(np.ones((3000, 8), np.float32))
    black = Cells(points, np.arange(3000))
    monkeypatch.setattr(cells, "nearest", counted)
    found = black.nearest(np.arange(3000), 2)
    assert (found.numbers >= 0).all()
    assert sum(compared) <= 3000 * 100


def test_cells_without_pictures_are_passed_over(many: None) -> None:
    greys = np.zeros((300, GREY, GREY), np.uint8)
    found = Cells(points_of(greys, copies.descriptors), np.arange(300)).nearest(np.arange(300), 2)
    assert (found.numbers >= 0).all()


def test_rows_are_worked_out_when_they_are_asked_for(many: None) -> None:
    embeddings = clusters(300, 3)[0]
    parts = stacked([embeddings[:120], embeddings[120:125], embeddings[125:]])
    points = points_of(parts, directions)
    assert isinstance(points, Rows)
    for of in (slice(100, 200), np.array([299, 3, 121, 3]), slice(None)):
        assert np.array_equal(points[of], directions(embeddings)[of])
    assert isinstance(points_of(parts.parts[1], directions), np.ndarray)  # type: ignore[union-attr]


def test_the_splits_features_are_not_copied(many: None) -> None:
    embeddings, labels = clusters(300, 3)
    splits = {"train": slice(0, 200), "val": slice(200, 300)}
    parts = {name: Embedded(["a"] * len(labels[of]), embeddings[of], labels[of]) for name, of in splits.items()}
    pictures = Pictures.of(Features("network", list("abc"), parts))
    assert pictures.embeddings.parts[0] is parts["train"].embeddings  # type: ignore[union-attr]


def test_of_many_the_same_copies_are_found(many: None) -> None:
    greys = np.stack([grey(scene(seed)) for seed in range(130)])
    greys[100:] = greys[:30] // 2
    embeddings = np.random.default_rng(0).normal(0, 1, (130, 30)).astype(np.float32)
    embeddings[115:] = embeddings[15:30] + 0.01
    found = find_copies(greys, embeddings, np.arange(130) % 3)
    assert {tuple(pair) for pair in found.pairs.tolist()} == {(number, number + 100) for number in range(30)}


def test_of_many_the_same_labels_are_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "LANDMARKS", 200)
    embeddings, labels = clusters(2000, 3)
    now, groups = flipped(labels, seed=0)[0], np.arange(2000) // 2
    every = suspect_labels(embeddings, now, groups)
    monkeypatch.setattr(rows, "FEW", 500)
    some = suspect_labels(embeddings, now, groups)
    both = set(every.numbers.tolist()) & set(some.numbers.tolist())
    assert len(both) > 0.95 * max(len(every.numbers), len(some.numbers)) > 60
    assert np.allclose(some.scores[:50], every.scores[:50], rtol=0.2)


def test_of_many_the_same_are_strange(many: None) -> None:
    own, labels = clusters(2000, 4, apart=8)
    foreign = np.abs(0.2 * np.random.default_rng(1).normal(0, 1, (40, 40)) + 5 * np.eye(1, 40, 7)).astype(np.float32)
    scores = strangeness(np.concatenate((own, foreign)), np.append(labels, np.arange(40) % 4))
    assert auroc(scores[:2000], scores[2000:]) > 0.99
    assert abs(np.median(scores)) < 0.1


def test_a_sample_says_how_far_the_crowd_is(monkeypatch: pytest.MonkeyPatch) -> None:
    points = outlier_inputs(clusters(3000, 4)[0])
    exact = distance_to_crowd(points)
    monkeypatch.setattr(rows, "FEW", 100)
    monkeypatch.setattr(outliers, "SAMPLE", 1000)
    assert np.abs(distance_to_crowd(points) - exact).max() < 0.1


def test_the_nearest_of_another_class() -> None:
    points, labels = directions(np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1]], np.float32)), np.array([0, 0, 1, 1])
    of = np.array([0, 1, 3])
    assert nearest_of_another_class(points, labels, of).tolist() == [2, 2, 1]
    assert nearest_of_another_class(points, np.zeros(4, int), of).tolist() == [-1, -1, -1]


def test_pairs_that_are_not_yet_known() -> None:
    pairs = np.array([[0, 1], [0, 4], [1, 2], [3, 4]])
    assert without(pairs, np.array([[0, 4], [2, 3]])).tolist() == [[0, 1], [1, 2], [3, 4]]
    assert without(pairs[:0], pairs).shape == (0, 2)


def test_some_are_whole_groups() -> None:
    groups = np.random.default_rng(0).integers(0, 50, 1000)
    some = some_groups(groups, 300)
    assert 300 <= len(some) < 360
    assert np.isin(groups, groups[some]).sum() == len(some)
    assert (np.diff(some) > 0).all()
    assert len(some_groups(groups, 1000)) == 1000


def test_shortcuts_are_judged_by_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "JUDGED", 200)
    rng, labels = np.random.default_rng(0), np.arange(600) % 2

    def look(label: int) -> Look:
        size = int(rng.integers(100, 120) + 60 * label)
        return Look((size, size), 1000, "JPEG", 5.0, tuple(rng.random(6)), tuple(rng.random(12)), 0.2, 0.3, np.zeros(1))

    file, colours = find_shortcuts(Looks.of([look(label) for label in labels.tolist()]), labels, np.arange(600))
    assert file.far_above_chance
    assert not colours.far_above_chance
    assert file.low < 0.99  # 200 images are no surer


IMAGES, WIDTH, CLASSES = 8000, 512, 500


@pytest.mark.parametrize(
    "step",
    [
        lambda embeddings, labels: suspect_labels(embeddings, labels, np.arange(IMAGES)),
        lambda embeddings, labels: strangeness(embeddings, labels),
        lambda embeddings, labels: Cells(points_of(embeddings, directions), np.arange(IMAGES)).nearest(
            np.arange(IMAGES), 2
        ),
    ],
    ids=["labels", "outliers", "neighbours"],
)
def test_neither_features_nor_scores_are_there_as_a_whole(
    step: Callable[[np.ndarray, np.ndarray], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, few in (
        (rows, "FEW", 500), (neighbours, "BLOCK", 1 << 17), (cells, "BLOCK", 1 << 17), (outliers, "BLOCK", 1 << 17),
        (outliers, "SAMPLE", 500), (cells, "SAMPLE", 3), (cells, "ROWS", 500), (held_out, "ROWS", 200),
        (held_out, "LANDMARKS", 100), (cells, "PROBES", 4),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, few)
    labels = np.arange(IMAGES) % CLASSES
    embeddings = np.memmap(tmp_path / "features", np.float32, "w+", shape=(IMAGES, WIDTH))
    audit_steps.draw_embeddings(embeddings, labels, CLASSES, np.random.default_rng(0))
    tracemalloc.start()
    step(embeddings, labels)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.8 * embeddings.nbytes  # scores of all classes would be as much


def test_what_is_measured_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_steps, "ASKED", 50)
    for name in ("ROUNDS", "PROBES"):  # which the table changes
        monkeypatch.setattr(cells, name, getattr(cells, name))
    drawn = audit_steps.Drawn.written(tmp_path, 120, 40, 3)
    found = find_copies(drawn.greys, drawn.embeddings, drawn.labels).pairs
    assert {tuple(sorted(pair)) for pair in drawn.copies.tolist()} <= {tuple(pair) for pair in found.tolist()}
    assert "1.000" in audit_steps.recall_table(drawn)
