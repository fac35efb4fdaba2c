"""A last layer, trained on embeddings by SGD in NumPy.

The same as training it in torch, but for rounding (a test holds both against each other), without the seconds that
importing torch takes.
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.ground.errors import DivergedError, ProjectError
from stages.ground.room import taken
from stages.ground.seeds import derived_rng
from stages.models.features import Embedded
from stages.recipes.variant import Report, Row, Variant
from stages.recipes.weights import class_weights
from stages.statistics.sampling import folds, numbered
from stages.statistics.scores import log_softmax, score


@dataclass(frozen=True)
class Head:
    """Logits are embeddings @ weight.T + bias."""

    weight: np.ndarray  # (classes, D) float32
    bias: np.ndarray  # (classes,) float32

    @classmethod
    def drawn(cls, width: int, classes: int, seed: int) -> "Head":
        """At random, as torch's Linear begins: uniform within 1 / sqrt(D)."""
        rng, bound = derived_rng(seed), 1 / math.sqrt(width)
        weight, bias = (rng.uniform(-bound, bound, shape) for shape in ((classes, width), (classes,)))
        return cls(weight.astype(np.float32), bias.astype(np.float32))

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) float32 -> (N, classes) float32"""
        logits: np.ndarray = embeddings @ self.weight.T + self.bias
        return logits


@dataclass(frozen=True)
class Embeddings:
    embeddings: np.ndarray  # (N, D) float32
    labels: np.ndarray  # (N,) int64
    groups: np.ndarray | None = None  # (N,) numbers from 0 of what is kept in one fold; None: each is its own

    @classmethod
    def of(cls, split: Embedded) -> "Embeddings":
        return cls(split.embeddings, split.labels, split.groups)

    def part(self, of: np.ndarray) -> "Embeddings":
        """Those numbered `of`, or where it is true; of all of them there is no copy."""
        numbers = np.flatnonzero(of) if of.dtype == bool else of
        if np.array_equal(numbers, np.arange(len(self.labels))):
            return self
        groups = None if self.groups is None else self.groups[numbers]
        return Embeddings(taken(self.embeddings, numbers), self.labels[numbers], groups)

    def folds(self, count: int, seed: int) -> np.ndarray:
        """(N,) numbers from 0, at random: classes in proportion, groups whole; fewer than `count` of few groups.

        Raises:
            ProjectError: all are of one group, or each is the only one of its class.
        """
        groups = np.arange(len(self.labels)) if self.groups is None else numbered(self.groups)
        found = numbered(folds(self.labels, groups, count, derived_rng(seed)))
        if found.max() == 0:
            raise ProjectError(
                f"{len(self.labels)} train images, in whole groups, are too few to choose a setting on some of them:"
                " add images"
            )
        return found


@np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is an error of its own
def fit_head(
    head: Head,
    train: Embeddings,
    val: Embeddings,
    recipe: Variant,
    seed: int,
    report: Report = lambda history: None,
) -> tuple[Head, list[Row]]:
    """The trained head, and its history; see stages/training/fit.py, which is the same for a whole network.

    Raises:
        DivergedError: the loss is no longer finite.
    """
    history: list[Row] = []
    best_accuracy, best = -1.0, head
    sgd = Sgd(head, recipe)
    for epoch in range(1, recipe.epochs + 1):
        lr = recipe.lr_in(epoch)
        loss, accuracy = sgd.epoch(train, seed, epoch)
        rows: list[Row] = [{"epoch": epoch, "split": "train", "loss": loss, "accuracy": accuracy, "lr": lr}]
        loss, accuracy = score(sgd.head.logits(val.embeddings), val.labels)
        if not math.isfinite(loss):
            raise DivergedError(f"the val loss is {loss} after epoch {epoch}, at lr {lr:g}; lower lr")
        rows += [{"epoch": epoch, "split": "val", "loss": loss, "accuracy": accuracy, "lr": lr}]
        history += rows
        report(history)
        if recipe.select == "last" or accuracy > best_accuracy:
            best_accuracy, best = accuracy, sgd.copy()
    return best, history


class Sgd:
    """SGD with momentum and weight decay, as torch.optim.SGD has it, of a copy of `head`."""

    def __init__(self, head: Head, recipe: Variant) -> None:
        self.recipe = recipe
        self._both = np.column_stack((head.weight, head.bias))  # (classes, D + 1)
        self._velocity = np.zeros_like(self._both)

    @property
    def head(self) -> Head:
        return Head(self._both[:, :-1], self._both[:, -1])

    def copy(self) -> Head:
        return Head(self._both[:, :-1].copy(), self._both[:, -1].copy())

    def epoch(self, train: Embeddings, seed: int, epoch: int) -> tuple[float, float]:
        """One pass over all embeddings in random order: their mean loss, without weights, and accuracy, as they went
        by."""
        lr, loss_sum, correct = self.recipe.lr_in(epoch), 0.0, 0
        weights = class_weights(self.recipe.class_weights, train.labels)[train.labels]
        for step, batch in enumerate(self.recipe.batches(len(train.labels), seed, epoch), start=1):
            loss, right = self.step(train.embeddings[batch], train.labels[batch], weights[batch], lr)
            if not math.isfinite(loss):
                raise DivergedError(f"the loss is {loss} in epoch {epoch}, step {step}, at lr {lr:g}; lower lr")
            loss_sum, correct = loss_sum + loss * len(batch), correct + right
        return loss_sum / len(train.labels), correct / len(train.labels)

    def step(self, embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray, lr: float) -> tuple[float, int]:
        """One step on a batch, to lower the plain mean of its weighted losses: its mean loss before the step, without
        weights, and how many of it were right."""
        inputs = np.column_stack((embeddings, np.ones(len(labels), np.float32)))
        logits, rows = inputs @ self._both.T, np.arange(len(labels))
        log_probabilities = log_softmax(logits)
        error = np.exp(log_probabilities)
        error[rows, labels] -= 1
        error *= weights[:, None]
        gradient = (error.T / np.float32(len(labels))) @ inputs + np.float32(self.recipe.weight_decay) * self._both
        self._velocity *= np.float32(self.recipe.momentum)
        self._velocity += gradient
        self._both -= np.float32(lr) * self._velocity
        return -float(log_probabilities[rows, labels].mean()), int((logits.argmax(1) == labels).sum())
