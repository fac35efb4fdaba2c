"""What logits come to: probabilities, loss and accuracy."""

import numpy as np

UNEQUAL = 1.5  # times as many images as of another class, above which accuracy alone says little of that one


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, classes) -> probabilities of the same shape and type"""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(1, keepdims=True)
    return probabilities


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """(N, classes) -> natural logarithms of the probabilities, of the same shape and type"""
    shifted = logits - logits.max(1, keepdims=True)
    log_probabilities: np.ndarray = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return log_probabilities


def score(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """(N, classes), (N,) -> mean cross-entropy in nats, accuracy"""
    return float(cross_entropy(logits, labels).mean()), float((logits.argmax(1) == labels).mean())


def balanced_accuracy(right: np.ndarray, labels: np.ndarray) -> float:
    """(N,) bool, (N,) -> the mean of the recalls of the classes there are"""
    return float(np.mean([right[labels == of].mean() for of in np.unique(labels)]))


def class_ratio(labels: np.ndarray) -> float:
    """(N,) -> the images of the greatest class over those of the smallest, of those there are"""
    counts = np.unique(labels, return_counts=True)[1]
    return float(counts.max() / counts.min())


def are_unequal(labels: np.ndarray) -> bool:
    """Whether balanced accuracy is to be shown beside the accuracy of these images."""
    return class_ratio(labels) > UNEQUAL


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N, classes), (N,) -> (N,) of each, in nats"""
    losses: np.ndarray = -log_softmax(logits)[np.arange(len(labels)), labels]
    return losses
