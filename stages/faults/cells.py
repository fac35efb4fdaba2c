"""Nearest neighbours among many points: each point looks into the cells that are nearest to it.

A cell is what is nearer to one of some points that were drawn than to any other of them (an inverted file: Sivic and
Zisserman, "Video Google", 2003; drawn centres in place of k-means: docs/scale.md has what either is worth). Up to FEW
points are one cell, so that all are compared.
"""

import numpy as np

from stages.faults.rows import FEW, Points
from stages.statistics.neighbours import BLOCK, Neighbours, nearest

CELLS = 4  # times the square root of the number of points
PROBES = 8  # cells that a point looks into
ROWS = 8192  # that are read at once


class Cells:
    """Some of the points, by which the neighbours of all are found.

    Args:
        points: (N, D) directions.
        among: (M,) the numbers of those that may be neighbours, ascending.
    """

    def __init__(self, points: Points, among: np.ndarray) -> None:
        self._points, rng = points, np.random.default_rng(0)
        count = round(CELLS * len(among) ** 0.5) if len(among) > FEW else 1
        centres = points[np.sort(rng.choice(among, count, replace=False))]
        parts = [slice(begin, begin + ROWS) for begin in range(0, len(points), ROWS)]
        near = [nearest(points[part], centres, PROBES).numbers.astype(np.int32) for part in parts]
        self._near = np.concatenate(near)  # (N, PROBES), or all cells that there are
        self._members = _by_cell(self._near[among, :1], count)
        for cell, members in enumerate(self._members):  # of a crowd, some are enough
            self._members[cell] = among[np.sort(rng.permutation(members)[:FEW])]

    def nearest(self, of: np.ndarray, count: int) -> Neighbours:
        """The nearest to these, (n,) numbers of points, and they themselves; -1, infinitely far, where none is left."""
        numbers, distances = np.full((len(of), count), -1), np.full((len(of), count), np.inf, np.float32)
        for members, asking in zip(self._members, _by_cell(self._near[of], len(self._members)), strict=True):
            among, rows = self._points[members], min(ROWS, BLOCK // max(1, len(members)))
            for part in (asking[begin : begin + rows] for begin in range(0, len(asking), rows)):
                found = nearest(self._points[of[part]], among, count)
                both = np.hstack((distances[part], found.distances))
                order = np.argsort(both, axis=1, kind="stable")[:, :count]
                distances[part] = np.take_along_axis(both, order, 1)
                numbers[part] = np.take_along_axis(np.hstack((numbers[part], members[found.numbers])), order, 1)
        return Neighbours(numbers, distances)


def _by_cell(near: np.ndarray, count: int) -> list[np.ndarray]:
    """(n, K) cells -> for each of `count` cells which of the n have it, ascending"""
    order = np.argsort(near, axis=None, kind="stable")
    ends = np.searchsorted(near.ravel()[order], np.arange(1, count))
    return np.split(order // near.shape[1], ends)
