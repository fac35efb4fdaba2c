"""Nearest neighbours among many points: each looks into the cells whose centres are nearest to it.

Cells are those of spherical k-means on a sample (an inverted file: Sivic and Zisserman, "Video Google", ICCV 2003). Up
to FEW points are one cell, so that all are compared. docs/scale.md has how many neighbours are found.
"""

import numpy as np
from scipy.sparse import csr_array

from stages.faults import rows
from stages.faults.rows import Points
from stages.statistics.neighbours import BLOCK, Neighbours, directions, nearest

CELLS = 4  # times the square root of the number of points
SAMPLE = 20  # points for each cell, by which its centre is found …
ROUNDS = 3  # … in so many rounds
PROBES = 16  # cells that a point looks into
ROWS = 8192  # that are read at once


class Cells:
    """Some of the points, by which the neighbours of all are found.

    Args:
        points: (N, D) directions.
        among: (M,) the numbers of those that may be neighbours, ascending.
    """

    def __init__(self, points: Points, among: np.ndarray) -> None:
        self._points, rng = points, np.random.default_rng(0)
        count = round(CELLS * len(among) ** 0.5) if len(among) > rows.FEW else 1
        chosen = rng.choice(among, min(SAMPLE * count, len(among)), replace=False)
        centres = _centres(points[np.sort(chosen)], count, rng)
        parts = [slice(begin, begin + ROWS) for begin in range(0, len(points), ROWS)]
        near = [nearest(points[part], centres, PROBES).numbers.astype(np.int32) for part in parts]
        self._near = np.concatenate(near)  # (N, PROBES), or all cells that there are
        own = _by_cell(self._near[among, :1], count)
        self._members = [among[np.sort(rng.permutation(of)[: rows.FEW])] for of in own]  # of a crowd, some are enough

    def nearest(self, of: np.ndarray, count: int) -> Neighbours:
        """The nearest to these, (n,) numbers of points, and they themselves; -1, infinitely far, where none is left."""
        numbers, distances = np.full((len(of), count), -1), np.full((len(of), count), np.inf, np.float32)
        for members, asking in zip(self._members, _by_cell(self._near[of], len(self._members)), strict=True):
            if not len(members):
                continue
            among, size = self._points[members], min(ROWS, BLOCK // len(members))
            for part in (asking[begin : begin + size] for begin in range(0, len(asking), size)):
                found = nearest(self._points[of[part]], among, count)
                both = np.hstack((distances[part], found.distances))
                order = np.argsort(both, axis=1, kind="stable")[:, :count]
                distances[part] = np.take_along_axis(both, order, 1)
                numbers[part] = np.take_along_axis(np.hstack((numbers[part], members[found.numbers])), order, 1)
        return Neighbours(numbers, distances)


def _centres(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, D) directions"""
    centres, numbers = sample[rng.choice(len(sample), count, replace=False)], np.arange(len(sample))
    for _ in range(ROUNDS):
        nearest_one = nearest(sample, centres, 1).numbers[:, 0]
        is_of = csr_array((np.ones(len(sample), np.float32), (nearest_one, numbers)), shape=(count, len(sample)))
        centres = directions(is_of @ sample)
    return centres


def _by_cell(near: np.ndarray, count: int) -> list[np.ndarray]:
    """(n, K) cells -> for each of `count` cells which of the n have it, ascending"""
    order = np.argsort(near, axis=None, kind="stable")
    ends = np.searchsorted(near.ravel()[order], np.arange(1, count))
    return np.split(order // near.shape[1], ends)
