"""A last layer at its optimum: multinomial logistic regression with an L2 penalty, the linear probe of the field.

It has no learning rate, no epochs and no seed but that of the folds which choose the penalty. See Kornblith et al., "Do
better ImageNet models transfer better?", CVPR 2019, and Radford et al., CLIP, 2021, whose probes follow a path of
penalties too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from stages.heads.linear import Embeddings, Head
from stages.statistics.scores import cross_entropy, log_softmax, softmax
from stages.statistics.selection import simplest

PENALTIES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(0, -13, -1))  # 1 to 0.000001, descending
FOLDS = 5


def fit_probe(train: Embeddings, seed: int) -> tuple[Head, float]:
    """The last layer, and the penalty that was chosen.

    Of PENALTIES, the strongest whose log loss on folds of the train images is within a standard error of the least.

    Args:
        train: the images to train on, each class at least once.
        seed: of the folds.

    Raises:
        ProjectError: they are too few.
    """
    labels = train.labels
    fold = train.folds(FOLDS, seed)
    losses = [fold_losses(train, fold == number) for number in range(fold.max() + 1)]
    penalty = PENALTIES[simplest(np.concatenate(losses, axis=1))]
    layers = path(Reduced.of(train.embeddings), labels, int(labels.max()) + 1)
    return next(layer.head for layer in layers if layer.penalty == penalty), penalty


def fold_losses(train: Embeddings, held_out: np.ndarray) -> np.ndarray:
    """(penalties, held out): the log loss of each image that is held out, by the layers that the others give."""
    classes, kept, out = int(train.labels.max()) + 1, train.part(~held_out), train.part(held_out)
    rows = []
    for layer in path(Reduced.of(kept.embeddings), kept.labels, classes):
        rows.append(cross_entropy(layer.head.logits(out.embeddings), out.labels))
    return np.array(rows)


@dataclass(frozen=True)
class Reduced:
    """Embeddings in as many dimensions as they span. A penalty on the squares of weights sees no rotation: the optimum
    is the same."""

    points: np.ndarray  # (N, R) float64, centred, of mean square length 1
    axes: np.ndarray  # (R, D), orthonormal
    mean: np.ndarray  # (D,)
    scale: float  # that the points were divided by; penalties are of these, so that they mean the same for any network

    @classmethod
    def of(cls, embeddings: np.ndarray) -> "Reduced":
        mean = embeddings.mean(0, dtype=np.float64)
        centred = embeddings - mean
        if len(centred) < centred.shape[1]:
            axes, triangle = np.linalg.qr(centred.T)
            points, axes = triangle.T, axes.T
        else:
            points, axes = centred, np.eye(centred.shape[1])
        scale = float(np.sqrt((centred**2).sum(1).mean())) or 1.0
        return cls(points / scale, axes, mean, scale)

    def head(self, weight: np.ndarray, bias: np.ndarray) -> Head:
        """The layer that gives of embeddings what (C, R) `weight` and (C,) `bias` give of points."""
        whole = weight @ self.axes / self.scale
        return Head(whole.astype(np.float32), (bias - whole @ self.mean).astype(np.float32))


@dataclass(frozen=True)
class Layer:
    penalty: float
    head: Head


def path(reduced: Reduced, labels: np.ndarray, classes: int) -> Iterator[Layer]:
    """The optimum for each of PENALTIES, each found from the one before."""
    both = np.zeros((classes, reduced.points.shape[1] + 1))
    for penalty in PENALTIES:
        both = optimum(reduced.points, labels, penalty, both)
        yield Layer(penalty, reduced.head(both[:, :-1], both[:, -1]))


def optimum(points: np.ndarray, labels: np.ndarray, penalty: float, start: np.ndarray) -> np.ndarray:
    """The (C, R + 1) weights and biases of the least mean cross-entropy + penalty / 2 x the weights' squares."""
    inputs = np.column_stack((points, np.ones(len(points))))
    rows = np.arange(len(labels))

    def penalised(gradient: np.ndarray, both: np.ndarray) -> np.ndarray:
        gradient[:, :-1] += penalty * both[:, :-1]
        return gradient.ravel()

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(start.shape)
        log_probabilities = log_softmax(inputs @ both.T)
        loss = -log_probabilities[rows, labels].mean() + penalty / 2 * (both[:, :-1] ** 2).sum()
        error = np.exp(log_probabilities)
        error[rows, labels] -= 1
        return loss, penalised(error.T @ inputs / len(labels), both)

    def curvature_along(flat: np.ndarray, direction: np.ndarray) -> np.ndarray:
        both, along = flat.reshape(start.shape), direction.reshape(start.shape)
        probabilities, change = softmax(inputs @ both.T), inputs @ along.T
        change -= (probabilities * change).sum(1, keepdims=True)
        return penalised((probabilities * change).T @ inputs / len(labels), along)

    # Newton's method. L-BFGS-B, as fast on one thread, took ten times as long on two (SciPy's threads and NumPy's).
    found = minimize(
        loss_and_gradient, start.ravel(), jac=True, hessp=curvature_along, method="trust-ncg", options={"gtol": 1e-5}
    )
    best: np.ndarray = found.x.reshape(start.shape)
    return best
