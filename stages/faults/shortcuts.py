"""What tells the classes apart without looking at what the pictures show.

Geirhos et al., "Shortcut learning in deep neural networks", Nature Machine Intelligence 2 (2020). Where one class comes
from a webcam and another from a scanner, a network may learn the camera, and fail on the next one.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from stages.faults.held_out import held_out_scores, some_groups
from stages.faults.looks import Looks
from stages.statistics.inference import above_chance, wilson_interval

JUDGED = 50000  # images, in whole groups drawn at random, of more
KINDS = 8  # the most frequent formats and cameras, each a number of its own


@dataclass(frozen=True)
class Shortcut:
    """The balanced accuracy of telling the classes by these facts alone, on images that were held out."""

    facts: str
    accuracy: float
    low: float  # the lower end of the 95 % interval
    chance: float

    @property
    def far_above_chance(self) -> bool:
        return above_chance(self.low, self.chance)


def find_shortcuts(looks: Looks, labels: np.ndarray, groups: np.ndarray) -> list[Shortcut]:
    """Of the facts of files, and of colours; `groups` numbers what is held out together."""
    chosen = some_groups(groups, JUDGED)
    looks, labels, groups = looks.part(chosen), labels[chosen], groups[chosen]
    facts = {
        "file (its size, format, compression and camera; the picture's width and height)": file_facts(looks),
        "colours (their means in the picture and along its edges)": colour_facts(looks),
    }
    return [judge(name, standard(numbers), labels, groups) for name, numbers in facts.items()]


def judge(facts: str, points: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Shortcut:
    """Each class counts alike, however many images it has; how sure that is follows from the groups of the smallest."""
    answers = np.empty_like(labels)
    for numbers, scores in held_out_scores(points, labels, groups):
        answers[numbers] = scores.argmax(1)
    classes = np.unique(labels)
    accuracy = float(np.mean([(answers[labels == of] == of).mean() for of in classes]))
    independent = len(classes) * min(len(np.unique(groups[labels == of])) for of in classes)
    low, _ = wilson_interval(round(accuracy * independent), independent)
    return Shortcut(facts, accuracy, low, 1 / len(classes))


def file_facts(looks: Looks) -> np.ndarray:
    """(N, facts)"""
    kinds = [name for name, _ in Counter(looks.kind.tolist()).most_common(KINDS)]
    is_of = [looks.kind == name for name in kinds]
    return np.column_stack((np.log(looks.size), np.log(looks.bytes), looks.seen, looks.quality, *is_of))


def colour_facts(looks: Looks) -> np.ndarray:
    """(N, facts)"""
    return np.hstack((looks.colour, looks.edges))


def standard(numbers: np.ndarray) -> np.ndarray:
    """(N, facts) float32, each of mean 0 and standard deviation 1, or of 0 where it is the same everywhere"""
    spread = numbers.std(0)
    points: np.ndarray = ((numbers - numbers.mean(0)) / np.where(spread > 1e-9, spread, 1)).astype(np.float32)
    return points
