"""stages/statistics/, against scipy's and by hand."""

import pytest
from scipy.stats import binomtest

from stages.statistics.calibration import confidence_bins, expected_calibration_error
from stages.statistics.inference import mcnemar_exact, wilson_interval


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


def test_confidence_bins_hold_what_is_above_their_low_end_and_up_to_their_high_end() -> None:
    probabilities, right = [0.5, 0.6, 0.61, 0.7, 1.0], [True, False, True, True, True]
    bins = confidence_bins(probabilities, right)
    assert [(of.low, of.high, of.count, of.right) for of in bins] == [
        (0.4, 0.5, 1, 1),
        (0.5, 0.6, 1, 0),
        (0.6, 0.7, 2, 2),
        (0.9, 1.0, 1, 1),
    ]
    assert [of.confidence for of in bins] == pytest.approx([0.5, 0.6, 0.655, 1.0])
    assert confidence_bins([1.0000001], [True])[0].high == 1  # float32's rounding


def test_expected_calibration_error_by_hand() -> None:
    """Four answers of 0.95, three right: |0.75 - 0.95| = 0.2; 0.72 and 0.78, one right: |0.5 - 0.75| = 0.25."""
    bins = confidence_bins([0.95] * 4 + [0.72, 0.78], [True, True, True, False, True, False])
    assert expected_calibration_error(bins) == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.25)


def test_expected_calibration_error_is_zero_where_probabilities_are_true() -> None:
    assert expected_calibration_error(confidence_bins([0.75] * 4, [True, True, True, False])) == 0


def test_an_interval_holds_the_share_that_it_is_of() -> None:
    for count in range(1, 200):
        for correct in (0, count):
            low, high = wilson_interval(correct, count)
            assert low <= correct / count <= high
