"""What the class of each example is by all others: kernel ridge regression, each group left out in closed form.

Rifkin and Lippert, "Notes on regularized least squares", 2007: what is fitted without some examples follows from the
fit of all. Beyond LANDMARKS examples, kernels are around a sample of them (subset of regressors: Rasmussen and
Williams, "Gaussian processes for machine learning", 2006, chapter 8), so that memory grows with the examples alone.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar

from stages.faults import rows
from stages.faults.rows import Points
from stages.statistics.sampling import stratified
from stages.statistics.scores import cross_entropy, softmax

LANDMARKS = 2000
NARROWNESS = 2.5  # of a kernel: exp(-2.5) at the median squared distance; both chosen on planted labels: docs/audit.md
PENALTY = 0.7
ROWS = 2000  # that are computed at once
SAME = 1e-6  # of the greatest squared distance: what is no farther apart is a copy

Blocks = Iterator[tuple[np.ndarray, np.ndarray]]  # (n,) numbers of examples, each once in all; (n, C) float32


def held_out_scores(points: Points, labels: np.ndarray, groups: np.ndarray) -> Blocks:
    """The greater, the more an example is like those of the class that are not of its group.

    Each class weighs alike, however many examples it has.

    Args:
        points: (N, D) float32, of which Euclidean distances tell.
        labels: (N,) from 0 to C - 1.
        groups: (N,) numbers of what is left out together.
    """
    return Fit(points, labels, groups).scores(np.arange(len(labels)))


def held_out_probabilities(points: Points, labels: np.ndarray, groups: np.ndarray) -> Blocks:
    """The softmax of the scores, times what makes the labels as probable as can be, classes alike.

    Of more than FEW examples, that is asked of so many: their scores are kept.
    """
    fit, weights, losses = Fit(points, labels, groups), class_weights(labels), np.empty(len(labels), np.float32)
    asked = some_groups(groups, rows.FEW)
    known = list(fit.scores(asked))

    def loss(power: float) -> float:
        for numbers, scores in known:
            losses[numbers] = cross_entropy(np.float32(np.exp(power)) * scores, labels[numbers])
        return float((weights[asked] * losses[asked]).mean())

    scale = np.float32(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
    for numbers, scores in known if len(asked) == len(labels) else fit.scores(np.arange(len(labels))):
        yield numbers, softmax(scale * scores)


def whole(blocks: Blocks) -> np.ndarray:
    """(N, C), in the examples' order"""
    numbers, values = zip(*blocks, strict=True)
    in_order: np.ndarray = np.concatenate(values)[np.argsort(np.concatenate(numbers))]
    return in_order


class Fit:
    """Of all examples, from which what it is without a group follows."""

    def __init__(self, points: Points, labels: np.ndarray, groups: np.ndarray) -> None:
        self._points, self._labels, self._groups = points, labels, groups
        self._kernel, self._weights = Kernel.of(points, labels), class_weights(labels)
        classes = int(labels.max()) + 1
        self._square, self._product = PENALTY * self._kernel.of_landmarks, np.zeros((self._kernel.count, classes))
        for chunk in _whole_groups(groups):
            self._add(self._square, self._product, chunk)
        self._factor = cho_factor(self._square)
        self._fitted = cho_solve(self._factor, self._product)

    def scores(self, of: np.ndarray) -> Blocks:
        """Of these examples, (n,) numbers, in whole groups"""
        for chunk in (of[part] for part in _whole_groups(self._groups[of])):
            if len(chunk) > ROWS and self._groups[chunk[0]] == self._groups[chunk[-1]]:
                yield from self._of_great_group(chunk)
            else:
                values = self._kernel(self._points[chunk])
                targets = _targets(self._labels[chunk], self._product.shape[1])
                influence = cho_solve(self._factor, values.T) * self._weights[chunk]
                left = _left_out(values, influence, targets - values @ self._fitted, self._groups[chunk])
                yield chunk, (targets - left).astype(np.float32)

    def _of_great_group(self, chunk: np.ndarray) -> Blocks:
        own, of_own = np.zeros_like(self._square), np.zeros_like(self._product)
        self._add(own, of_own, chunk)
        without = cho_solve(cho_factor(self._square - own), self._product - of_own)
        for part in _parts(chunk):
            yield part, (self._kernel(self._points[part]) @ without).astype(np.float32)

    def _add(self, square: np.ndarray, product: np.ndarray, chunk: np.ndarray) -> None:
        """Add to the normal equations what these examples have in them."""
        for part in _parts(chunk):
            values = self._kernel(self._points[part])
            weighted = values.T * self._weights[part]
            square += weighted @ values
            product += weighted @ _targets(self._labels[part], product.shape[1])


def some_groups(groups: np.ndarray, count: int) -> np.ndarray:
    """The numbers of so many examples, or a few more, in whole groups drawn at random, ascending; all if no more."""
    if len(groups) <= count:
        return np.arange(len(groups))
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(sizes))
    taken = np.zeros(len(sizes), bool)
    taken[order[: np.searchsorted(sizes[order].cumsum(), count) + 1]] = True
    return np.flatnonzero(taken[of])


def class_weights(labels: np.ndarray) -> np.ndarray:
    """(N,) of mean 1, the same sum for each class that there is"""
    counts = np.bincount(labels)
    weights: np.ndarray = len(labels) / (np.count_nonzero(counts) * counts[labels])
    return weights


def _targets(labels: np.ndarray, classes: int) -> np.ndarray:
    targets: np.ndarray = np.eye(classes)[labels] - 1 / classes
    return targets


def _parts(chunk: np.ndarray) -> Iterator[np.ndarray]:
    return (chunk[begin : begin + 2 * ROWS] for begin in range(0, len(chunk), 2 * ROWS))


class Kernel:
    """exp(-NARROWNESS x squared distance / their median), from landmarks."""

    def __init__(self, landmarks: np.ndarray, width: float) -> None:
        self._landmarks, self._width = landmarks, width
        self._squares = (landmarks**2).sum(1)

    @classmethod
    def of(cls, points: Points, labels: np.ndarray) -> "Kernel":
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
