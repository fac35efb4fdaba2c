"""How much each class's images weigh in the training loss."""

from typing import Literal

import numpy as np

ClassWeights = Literal["none", "balanced"]


def class_weights(kind: ClassWeights, labels: np.ndarray) -> np.ndarray:
    """(C,) float32, for (N,) labels below C: 1 of each class, or `balanced`: N / (K x the class's images), K classes
    having any.

    The balanced ones are those of scikit-learn's class_weight="balanced", after King and Zeng, "Logistic regression in
    rare events data", Political Analysis 9 (2001): classes weigh alike, and an image 1 in the mean, so that a learning
    rate and a penalty mean what they do without weights.
    """
    counts = np.bincount(labels)
    if kind == "none":
        return np.ones(len(counts), np.float32)
    there = counts > 0
    weights = np.divide(len(labels), there.sum() * counts, out=np.zeros(len(counts)), where=there)
    rounded: np.ndarray = weights.astype(np.float32)
    return rounded
