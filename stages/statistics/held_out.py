"""What the class of each example is by all others: kernel ridge regression, each group left out in closed form.

Rifkin and Lippert, "Notes on regularized least squares", 2007: what is fitted without some examples follows from the
fit of all. Beyond LANDMARKS examples, kernels are around a sample of them (subset of regressors: Rasmussen and
Williams, "Gaussian processes for machine learning", 2006, chapter 8), so that memory grows with the examples alone.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar

from stages.statistics.sampling import stratified
from stages.statistics.scores import cross_entropy, softmax

LANDMARKS = 2000
NARROWNESS = 2.5  # of a kernel: exp(-2.5) at the median squared distance; both chosen on planted labels: docs/audit.md
PENALTY = 0.7
ROWS = 2000  # that are computed at once


def held_out_scores(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, C) float64: the greater, the more an example is like those of the class that are not of its group.

    Args:
        points: (N, D) float32, of which Euclidean distances tell.
        labels: (N,) from 0 to C - 1.
        groups: (N,) numbers of what is left out together.
    """
    classes = int(labels.max()) + 1
    targets = np.eye(classes)[labels] - 1 / classes
    kernel = Kernel.of(points, labels)
    square = PENALTY * kernel.of_landmarks
    product = np.zeros((len(square), classes))
    chunks = list(_whole_groups(groups))
    for chunk in chunks:
        values = kernel(points[chunk])
        square += values.T @ values
        product += values.T @ targets[chunk]
    factor = cho_factor(square)
    weights = cho_solve(factor, product)
    scores: np.ndarray = np.empty_like(targets)
    for chunk in chunks:
        values = kernel(points[chunk])
        influence, missing = cho_solve(factor, values.T), targets[chunk] - values @ weights
        scores[chunk] = targets[chunk] - _left_out(values, influence, missing, groups[chunk])
    return scores


def held_out_probabilities(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, C): the softmax of the scores, times what makes the labels as probable as can be."""
    scores = held_out_scores(points, labels, groups)
    found = minimize_scalar(
        lambda power: cross_entropy(np.exp(power) * scores, labels).mean(), bounds=(-5, 5), method="bounded"
    )
    probabilities: np.ndarray = softmax(np.exp(found.x) * scores)
    return probabilities


class Kernel:
    """exp(-NARROWNESS x squared distance / their median), from landmarks."""

    def __init__(self, landmarks: np.ndarray, width: float) -> None:
        self._landmarks, self._width = landmarks, width
        self._squares = (landmarks**2).sum(1)

    @classmethod
    def of(cls, points: np.ndarray, labels: np.ndarray) -> "Kernel":
        chosen = (
            stratified(labels, LANDMARKS, np.random.default_rng(0))
            if len(points) > LANDMARKS
            else np.arange(len(points))
        )
        landmarks = points[chosen].astype(np.float64)
        distances = cls(landmarks, 1.0)._distances(landmarks)
        apart = distances[~np.eye(len(distances), dtype=bool)]
        return cls(landmarks, float(np.median(apart)) / NARROWNESS or 1.0)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, landmarks) float64"""
        values: np.ndarray = np.exp(-self._distances(points.astype(np.float64)) / self._width)
        return values

    @property
    def of_landmarks(self) -> np.ndarray:
        """(landmarks, landmarks), with a little more on its diagonal, since copies would make it singular"""
        values: np.ndarray = self(self._landmarks) + 1e-6 * np.eye(len(self._landmarks))
        return values

    def _distances(self, points: np.ndarray) -> np.ndarray:
        squares = (points**2).sum(1)[:, None] + self._squares - 2 * points @ self._landmarks.T
        distances: np.ndarray = squares.clip(0)
        return distances


def _whole_groups(groups: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of examples, ROWS at once or somewhat more: those of one group together."""
    order = np.argsort(groups, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(order))
    begin = 0
    for end in ends:
        if end - begin >= ROWS or end == len(order):
            yield order[begin:end]
            begin = end


def _left_out(values: np.ndarray, influence: np.ndarray, missing: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n, C): what is missing to the targets when an example's group was not fitted.

    Args:
        values: (n, M), of the kernels.
        influence: (M, n), of the targets on the weights.
        missing: (n, C), when all were fitted.
        groups: (n,), each whole, one after another.
    """
    begins = np.flatnonzero(np.append(True, np.diff(groups) != 0))
    ends = np.append(begins[1:], len(groups))
    left: np.ndarray = missing / (1 - np.einsum("nm,mn->n", values, influence))[:, None]
    for begin, end in zip(begins, ends, strict=True):
        if end - begin > 1:
            own = values[begin:end] @ influence[:, begin:end]
            left[begin:end] = np.linalg.solve(np.eye(end - begin) - own, missing[begin:end])
    return left
