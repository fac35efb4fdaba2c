"""stages/statistics/verdict.py: what is said, form by form, on drawn numbers."""

import numpy as np
import pytest

from stages.statistics.paired import compared
from stages.statistics.verdict import Verdict, tipping_sentence


def verdict(mean: float, deviation: float, trials: int) -> Verdict:
    """Of drawn accuracies whose differences have exactly this mean and deviation."""
    differences = np.random.default_rng(trials).normal(size=trials)
    differences = (differences - differences.mean()) / differences.std(ddof=1) * deviation + mean
    return Verdict(compared(0.9 + differences, np.full(trials, 0.9), train=4000, val=2000), 0.01, 4000, 2000)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            verdict(0.046, 0.012, 29),
            "net on mine: all is better than last, +4.6 points of accuracy (95 % interval +2.8 to +6.4) over 29 trials",
        ),
        (
            verdict(-0.046, 0.012, 29),
            "net on mine: all is worse than last, -4.6 points of accuracy (95 % interval -6.4 to -2.8) over 29 trials",
        ),
        (
            verdict(0.001, 0.004, 29),
            "net on mine: all and last are practically the same, +0.1 points of accuracy (95 % interval -0.5 to"
            " +0.7) over"
            " 29 trials; within 1 of each other with probability above 0.99",
        ),
        (
            verdict(0.02, 0.012, 5),
            "net on mine: it is open whether all is better than last, +2.0 points of accuracy (95 % interval -0.8 to"
            " +4.8)"
            " over 5 trials; were it to stay like that, 13 trials would tell",
        ),
        (
            verdict(0.01, 0.02, 29),
            "net on mine: it is open whether all is better than last, +1.0 points of accuracy (95 % interval -2.0 to"
            " +4.0)"
            " over 29 trials; were it to stay like that, more trials would not tell, but some 55000 images instead"
            " of 6000 might",
        ),
        (
            verdict(0.0001, 0.4, 29),
            "net on mine: it is open whether all is better than last, +0.0 points of accuracy (95 % interval -59.9 to"
            " +59.9) over 29 trials; were it to stay like that, neither more trials nor a hundred times as many"
            " images would tell",
        ),
        (
            verdict(0.3, 0.001, 4),
            "net on mine: nothing can be said of all and last yet, for 4 trials are fewer than 5",
        ),
    ],
    ids=["better", "worse", "same", "trials", "images", "hopeless", "few"],
)  # fmt: skip
def test_each_form(of: Verdict, said: str) -> None:
    assert of.sentence("all", "last", "net on mine") == said


def test_a_sure_difference_that_is_too_small_to_matter_is_none() -> None:
    of = verdict(0.003, 0.002, 29)
    assert of.paired.low > 0
    assert of.answer == "same"


def test_as_many_trials_as_are_said_to_tell_do_tell() -> None:
    needed = verdict(0.02, 0.012, 5).trials_needed
    assert needed is not None
    assert verdict(0.02, 0.012, needed).answer == "better"
    assert verdict(0.02, 0.012, needed - 1).answer == "open"


def test_as_many_images_as_are_said_to_tell_do_tell() -> None:
    of = verdict(0.01, 0.02, 29)
    assert of.trials_needed is None
    assert of.images_needed is not None
    times = of.images_needed / of.images
    assert verdict(0.01, 0.02 / np.sqrt(1.05 * times), 30).answer != "open"
    assert verdict(0.01, 0.02 / np.sqrt(0.9 * times), 30).answer == "open"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({50: "open", 100: "better", 244: "better"}, "is better than b from 100 train images on (tried: 50, 100, 244)"),
        ({50: "better", 244: "better"}, "is better than b from 50 train images on (tried: 50, 244)"),
        (
            {50: "better", 100: "same", 244: "better"},
            "is better than b with 50, 244 train images (tried: 50, 100, 244)",
        ),
        ({50: "better", 244: "open"}, "is better than b with 50 train images (tried: 50, 244)"),
        ({50: "worse", 244: "few"}, "is not shown to be better than b with any number of train images (50, 244)"),
    ],
)
def test_a_number_of_images_is_said_only_where_it_holds_from_there_on(answers: dict, said: str) -> None:
    assert tipping_sentence("a", "b", "net on mine", answers) == f"net on mine: a {said}"
