"""Whether a temperature of the logits, fitted on folds of the train images, makes probabilities of val images better.

Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.recipes.variant import Probe, Variant
from stages.statistics.calibration import confidence_bins, expected_calibration_error
from stages.statistics.scores import cross_entropy, softmax

FOLDS = 5


@dataclass(frozen=True)
class Calibrated:
    """Of the val images, without and with the temperature."""

    temperature: float
    losses: tuple[float, float]
    errors: tuple[float, float]  # expected calibration errors


def calibrated(recipe: Variant | Probe, train: Embeddings, val: Embeddings, seed: int) -> Calibrated:
    fold = train.folds(FOLDS, seed)
    logits = np.empty((len(train.labels), int(train.labels.max()) + 1), np.float32)
    for number in range(fold.max() + 1):
        rest, out = train.part(fold != number), train.part(fold == number)
        logits[fold == number] = fit_last_layer(recipe, rest, rest, seed)[0].logits(out.embeddings)
    found = minimize_scalar(lambda log: mean_loss(logits / np.exp(log), train.labels), bounds=(-3, 3), method="bounded")
    temperature = float(np.exp(found.x))
    of_val = fit_last_layer(recipe, train, train, seed)[0].logits(val.embeddings)
    both = (of_val, of_val / temperature)
    losses, errors = ([of(each, val.labels) for each in both] for of in (mean_loss, calibration_error))
    return Calibrated(temperature, (losses[0], losses[1]), (errors[0], errors[1]))


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(cross_entropy(logits, labels).mean())


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    bins = confidence_bins(softmax(logits).max(1).tolist(), (logits.argmax(1) == labels).tolist())
    return expected_calibration_error(bins)
