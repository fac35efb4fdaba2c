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
SAME = 1e-6  # of the greatest squared distance: what is no farther apart is a copy


def held_out_scores(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, C) float32: the greater, the more an example is like those of the class that are not of its group.

    Each class weighs alike, however many examples it has.

    Args:
        points: (N, D) float32, of which Euclidean distances tell.
        labels: (N,) from 0 to C - 1.
        groups: (N,) numbers of what is left out together.
    """
    classes = int(labels.max()) + 1
    kernel, weights = Kernel.of(points, labels), class_weights(labels)
    square, product = PENALTY * kernel.of_landmarks, np.zeros((kernel.count, classes))
    chunks = list(_whole_groups(groups))
    for chunk in chunks:
        _add(square, product, kernel, points, labels, weights, chunk)
    factor = cho_factor(square)
    fitted, scores = cho_solve(factor, product), np.empty((len(labels), classes), np.float32)
    for chunk in chunks:
        if len(chunk) > ROWS and groups[chunk[0]] == groups[chunk[-1]]:
            own, of_own = np.zeros_like(square), np.zeros_like(product)
            _add(own, of_own, kernel, points, labels, weights, chunk)
            without = cho_solve(cho_factor(square - own), product - of_own)
            for part in _parts(chunk):
                scores[part] = kernel(points[part]) @ without
        else:
            values = kernel(points[chunk])
            targets = _targets(labels[chunk], classes)
            influence = cho_solve(factor, values.T) * weights[chunk]
            left = _left_out(values, influence, targets - values @ fitted, groups[chunk])
            scores[chunk] = targets - left
    return scores


def held_out_probabilities(points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, C): the softmax of the scores, times what makes the labels as probable as can be, classes alike."""
    scores, weights = held_out_scores(points, labels, groups), class_weights(labels)
    found = minimize_scalar(
        lambda power: (weights * cross_entropy(np.float32(np.exp(power)) * scores, labels)).mean(),
        bounds=(-5, 5),
        method="bounded",
    )
    probabilities: np.ndarray = softmax(np.float32(np.exp(found.x)) * scores)
    return probabilities


def class_weights(labels: np.ndarray) -> np.ndarray:
    """(N,) of mean 1, the same sum for each class that there is"""
    counts = np.bincount(labels)
    weights: np.ndarray = len(labels) / (np.count_nonzero(counts) * counts[labels])
    return weights


def _targets(labels: np.ndarray, classes: int) -> np.ndarray:
    targets: np.ndarray = np.eye(classes)[labels] - 1 / classes
    return targets


def _add(
    square: np.ndarray,
    product: np.ndarray,
    kernel: "Kernel",
    points: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    chunk: np.ndarray,
) -> None:
    """Add to the normal equations what these examples have in them."""
    for part in _parts(chunk):
        values = kernel(points[part])
        weighted = values.T * weights[part]
        square += weighted @ values
        product += weighted @ _targets(labels[part], product.shape[1])


def _parts(chunk: np.ndarray) -> Iterator[np.ndarray]:
    return (chunk[begin : begin + 2 * ROWS] for begin in range(0, len(chunk), 2 * ROWS))


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
        apart = distances[distances > SAME * distances.max()]
        return cls(landmarks, float(np.median(apart)) / NARROWNESS if len(apart) else 1.0)

    @property
    def count(self) -> int:
        return len(self._landmarks)

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
    """Numbers of examples, ROWS at once or somewhat more, whole groups; a group of more than ROWS comes alone."""
    order = np.argsort(groups, kind="stable")
    begins = np.append(0, np.flatnonzero(np.diff(groups[order])) + 1)
    ends = np.append(begins[1:], len(order))
    first = 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin > ROWS:
            if begin > first:
                yield order[first:begin]
            yield order[begin:end]
            first = end
        elif end - first >= ROWS:
            yield order[first:end]
            first = end
    if first < len(order):
        yield order[first:]


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
