"""What logits come to: probabilities, loss and accuracy."""

import numpy as np


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


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N, classes), (N,) -> (N,) of each, in nats"""
    losses: np.ndarray = -log_softmax(logits)[np.arange(len(labels)), labels]
    return losses
