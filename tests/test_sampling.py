"""stages/statistics/sampling.py: draws in proportion, and whole groups."""

import numpy as np
import pytest

from stages.ground.seeds import derived_rng
from stages.statistics.sampling import drawn_groups, folds, stratified, take_groups

LABELS = np.array([0] * 30 + [1] * 50 + [2] * 20)
ALONE = np.arange(100)
STUDENTS = np.arange(100) % 25  # each with images of several classes


@pytest.mark.parametrize("seed", range(5))
def test_without_groups_a_draw_has_exactly_the_images_asked_for(seed: int) -> None:
    taken = drawn_groups(LABELS, ALONE, np.array([10, 20, 5]), derived_rng(seed))
    assert np.bincount(LABELS[taken]).tolist() == [10, 20, 5]


def test_draws_differ_and_follow_from_their_seed() -> None:
    draws = [drawn_groups(LABELS, ALONE, np.array([10, 20, 5]), derived_rng(seed)) for seed in (1, 1, 2)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_counts_come_near(seed: int) -> None:
    target = np.array([15, 25, 10])
    taken = drawn_groups(LABELS, STUDENTS, target, derived_rng(seed))
    assert all(len(set(taken[student == STUDENTS])) == 1 for student in range(25))
    assert np.abs(np.bincount(LABELS[taken], minlength=3) - target).sum() <= 6


def test_a_group_that_would_lead_away_from_the_target_is_left() -> None:
    labels, groups = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 2, 3])
    taken = take_groups(labels, groups, np.array([1, 1]), order=[0, 1, 2, 3])
    assert taken.tolist() == [False, False, False, True, True, False]


@pytest.mark.parametrize("groups", [ALONE, STUDENTS], ids=["no groups", "groups"])
def test_folds_hold_every_class_in_proportion_and_groups_whole(groups: np.ndarray) -> None:
    fold = folds(LABELS, groups, 5, derived_rng(3))
    assert set(fold) == {0, 1, 2, 3, 4}
    for number in range(5):
        counts = np.bincount(LABELS[fold == number], minlength=3)
        assert np.abs(counts - [6, 10, 4]).sum() <= (0 if groups is ALONE else 6)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))


def test_more_folds_than_groups_leave_some_empty() -> None:
    groups = (np.arange(100) >= 50).astype(int)
    fold = folds(LABELS, groups, 5, derived_rng(3))
    assert len(set(fold)) == 2
    assert all(len(set(fold[groups == group])) == 1 for group in (0, 1))


def test_smaller_draws_are_part_of_greater_ones() -> None:
    drawn = [set(stratified(LABELS, count, derived_rng(4))) for count in (10, 20, 50)]
    assert drawn[0] < drawn[1] < drawn[2]


def test_a_group_that_brings_nothing_is_left() -> None:
    labels, groups = np.array([0, 1, 0]), np.array([0, 0, 1])
    assert take_groups(labels, groups, np.array([1, 0]), order=[0, 1]).tolist() == [False, False, True]
