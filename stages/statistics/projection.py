"""High-dimensional points in two dimensions: principal component analysis."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK = 4096  # points whose float64 copy is in memory at once


@dataclass(frozen=True)
class Projection:
    """The plane through the points' mean along which they vary most."""

    mean: np.ndarray  # (D,) float64
    axes: np.ndarray  # (2, D) float64, of length 1
    shares: tuple[float, float]  # of the variance, along each axis

    @classmethod
    def of(cls, points: np.ndarray) -> "Projection":
        """(N, D) with N and D of 2 or more. An axis points to where its largest component is positive."""
        mean = points.mean(0, dtype=np.float64)
        covariance = np.zeros((len(mean), len(mean)))
        for centred in _centred(points, mean):
            covariance += centred.T @ centred
        variances, vectors = np.linalg.eigh(covariance)  # ascending
        axes = vectors[:, [-1, -2]].T
        largest = np.take_along_axis(axes, np.abs(axes).argmax(1, keepdims=True), 1)
        first, second = variances[[-1, -2]] / max(variances.sum(), np.finfo(np.float64).tiny)
        return cls(mean, axes * np.sign(largest), (float(first), float(second)))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, 2) float64, to four decimals: what is beyond may differ with the number of threads"""
        return np.concatenate([centred @ self.axes.T for centred in _centred(points, self.mean)]).round(4)

    def points(self, points: np.ndarray) -> list[dict[str, float]]:
        """(N, D) -> for each, as a row of a table, x and y, and the share of the variance that each axis shows"""
        (x_share, y_share), coordinates = self.shares, self(points).tolist()
        return [{"x": x, "y": y, "x_share": x_share, "y_share": y_share} for x, y in coordinates]


def _centred(points: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(points), CHUNK):
        yield points[start : start + CHUNK] - mean
