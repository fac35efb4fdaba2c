"""The table of trials: what has run is kept, and is not run again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np

from stages.ground.files import read_typed, write_table
from stages.recipes.variant import Probe, Variant


@dataclass(frozen=True)
class Trial:
    """What one way of training came to, on one split with one seed."""

    variant: str
    split: int  # 0: the committed one
    seed: int  # that was added to params.yaml's
    train_images: int
    val_images: int
    mistakes: int  # on the val images
    loss: float  # mean cross-entropy over these, nats
    precision: str  # that it was trained in
    settings: str  # a digest of all that was given: settings, images, weights
    code: str  # a digest of the code that trained

    @property
    def accuracy(self) -> float:
        return 1 - self.mistakes / self.val_images


COLUMNS: dict[str, type] = get_type_hints(Trial)


def read_trials(path: Path) -> list[Trial]:
    """Those that have run; none where there is no file yet."""
    if not path.is_file():
        return []
    remedy = f"git checkout {path} brings back what was committed; without the file, make study runs all anew"
    return [Trial(**row) for row in read_typed(path, COLUMNS, may_be_empty=True, remedy=remedy)]


def write_trials(path: Path, trials: Iterable[Trial]) -> None:
    """In an order that does not depend on when each ran."""
    ordered = sorted(trials, key=lambda trial: (trial.variant, trial.split, trial.seed))
    write_table(path, map(asdict, ordered), COLUMNS)


def planned(variants: Mapping[str, Variant | Probe], trials: int, quick_trials: int) -> Iterator[tuple[int, str]]:
    """Numbers of trials and what is tried, in the order in which they run: those that take seconds first, then all of a
    number one after the other, so that there are pairs whenever it ends. Of the quick ones there are never fewer."""
    quick = [name for name, recipe in variants.items() if recipe.trainable == "head"]
    yield from ((number, name) for number in range(max(trials, quick_trials)) for name in quick)
    yield from ((number, name) for number in range(trials) for name in variants if name not in quick)


def accuracies(trials: Iterable[Trial], variant: str) -> dict[int, float]:
    """{number: accuracy} of those whose split and seed have one number"""
    return {of.split: of.accuracy for of in trials if of.variant == variant and of.split == of.seed}


def paired(trials: Iterable[Trial], first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """The accuracies of both, of the trials that both have, in one order"""
    trials = list(trials)
    of_first, of_second = accuracies(trials, first), accuracies(trials, second)
    both = sorted(of_first.keys() & of_second.keys())
    return np.array([of_first[number] for number in both]), np.array([of_second[number] for number in both])
