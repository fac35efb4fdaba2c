"""stages/statistics/paired.py, against SciPy, and on studies that are drawn where the truth is known."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from scripts.measuring.coverage import drawn_study
from stages.statistics.paired import compared, half_width
from stages.statistics.verdict import Verdict

FIRST = np.array([0.91, 0.93, 0.95, 0.92, 0.96, 0.94, 0.90, 0.97])
SECOND = np.array([0.90, 0.93, 0.91, 0.93, 0.92, 0.91, 0.90, 0.95])


ENDLESS = {"train": 10**12, "val": 1}  # so that there is nothing to correct


def test_where_val_images_are_nothing_beside_train_images_it_is_the_paired_t_test() -> None:
    of, expected = compared(FIRST, SECOND, **ENDLESS), stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert (of.low, of.high) == pytest.approx((expected.low, expected.high))
    assert of.mean == pytest.approx((FIRST - SECOND).mean())


def test_the_variance_is_corrected_by_the_share_of_val_images() -> None:
    """Nadeau and Bengio, section 3: (1 / n + n2 / n1) in the place of 1 / n."""
    plain, corrected = compared(FIRST, SECOND, **ENDLESS), compared(FIRST, SECOND, train=400, val=100)
    assert (corrected.high - corrected.mean) / (plain.high - plain.mean) == pytest.approx(np.sqrt((1 / 8 + 0.25) * 8))


def test_the_probability_of_being_within_a_margin_is_that_of_students_t() -> None:
    of = compared(FIRST, SECOND, train=400, val=100)
    t = stats.t(7, loc=of.mean, scale=of.scale)
    assert of.within(0.01) == pytest.approx(t.cdf(0.01) - t.cdf(-0.01))
    assert half_width(1, 8) == pytest.approx(stats.t(7).ppf(0.975))


def test_the_share_of_trials_ahead_counts_ties_half_and_has_a_bootstrap_interval() -> None:
    of = compared(FIRST, SECOND, train=400, val=100)
    assert of.better == pytest.approx((5 + 2 / 2) / 8)
    outcomes = np.array([1, 0.5, 1, 0, 1, 1, 0.5, 1])
    resampled = np.random.default_rng(1).choice(outcomes, (20_000, 8)).mean(1)
    assert (of.better_low, of.better_high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.04)
    assert compared(FIRST, SECOND, train=400, val=100) == of


def test_two_that_never_differ_are_taken_to_differ_about_one_image() -> None:
    few, many = compared(FIRST, FIRST, train=9, val=3), compared(FIRST, FIRST, train=9000, val=3000)
    assert (few.mean, many.mean, few.better) == (0, 0, 0.5)
    assert few.deviation == pytest.approx(np.sqrt(1 / 12 / 3))
    assert few.within(0.01) < 0.1  # twelve images tell nothing
    assert many.within(0.01) > 0.99


@pytest.mark.parametrize(("trials", "train", "val"), [(10, 200, 120), (29, 160, 80), (10, 200, 200)])
def test_of_two_equal_ways_one_is_called_better_in_5_percent_of_studies(trials: int, train: int, val: int) -> None:
    rng, studies, naive, answers = np.random.default_rng(7), 600, 0, Counter()
    for _ in range(studies):
        of = compared(*drawn_study(rng, trials, train, val), train, val)
        answers[Verdict(of, 0.0001, train, val).answer] += 1
        naive += abs(of.mean) <= half_width(of.deviation / np.sqrt(trials), trials)
    assert 0.02 <= (answers["better"] + answers["worse"]) / studies <= 0.065  # by chance itself: 0.05 +- 0.009
    assert answers["open"] == studies - answers["better"] - answers["worse"]
    assert naive / studies < 0.75  # the usual standard error is wrong in every third study
