"""All labelled images of a data set, and the splits that trials draw of them."""

from dataclasses import dataclass

import numpy as np

from stages.ground.errors import ProjectError
from stages.ground.seeds import derived_rng
from stages.statistics.sampling import drawn_groups, stratified

SPLITS = 2000003  # a seed of their own: of what trains, seeds are small numbers


@dataclass(frozen=True)
class Pool:
    """Train and val images together; test images are not among them."""

    labels: np.ndarray  # (N,) int64
    val: np.ndarray  # (N,) bool: those that validate in the committed split
    groups: np.ndarray  # (N,) numbers, from 0, of what stays on one side

    def split(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Which images train and which validate, as ascending numbers; the split numbered 0 is the committed one.

        Others are drawn: as many of each class validate as there, or as nearly as whole groups allow.

        Raises:
            ProjectError: a class has no images on one side, since its groups are too few.
        """
        val = self.val
        if number:
            counts = np.bincount(self.labels[self.val], minlength=int(self.labels.max()) + 1)
            val = drawn_groups(self.labels, self.groups, counts, derived_rng(SPLITS, number))
        train, held_out = np.flatnonzero(~val), np.flatnonzero(val)
        if not len(set(self.labels)) == len(set(self.labels[train])) == len(set(self.labels[held_out])):
            raise ProjectError(
                f"split {number} has a class without train or val images: it has too few groups (of the data set's"
                " groups or group_pattern) to be split"
            )
        return train, held_out

    def drawn(self, split: int, images: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The same, with so many of the train images alone, unless it is 0: each class by its share. Fewer are some of
        more."""
        train, val = self.split(split)
        if images:
            train = train[stratified(self.labels[train], images, derived_rng(SPLITS, split, 1))]
        return train, val
