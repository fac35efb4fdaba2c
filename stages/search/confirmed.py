"""What the best settings of a sweep are worth, on images that had no say in choosing them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.ground.errors import ProjectError
from stages.ground.files import read_typed, write_table
from stages.statistics.paired import over_images
from stages.statistics.scores import are_unequal, balanced_accuracy

COLUMNS: dict[str, type] = {"digest": str, "seed": int, "wrong": str}

Answers = dict[tuple[str, int], np.ndarray]  # {(digest of a recipe, seed): which of the val images it has wrong}


@dataclass(frozen=True)
class Confirmed:
    """The best settings against those that there were, on the val images, over several seeds."""

    accuracy: float
    before: float  # the accuracy of the settings that there were
    low: float  # the 95 % interval of the difference
    high: float
    balanced: float | None = None  # the balanced accuracy, where the classes of the val images are unequal
    balanced_before: float | None = None

    @property
    def difference(self) -> float:
        return self.accuracy - self.before


def confirmed(
    best: Sequence[np.ndarray], before: Sequence[np.ndarray], groups: np.ndarray | None, labels: np.ndarray
) -> Confirmed:
    """Of (N,) bool, which images are wrong, for each seed; `labels` are theirs.

    The interval is over images: see over_images().
    """
    of_best, of_before = (np.mean(of, axis=0) for of in (best, before))
    _, low, high = over_images(of_before - of_best, groups)
    accuracies = 1 - float(of_best.mean()), 1 - float(of_before.mean())
    balanced = (balanced_accuracy(1 - of, labels) for of in (of_best, of_before)) if are_unequal(labels) else ()
    return Confirmed(*accuracies, low, high, *balanced)


def read_answers(path: Path, keys: Collection[tuple[str, int]], images: int) -> Answers:
    """What is there of these.

    Raises:
        ProjectError: it is not of so many images.
    """
    if not path.is_file():
        return {}
    remedy = "take it away, and make sweep makes it anew"
    rows = read_typed(path, COLUMNS, may_be_empty=True, remedy=remedy)
    try:
        return {key: _flags(row["wrong"], images) for row in rows if (key := (row["digest"], row["seed"])) in keys}
    except (ValueError, IndexError) as error:
        raise ProjectError(f"{path}: {error}; {remedy}") from error


def write_answers(path: Path, answers: Mapping[tuple[str, int], np.ndarray]) -> None:
    rows: list[dict[str, Any]] = [
        {"digest": digest, "seed": seed, "wrong": " ".join(map(str, np.flatnonzero(wrong)))}
        for (digest, seed), wrong in sorted(answers.items())
    ]
    write_table(path, rows, COLUMNS)


def _flags(numbers: str, count: int) -> np.ndarray:
    flags = np.zeros(count, bool)
    flags[[int(number) for number in numbers.split()]] = True
    return flags


def sentence(of: Confirmed, cell: str, variant: str, settings: str, tries: int, inside: float) -> str:
    """What may be said, without a full stop: first what was confirmed, then what the search itself saw.

    Args:
        settings: the best ones; empty: those of params.yaml.
        tries: how many there were.
        inside: by how much the best was ahead inside the train images, in accuracy.
    """
    if not settings:
        return (
            f"{cell}: of {tries} settings of {variant} those that params.yaml has are the best inside the train images;"
            f" on the val images they have {of.accuracy:.4f}"
        )
    points = f"{_points(of.difference)} points of accuracy on the val images"
    interval = f"95 % interval {_points(of.low)} to {_points(of.high)}"
    if of.balanced is not None and of.balanced_before is not None:
        interval += f"; {_points(of.balanced - of.balanced_before)} of balanced accuracy"
    answer = "is better than" if of.low > 0 else "is worse than" if of.high < 0 else "is not shown to differ from"
    return (
        f"{cell}: {variant} with {settings} {answer} the settings of params.yaml, {points} ({interval}); inside the"
        f" train images, where it has the least loss of {tries} tries, it is {_points(inside)} points"
    )


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0:+.1f}"  # + 0: a zero has no minus
