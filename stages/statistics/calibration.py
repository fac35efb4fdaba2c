"""How far the probabilities of answers can be trusted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import fmean


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

    def row(self) -> dict[str, float]:
        """Of a table."""
        return asdict(self)


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
