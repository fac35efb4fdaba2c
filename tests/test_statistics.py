"""stages/common/statistics.py, against scipy's."""

import pytest
from scipy.stats import binomtest

from stages.common.statistics import mcnemar_exact, wilson_interval


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (1, 10), (5, 10), (10, 10), (145, 153), (492, 500)])
def test_wilson_interval_is_scipys(correct: int, count: int) -> None:
    expected = binomtest(correct, count).proportion_ci(method="wilson")
    assert wilson_interval(correct, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 1), (1, 0), (3, 3), (1, 8), (8, 1), (40, 60), (0, 2000)])
def test_mcnemar_is_scipys_binomial_test(only_first: int, only_second: int) -> None:
    both = 7
    first = [True] * only_first + [False] * only_second + [True] * both
    second = [False] * only_first + [True] * only_second + [True] * both
    expected = binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_equal_answers_is_one() -> None:
    assert mcnemar_exact([True, False, True], [True, False, True]) == 1


def test_mcnemar_wants_the_same_images() -> None:
    with pytest.raises(ValueError, match="shorter"):
        mcnemar_exact([True, False], [True])
