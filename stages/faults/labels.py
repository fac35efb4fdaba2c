"""Doubtful labels: what an image is by all others, against what it is called.

The probabilities are of models that did not see the image, as in confident learning (Northcutt, Jiang and Chuang, JAIR
70, 2021). An image is suspect where another class is so many times as probable as its label; confident learning's own
border, that the other class is as probable as for its own images on average, misses more: docs/audit.md has both.
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.faults.held_out import held_out_probabilities
from stages.faults.rows import Stacked, points_of
from stages.statistics.neighbours import directions

MARGIN = math.log(4)  # of another class's probability over the label's


@dataclass(frozen=True)
class Suspects:
    numbers: np.ndarray  # (S,) of images, the surest first
    suggested: np.ndarray  # (S,) what they probably are
    scores: np.ndarray  # (S,) the natural logarithm of how much more probable that is than the label


def label_inputs(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) directions of the square roots: a few great features would else outweigh all others."""
    return directions(np.sign(embeddings) * np.sqrt(np.abs(embeddings)))


def suspect_labels(embeddings: np.ndarray | Stacked, labels: np.ndarray, groups: np.ndarray) -> Suspects:
    """
    A class that is all of one group is passed over: nothing else can speak for it.

    Args:
        embeddings: (N, D).
        labels: (N,) from 0 to C - 1.
        groups: (N,) numbers of what must not speak for itself: one person's pictures, or copies.
    """
    margins, others = np.empty(len(labels)), np.empty(len(labels), np.int64)
    for numbers, probabilities in held_out_probabilities(points_of(embeddings, label_inputs), labels, groups):
        margins[numbers], others[numbers] = log_margins(probabilities, labels[numbers])
    alone = [of for of in np.unique(labels) if len(np.unique(groups[labels == of])) < 2]
    (found,) = np.nonzero((margins > MARGIN) & ~np.isin(labels, alone))
    order = found[np.argsort(-margins[found], kind="stable")]
    return Suspects(order, others[order], margins[order])


def log_margins(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) how much more probable the most probable other class is, as a natural logarithm; and which class it is"""
    rows, logs = np.arange(len(labels)), np.log(probabilities.clip(np.finfo(float).tiny))
    own = logs[rows, labels]
    logs[rows, labels] = -np.inf
    others = logs.argmax(1)
    return logs[rows, others] - own, others
