"""Drawing some of a set's images: each class by its share, and groups kept whole.

A group is what belongs on one side of a split: the pictures of one person, animal, specimen or burst.
"""

from collections.abc import Iterable, Sequence

import numpy as np


def numbered(names: Sequence[object] | np.ndarray) -> np.ndarray:
    """Numbers from 0, one for each different name, in their order"""
    numbers: np.ndarray = np.unique(np.asarray(names), return_inverse=True)[1]
    return numbers


def stratified(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The numbers of `count` examples, ascending, each class by its share, and once at least if `count` allows.

    Each class's examples, in random order, are spread evenly over 0..1; those that come first are taken. So the draws
    of one state of `rng` are nested: a smaller `count` gives some of a greater one's.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        place[members] = rng.permutation(len(members)) / len(members)
    by_chance = rng.random(len(labels))  # which class has one more
    return np.sort(np.lexsort((by_chance, place))[:count])


def take_groups(labels: np.ndarray, groups: np.ndarray, target: np.ndarray, order: Iterable[int]) -> np.ndarray:
    """Which examples are taken, (N,) bool: whole groups, with `target` examples of each class, as nearly as may be.

    Groups come in `order`; one is taken if that brings the counts nearer to the target (the sum of the classes'
    distances). Where each example is a group of its own, the target is met exactly.

    Args:
        labels: (N,) from 0 to C - 1.
        groups: (N,) numbers of groups, from 0.
        target: (C,) examples of each class.
        order: the groups' numbers.
    """
    counts = np.zeros((int(groups.max()) + 1, len(target)))
    np.add.at(counts, (groups, labels), 1)
    missing, taken = np.asarray(target, float), np.zeros(len(counts), bool)
    for group in order:
        left = missing - counts[group]
        if np.abs(left).sum() < np.abs(missing).sum():
            missing, taken[group] = left, True
    of_examples: np.ndarray = taken[groups]
    return of_examples


def drawn_groups(labels: np.ndarray, groups: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`take_groups` in random order."""
    return take_groups(labels, groups, target, rng.permutation(int(groups.max()) + 1))


def folds(labels: np.ndarray, groups: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """For each example the number of its fold, (N,) from 0: classes in proportion, groups whole.

    As scikit-learn's StratifiedGroupKFold, but at random. A fold is empty where there are fewer groups than folds.
    """
    fold, left = np.full(len(labels), count - 1), np.arange(len(labels))
    classes = int(labels.max()) + 1
    for number in range(count - 1):
        target = np.bincount(labels[left], minlength=classes) / (count - number)
        taken = drawn_groups(labels[left], groups[left], target, rng)
        fold[left[taken]], left = number, left[~taken]
        if not len(left):
            break
    return fold
