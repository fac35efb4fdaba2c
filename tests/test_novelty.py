"""stages/statistics/novelty.py: what is of no class, among points whose classes are known."""

import numpy as np
import pytest

from stages.statistics import novelty
from stages.statistics.novelty import Novelty, kept_images, together

WIDTH = 24
RATE = 0.05


def points(count: int, seed: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Of three classes around the first three axes: (3 count, WIDTH) and their labels."""
    labels = np.arange(3).repeat(count)
    noise = np.random.default_rng(seed).normal(size=(len(labels), WIDTH)) * spread
    return (np.eye(WIDTH)[labels] + noise).astype(np.float32), labels


def learnt(embeddings: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, rate: float = RATE) -> Novelty:
    found = Novelty.of(embeddings, labels, groups, rate, np.random.default_rng(0))
    assert found is not None
    return found


def told(of: Novelty, embeddings: np.ndarray) -> float:
    """The share of them that is none of the classes."""
    return float((of.distances(embeddings) > of.threshold).mean())


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.2])
def test_as_many_new_points_of_the_classes_are_above_the_threshold_as_was_asked_for(rate: float) -> None:
    shares = [told(learnt(*points(100, seed), rate=rate), points(300, 100 + seed)[0]) for seed in range(5)]
    assert 0.5 * rate < np.mean(shares) < 1.3 * rate


def test_what_points_elsewhere_is_told_whatever_its_length() -> None:
    of = learnt(*points(100, 0))
    elsewhere = np.eye(WIDTH, dtype=np.float32)[3:]
    for length in (0.01, 1, 100):
        assert told(of, length * elsewhere) == 1
        assert told(of, length * points(100, 1)[0]) < 2 * RATE


def test_what_lies_between_the_classes_is_told_by_the_plane_in_which_they_differ() -> None:
    """It is as near to train points as they are to each other: what sets these apart is mostly noise."""
    rng = np.random.default_rng(3)

    def noisy(classes: np.ndarray) -> np.ndarray:
        noise = rng.normal(size=(len(classes), WIDTH - 3)) / 2
        return np.column_stack((classes, noise)).astype(np.float32)

    labels = np.arange(3).repeat(60)
    of = learnt(noisy(np.eye(3)[labels]), labels)
    between = noisy(np.tile([0.5, 0.5, 0], (200, 1)))
    by_images, by_plane = ((of.known.distances(between) - of.medians) / of.spans).T
    assert (by_images > of.threshold).mean() < 0.1
    assert (by_plane > of.threshold).mean() > 0.9
    assert told(of, between) > 0.9
    assert told(of, noisy(np.eye(3)[labels])) < 2 * RATE


def bursts(count: int, seed: int, copies: int = 4, apart: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points that come `copies` at a time, nearly the same, with their labels and groups."""
    first, labels = points(count, seed)
    noise = apart * np.random.default_rng(50 + seed).normal(size=(copies * len(first), WIDTH))
    groups = np.arange(len(first)).repeat(copies)
    return (first.repeat(copies, axis=0) + noise).astype(np.float32), labels.repeat(copies), groups


def test_images_of_ones_own_group_do_not_make_the_threshold_too_tight() -> None:
    (embeddings, labels, groups), (fresh, _) = bursts(40, 0), points(300, 9)
    assert told(learnt(embeddings, labels, groups), fresh) < 2 * RATE
    assert told(learnt(embeddings, labels), fresh) > 4 * RATE, "which it would, were groups not kept together"


def test_neither_do_copies_whatever_group_they_are_in() -> None:
    (first, labels), (fresh, _) = points(60, 0), points(300, 9)
    embeddings, twice = np.concatenate((first, first)), np.concatenate((labels, labels))
    for groups in (None, np.arange(len(embeddings))):
        assert told(learnt(embeddings, twice, groups), fresh) < 2 * RATE


def test_groups_and_copies_are_connected() -> None:
    rows = np.array([[1], [2], [3], [2], [4], [5]], np.float32)
    assert together(rows, None).tolist() == [0, 1, 2, 1, 3, 4]
    connected = together(rows, np.array([7, 7, 0, 3, 3, 1]))  # the second is a copy of the fourth
    assert len({connected[place] for place in (0, 1, 3, 4)}) == 1
    assert len(set(connected)) == 3


def test_without_anything_to_hold_out_there_is_no_answer() -> None:
    embeddings, labels = points(5, 0)
    for groups in (np.zeros(15, int), labels):  # one group; each class its own
        assert Novelty.of(embeddings, labels, groups, RATE, np.random.default_rng(0)) is None


def test_few_images_give_the_greatest_distance_as_threshold() -> None:
    embeddings, labels = points(2, 0)
    of = learnt(embeddings, labels)
    apart = novelty.held_out_distances(embeddings, labels, None, np.random.default_rng(0))
    assert of.threshold == pytest.approx(((apart - of.medians) / of.spans).max())


def test_embeddings_that_are_all_the_same_or_nothing_are_no_error() -> None:
    for embeddings in (np.zeros((8, 5), np.float32), np.ones((8, 5), np.float32)):
        of = learnt(embeddings + 1e-6 * np.eye(8, 5, dtype=np.float32), np.arange(8) % 2)
        assert np.isfinite(of.distances(embeddings)).all()
    alone = learnt(*points(10, 0)[:1], np.zeros(30, int))
    assert np.isfinite(alone.distances(points(3, 1)[0])).all(), "of a single class"


def test_of_many_images_a_part_is_kept_with_every_class() -> None:
    labels = np.concatenate((np.zeros(novelty.LIMIT, int), np.ones(novelty.LIMIT, int), np.full(10, 2)))
    kept = kept_images(labels, np.random.default_rng(0))
    assert len(kept) == novelty.LIMIT
    assert np.bincount(labels[kept]).tolist() == pytest.approx([novelty.LIMIT / 2] * 2 + [5], abs=5)
    assert kept_images(labels[:7], np.random.default_rng(0)).tolist() == list(range(7))
