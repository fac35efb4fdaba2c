"""The table of trials: what has run is kept, and is not run again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np

from stages.ground.files import read_table, read_typed, write_table
from stages.recipes.variant import Probe, Variant
from stages.study.settings import Study


@dataclass(frozen=True, order=True)
class Draw:
    """What a trial is made on."""

    images: int  # train images that are drawn of the split's; 0: all
    split: int  # 0: the committed one
    seed: int  # that is added to params.yaml's


@dataclass(frozen=True)
class Trial:
    """What one way of training came to on one draw."""

    variant: str
    images: int
    split: int
    seed: int
    train_images: int
    val_images: int
    mistakes: int  # on the val images
    loss: float  # mean cross-entropy over these, nats
    precision: str  # that it was trained in
    settings: str  # a digest of all that was given: settings, images, weights
    code: str  # a digest of the code that trained
    balanced_accuracy: float | None = None  # on the val images, where their classes are unequal

    @property
    def draw(self) -> Draw:
        return Draw(self.images, self.split, self.seed)

    @property
    def accuracy(self) -> float:
        return 1 - self.mistakes / self.val_images


BALANCED = "balanced_accuracy"
COLUMNS: dict[str, type] = {name: of for name, of in get_type_hints(Trial).items() if name != BALANCED}


def read_trials(path: Path) -> list[Trial]:
    """Those that have run; none where there is no file yet."""
    if not path.is_file():
        return []
    remedy = f"git checkout {path} brings back what was committed; without the file, make study runs all anew"
    rows = read_table(path, COLUMNS, may_be_empty=True, remedy=remedy)
    balanced = {BALANCED: _share} if rows and BALANCED in rows[0] else {}
    return [Trial(**row) for row in read_typed(path, {**COLUMNS, **balanced}, may_be_empty=True, remedy=remedy)]


def _share(text: str) -> float | None:
    return float(text) if text else None


def write_trials(path: Path, trials: Iterable[Trial]) -> None:
    """In an order that does not depend on when each ran."""
    ordered = [asdict(trial) for trial in sorted(trials, key=lambda trial: (trial.variant, trial.draw))]
    columns = [*COLUMNS, BALANCED] if any(row[BALANCED] is not None for row in ordered) else [*COLUMNS]
    write_table(path, ({column: row[column] for column in columns} for row in ordered), columns)


def planned(recipes: Mapping[str, Variant | Probe], study: Study) -> list[tuple[Draw, str]]:
    """What is to be tried on what, in the order in which it runs.

    First what takes seconds, then all of a number one after the other, so that there are pairs whenever it ends; then
    the parts, and fewer images.
    """
    quick = [name for name, recipe in recipes.items() if recipe.trainable == "head"]
    whole = [name for name in recipes if name not in quick]

    def of_both(images: int) -> Iterator[tuple[Draw, str]]:
        often = max(study.trials, study.quick_trials)
        yield from ((Draw(images, number, number), name) for number in range(often) for name in quick)
        yield from ((Draw(images, number, number), name) for number in range(study.trials) for name in whole)

    parts = [draw for number in range(1, study.part_trials + 1) for draw in (Draw(0, 0, number), Draw(0, number, 0))]
    fewer = [of for images in study.images for of in of_both(images)]
    return [*of_both(0), *((draw, name) for draw in parts for name in (*quick, *whole)), *fewer]


def accuracies(trials: Iterable[Trial], variant: str, images: int = 0) -> dict[int, float]:
    """{number: accuracy} of those whose split and seed have one number"""
    return {
        of.split: of.accuracy for of in trials if of.variant == variant and of.images == images and of.split == of.seed
    }


def balanced(trials: Iterable[Trial], variant: str, images: int = 0) -> float | None:
    """The mean of their balanced accuracies, where all have one"""
    found = [
        of.balanced_accuracy for of in trials if of.variant == variant and of.images == images and of.split == of.seed
    ]
    known = [of for of in found if of is not None]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def parts(trials: Iterable[Trial], variant: str) -> tuple[list[float], list[float]]:
    """The accuracies on the committed split with other seeds, and with the committed seed on other splits"""
    of_variant = [of for of in trials if of.variant == variant and of.images == 0]
    return [of.accuracy for of in of_variant if of.split == 0], [of.accuracy for of in of_variant if of.seed == 0]


def paired(trials: Iterable[Trial], first: str, second: str, images: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The accuracies of both, of the trials that both have, in one order"""
    trials = list(trials)
    of_first, of_second = accuracies(trials, first, images), accuracies(trials, second, images)
    both = sorted(of_first.keys() & of_second.keys())
    return np.array([of_first[number] for number in both]), np.array([of_second[number] for number in both])
