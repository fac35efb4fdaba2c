"""A last layer at its optimum: multinomial logistic regression with an L2 penalty, the linear probe of the field.

It has no learning rate, no epochs and no seed but that of the folds which choose the penalty. See Kornblith et al., "Do
better ImageNet models transfer better?", CVPR 2019, and Radford et al., CLIP, 2021, whose probes follow a path of
penalties too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from stages.ground.room import parts, room
from stages.heads.linear import Embeddings, Head
from stages.recipes.weights import ClassWeights, class_weights
from stages.statistics.scores import cross_entropy, log_softmax, softmax
from stages.statistics.selection import simplest

PENALTIES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(0, -15, -1))  # 1 to 0.0000001, descending
FOLDS = 5
BIAS_INPUT = 0.1  # what the bias is a weight of, beside embeddings of length 1; see docs/tuning.md


def fit_probe(train: Embeddings, seed: int, weighted: ClassWeights = "none") -> tuple[Head, float]:
    """The last layer, and the penalty that was chosen.

    Of PENALTIES, the strongest whose log loss on folds of the train images is within a standard error of the least.

    Args:
        train: the images to train on, each class at least once.
        seed: of the folds.
        weighted: how classes weigh in what is minimised.

    Raises:
        ProjectError: they are too few.
    """
    labels = train.labels
    fold = train.folds(FOLDS, seed)
    losses = [fold_losses(train, fold == number, weighted) for number in range(fold.max() + 1)]
    groups = None if train.groups is None else np.concatenate([train.groups[fold == of] for of in range(len(losses))])
    penalty = PENALTIES[simplest(np.concatenate(losses, axis=1), groups=groups)]
    layers = path(Reduced.of(train.embeddings), labels, int(labels.max()) + 1, weighted)
    return next(layer.head for layer in layers if layer.penalty == penalty), penalty


def fold_losses(train: Embeddings, held_out: np.ndarray, weighted: ClassWeights) -> np.ndarray:
    """(penalties, held out): the log loss of each image that is held out, by the layers that the others give.

    Times its class's weight among all train images: a penalty is chosen for what the layer is trained for. Without
    weights here, balanced layers would be asked for the probabilities of unequal classes.
    """
    classes, kept, out = int(train.labels.max()) + 1, train.part(~held_out), train.part(held_out)
    weights = class_weights(weighted, train.labels)[out.labels]
    rows = []
    for layer in path(Reduced.of(kept.embeddings), kept.labels, classes, weighted):
        rows.append(cross_entropy(layer.head.logits(out.embeddings), out.labels) * weights)
    return np.array(rows)


@dataclass(frozen=True)
class Reduced:
    """Embeddings of length 1 and the bias's input, in as many dimensions as they span. A penalty on the squares of
    weights sees no rotation: the optimum is the same.

    The bias is penalised as the weights are, and hardly used: without it, what a layer decides does not depend on an
    embedding's length, which is no sign of any class.
    """

    points: np.ndarray  # (N, R) float64
    axes: np.ndarray  # (R, D + 1), orthonormal
    length: float  # the embeddings' mean length

    @classmethod
    def of(cls, embeddings: np.ndarray) -> "Reduced":
        count, width = embeddings.shape
        inputs, lengths = room((count, width + 1), np.float64), np.empty((count, 1))
        inputs[:, -1] = BIAS_INPUT
        for part in parts(count):
            lengths[part] = np.linalg.norm(embeddings[part].astype(np.float64), axis=1, keepdims=True)
            inputs[part, :-1] = embeddings[part] / np.where(lengths[part], lengths[part], 1)
        length = float(lengths.mean()) or 1.0
        if len(inputs) >= inputs.shape[1]:
            return cls(inputs, np.eye(inputs.shape[1]), length)
        axes, triangle = np.linalg.qr(inputs.T)
        return cls(triangle.T, axes.T, length)

    def head(self, weight: np.ndarray) -> Head:
        """The layer that gives of an embedding of mean length what (C, R) `weight` gives of its point."""
        whole = weight @ self.axes
        return Head((whole[:, :-1] / self.length).astype(np.float32), (whole[:, -1] * BIAS_INPUT).astype(np.float32))


@dataclass(frozen=True)
class Layer:
    penalty: float
    head: Head


def path(reduced: Reduced, labels: np.ndarray, classes: int, weighted: ClassWeights = "none") -> Iterator[Layer]:
    """The optimum for each of PENALTIES, each found from the one before."""
    weight, of_images = np.zeros((classes, reduced.points.shape[1])), class_weights(weighted, labels)[labels]
    for penalty in PENALTIES:
        weight = optimum(reduced.points, labels, of_images, penalty, weight)
        yield Layer(penalty, reduced.head(weight))


def optimum(
    points: np.ndarray, labels: np.ndarray, of_images: np.ndarray, penalty: float, start: np.ndarray
) -> np.ndarray:
    """The (C, R) weights of the least mean of cross-entropies, each times its image's weight, (N,), + penalty / 2 x
    their squares."""
    rows = np.arange(len(labels))

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(start.shape)
        log_probabilities = log_softmax(points @ weight.T)
        loss = -(of_images * log_probabilities[rows, labels]).mean() + penalty / 2 * (flat**2).sum()
        error = np.exp(log_probabilities)
        error[rows, labels] -= 1
        error *= of_images[:, None]
        gradient: np.ndarray = (error.T @ points / len(labels)).ravel() + penalty * flat
        return loss, gradient

    def curvature_along(flat: np.ndarray, direction: np.ndarray) -> np.ndarray:
        probabilities = softmax(points @ flat.reshape(start.shape).T)
        change = points @ direction.reshape(start.shape).T
        change -= (probabilities * change).sum(1, keepdims=True)
        change *= of_images[:, None]
        product: np.ndarray = ((probabilities * change).T @ points / len(labels)).ravel() + penalty * direction
        return product

    # Newton's method. L-BFGS-B, as fast on one thread, took ten times as long on two (SciPy's threads and NumPy's).
    found = minimize(
        loss_and_gradient, start.ravel(), jac=True, hessp=curvature_along, method="trust-ncg", options={"gtol": 1e-5}
    )
    best: np.ndarray = found.x.reshape(start.shape)
    return best
