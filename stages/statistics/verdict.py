"""What may be said of two ways of training: one sentence, out of the numbers, that says no more than they do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stages.statistics.paired import SURE, Paired, corrected_scale, half_width, within

FEWEST = 5  # trials, below which nothing is said
MOST = 1000  # trials that are thought of
LIKELY = 30  # trials that someone may run
MOST_IMAGES = 100  # times as many images that are thought of

Answer = Literal["better", "worse", "same", "open", "few"]


@dataclass(frozen=True)
class Verdict:
    """A, a recipe, against B, the baseline."""

    paired: Paired
    margin: float  # accuracies that differ by less are practically the same
    train_images: int  # of a trial
    val_images: int

    @property
    def images(self) -> int:
        """Labelled ones, of which each trial was drawn."""
        return self.train_images + self.val_images

    @property
    def answer(self) -> Answer:
        of = self.paired
        if of.trials < FEWEST:
            return "few"
        return answer(of.mean, of.deviation, of.trials, of.ratio, self.margin)

    @property
    def trials_needed(self) -> int | None:
        """Trials that would give an answer if mean and deviation stayed as they are, or None: not even MOST would."""
        of = self.paired
        for trials in range(of.trials + 1, MOST + 1):
            if answer(of.mean, of.deviation, trials, of.ratio, self.margin) != "open":
                return trials
        return None

    @property
    def images_needed(self) -> int | None:
        """The same of images, at LIKELY trials or as many as there are; rounded up to two digits.

        The variance of a trial's difference is taken to fall as images grow in number.
        """
        of, times = self.paired, 1.0
        while (times := times * 1.02) < MOST_IMAGES:
            if answer(of.mean, of.deviation / times**0.5, max(of.trials, LIKELY), of.ratio, self.margin) != "open":
                images = math.ceil(times * self.images)
                unit: int = 10 ** max(0, len(str(images)) - 2)
                return -(-images // unit) * unit
        return None

    def sentence(self, recipe: str, baseline: str, cell: str) -> str:
        """Without a full stop; `cell` is such as `mobilenet_v2 on ants_bees`."""
        of = self.paired
        if self.answer == "few":
            return (
                f"{cell}: nothing can be said of {recipe} and {baseline} yet, for {of.trials} trials are fewer than"
                f" {FEWEST}"
            )
        interval = f"95 % interval {100 * of.low:+.1f} to {100 * of.high:+.1f}"
        points = f"{100 * of.mean:+.1f} points of accuracy ({interval}) over {of.trials} trials"
        if self.answer in ("better", "worse"):
            return f"{cell}: {recipe} is {self.answer} than {baseline}, {points}"
        if self.answer == "same":
            return (
                f"{cell}: {recipe} and {baseline} are practically the same, {points}; within {100 * self.margin:g} of"
                f" each other with probability {_share(of.within(self.margin))}"
            )
        return f"{cell}: it is open whether {recipe} is better than {baseline}, {points}; {self._remedy()}"

    def _remedy(self) -> str:
        if (trials := self.trials_needed) is not None:
            return f"were it to stay like that, {trials} trials would tell"
        if (images := self.images_needed) is not None:
            return (
                f"were it to stay like that, more trials would not tell, but some {images} images instead of"
                f" {self.images} might"
            )
        return "were it to stay like that, neither more trials nor a hundred times as many images would tell"


def answer(mean: float, deviation: float, trials: int, ratio: float, margin: float) -> Answer:
    """Practically the same comes first: a sure difference that is too small to matter is none."""
    scale = corrected_scale(deviation, trials, ratio)
    if within(margin, mean, scale, trials - 1) >= SURE:
        return "same"
    half = half_width(scale, trials)
    if abs(mean) <= half:
        return "open"
    return "better" if mean > 0 else "worse"


def tipping_sentence(recipe: str, baseline: str, cell: str, answers: Mapping[int, Answer]) -> str:
    """From how many train images on `recipe` is better, without a full stop.

    `answers` by the number of train images, ascending; all come last.
    """
    better = [images for images, of in answers.items() if of == "better"]
    tried = ", ".join(map(str, answers))
    if not better:
        return f"{cell}: {recipe} is not shown to be better than {baseline} with any number of train images ({tried})"
    upper = [images for images in answers if images >= better[0]]
    if better == upper:
        return f"{cell}: {recipe} is better than {baseline} from {better[0]} train images on (tried: {tried})"
    return (
        f"{cell}: {recipe} is better than {baseline} with {', '.join(map(str, better))} train images (tried: {tried})"
    )


def _share(probability: float) -> str:
    return "above 0.99" if probability > 0.99 else f"{probability:.2f}"
