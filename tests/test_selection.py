"""stages/statistics/selection.py: the one-standard-error rule."""

import numpy as np

from stages.statistics.selection import simplest

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=100) * 0.3
NOISE -= NOISE.mean()
EQUAL = [np.full(100, loss) for loss in (1.0, 0.5, 0.49)]


def test_the_simplest_within_a_standard_error_is_taken() -> None:
    losses = np.array([EQUAL[0], EQUAL[1], EQUAL[2] + NOISE + 0.02, EQUAL[2]])
    assert simplest(losses) == 2  # 0.02 more, with a standard error of 0.03
    losses[2] += 0.02
    assert simplest(losses) == 3


def test_what_all_have_in_common_is_no_error() -> None:
    losses = np.array([EQUAL[1], EQUAL[2]]) + RNG.normal(size=100) * 5
    assert simplest(losses) == 1


def test_losses_that_are_not_finite_are_never_taken() -> None:
    losses = np.array([EQUAL[2] * np.nan, EQUAL[0], EQUAL[2] * np.inf, EQUAL[2]])
    assert simplest(losses) == 3
    assert simplest(losses[:3]) == 1
