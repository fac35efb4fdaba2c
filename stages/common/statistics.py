"""How far an accuracy, a difference between two, and the probabilities of answers can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, sqrt
from statistics import fmean

Z_95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share correct / count.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Unlike
    share ± 1.96 standard errors it stays within 0..1 and is not of width 0 at 0 or count.
    """
    share, z2 = correct / count, Z_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 / (1 + z2 / count) * sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # Wilson's interval holds the share itself; rounding would put it just outside where all are right, or none.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def p_value_text(p_value: float) -> str:
    """Two digits of a p-value that was rounded to four decimals."""
    return f"= {p_value:.2g}" if p_value else "< 0.0001"


def mcnemar_exact(first_right: Sequence[bool], second_right: Sequence[bool]) -> float:
    """The two-sided p-value that two classifiers, judged on the same images, are equally accurate.

    Only images that one has right and the other wrong count; were both equally accurate, each would fall
    to either with probability 1/2. McNemar, Psychometrika 12 (1947), in its exact (binomial) form.
    """
    only_first = sum(a and not b for a, b in zip(first_right, second_right, strict=True))
    only_second = sum(b and not a for a, b in zip(first_right, second_right, strict=True))
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    tail: int = sum(comb(discordant, k) for k in range(fewer + 1))
    return min(1.0, tail / 2 ** (discordant - 1)) if discordant else 1.0


@dataclass(frozen=True)
class ConfidenceBin:
    """The answers whose probability lies above `low` and not above `high`; there is one at least."""

    low: float
    high: float
    count: int
    right: int
    confidence: float  # mean probability

    @property
    def accuracy(self) -> float:
        return self.right / self.count


def confidence_bins(probabilities: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[ConfidenceBin]:
    """Answers by the probability that each was given, in bins of equal width; empty ones are left out."""
    answers = list(zip(probabilities, right, strict=True))
    found = []
    for low, high in pairwise(number / bins for number in range(bins + 1)):
        of = [(probability, is_right) for probability, is_right in answers if low < min(probability, 1) <= high]
        if of:
            confidence = fmean(probability for probability, _ in of)
            found.append(ConfidenceBin(low, high, len(of), sum(is_right for _, is_right in of), confidence))
    return found


def expected_calibration_error(bins: Sequence[ConfidenceBin]) -> float:
    """How far the probabilities of answers are from the share of them that is right, on average over images.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015; Guo et
    al., "On calibration of modern neural networks", ICML 2017. 0 is best. With few images it is too large by chance.
    """
    images = sum(of.count for of in bins)
    return sum(of.count / images * abs(of.accuracy - of.confidence) for of in bins)
