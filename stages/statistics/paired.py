"""Two ways of training, compared over trials: each a fresh split and fresh seeds, on which both were trained.

What is asked is not whether one trained model is better than another, but one way of training, on another draw of such
images. Trials share images, so that they are no independent repetitions, and the usual standard error is far too small.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from stages.statistics.sampling import numbered

BOOTSTRAPS = 10_000
DRAWN_FROM = 0  # the seed of the bootstrap
SURE = 0.95


@dataclass(frozen=True)
class Paired:
    """The differences A - B of so many trials, on the same images with the same seeds."""

    trials: int
    mean: float
    deviation: float  # the standard deviation of a trial's difference
    ratio: float  # val images to train images of a trial
    low: float  # the 95 % interval of the mean
    high: float
    better: float  # the share of trials in which A is ahead; a tie is half of one: P(A > B)
    better_low: float
    better_high: float

    @property
    def scale(self) -> float:
        return corrected_scale(self.deviation, self.trials, self.ratio)

    def within(self, margin: float) -> float:
        """The probability that the mean difference is less than `margin`, either way.

        Of the Student posterior of Benavoli et al., "Time for a change: a tutorial for comparing multiple classifiers
        through Bayesian analysis", JMLR 18 (2017), whose region of practical equivalence this is.
        """
        return within(margin, self.mean, self.scale, self.trials - 1)


def compared(first: np.ndarray, second: np.ndarray, train: int, val: int) -> Paired:
    """Two (trials,) arrays of accuracies, pair by pair; two trials at least.

    The deviation is at least what it would be if both ways of training disagreed about one of all images: with few
    images, that they never did so says little.

    The interval is the corrected resampled t (Nadeau and Bengio, "Inference for the generalization error", Machine
    Learning 52, 2003), P(A > B) with its bootstrap interval is Bouthillier et al., "Accounting for variance in machine
    learning benchmarks", MLSys 2021.

    Args:
        first, second: A's and B's accuracies.
        train, val: images of a trial.
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    trials = len(differences)
    mean, ratio = float(differences.mean()), val / train
    deviation = max(float(differences.std(ddof=1)), math.sqrt(1 / (train + val) / val))
    half = half_width(corrected_scale(deviation, trials, ratio), trials)
    wins, ties = (float(of.mean()) for of in (differences > 1e-9, np.abs(differences) <= 1e-9))
    counts = np.random.default_rng(DRAWN_FROM).multinomial(trials, [wins, ties, max(0.0, 1 - wins - ties)], BOOTSTRAPS)
    low, high = np.quantile((counts[:, 0] + counts[:, 1] / 2) / trials, [(1 - SURE) / 2, (1 + SURE) / 2])
    return Paired(trials, mean, deviation, ratio, mean - half, mean + half, wins + ties / 2, float(low), float(high))


def corrected_scale(deviation: float, trials: int, ratio: float) -> float:
    """The standard error of the mean over trials. It has a floor that no number of trials lowers: only more images."""
    return deviation * math.sqrt(1 / trials + ratio)


def half_width(scale: float, trials: int) -> float:
    """Of the 95 % interval of a mean with this standard error."""
    return float(stdtrit(trials - 1, (1 + SURE) / 2)) * scale


def within(margin: float, mean: float, scale: float, freedom: int) -> float:
    return float(stdtr(freedom, (margin - mean) / scale) - stdtr(freedom, (-margin - mean) / scale))


def over_images(differences: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float, float]:
    """(N,) differences, one of each image -> their mean, and its 95 % interval: another draw of such images.

    Of two ways' answers, right 1 and wrong 0. With half an image added that one alone has right, and half of one that
    the other has (Agresti and Min, "Simple improved confidence intervals for comparing matched proportions", Statistics
    in Medicine 24, 2005): that no image lies between them, or all on one side, does not say that none would. Over whole
    groups where there are some (clustered: Miller, "Adding error bars to evals", 2024). It knows nothing of another
    training on the same images.

    Args:
        differences: each from -1 to 1.
        groups: (N,) of whatever names a group; None: each image is its own. Of a single one anything may be true.
    """
    of_group = numbered(groups) if groups is not None else np.arange(len(differences))
    count, images = int(of_group.max()) + 1, len(differences) + 2
    if count < 2:
        return float(differences.mean()), -1.0, 1.0
    middle = float(differences.sum()) / images
    sums = np.bincount(of_group, differences - middle, count)
    error = math.sqrt(count / (count - 1) * float((sums**2).sum()) + 1) / images
    half = half_width(error, count)
    return float(differences.mean()), max(-1.0, middle - half), min(1.0, middle + half)
