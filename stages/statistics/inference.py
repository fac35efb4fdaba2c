"""How far an accuracy and a difference between two can be trusted."""

from collections.abc import Mapping, Sequence
from math import comb, sqrt

OF_UNEQUAL = ("balanced_accuracy", "class_ratio")  # the second is among metrics only where classes are unequal
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


def above_chance(low: float, chance: float) -> bool:
    """Whether an accuracy whose interval begins at `low` is more than half of the way from chance to 1, for sure."""
    return low > (1 + chance) / 2


def p_value_text(p_value: float) -> str:
    """Two digits of a p-value that was rounded to four decimals."""
    return f"= {p_value:.2g}" if p_value else "< 0.0001"


def and_balanced(numbers: Mapping[str, float]) -> str:
    """What follows an accuracy, of the same metrics, where its classes are unequal; else nothing."""
    return f", balanced {numbers['balanced_accuracy']:.4f}" if "class_ratio" in numbers else ""


def described(numbers: Mapping[str, float]) -> str:
    """One line of a variant's own accuracy, one of its balanced accuracy where classes are unequal, and one of its
    difference from the first, where there is one."""
    line = f"accuracy {numbers['accuracy']:.4f} ({numbers['accuracy_low']:.3f} to {numbers['accuracy_high']:.3f})"
    if balanced := and_balanced(numbers):
        line += f"\n{balanced.removeprefix(', ')}"
    if "p_value" in numbers:
        line += f"\ndifference {numbers['accuracy_difference']:+.4f}, p {p_value_text(numbers['p_value'])}"
    return line


def described_clean(numbers: Mapping[str, float]) -> str:
    """One line of the accuracy on val images that the audit has no doubts about."""
    if "clean_accuracy" not in numbers:
        return "no val image is without a copy that trains or a doubtful label"
    low, high = numbers["clean_accuracy_low"], numbers["clean_accuracy_high"]
    return (
        f"{numbers['clean_accuracy']:.4f} ({low:.3f} to {high:.3f}) on the {numbers['clean_images']} val images without"
        " copies that train and doubtful labels"
    )


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
