"""Rows of great arrays, read and worked out when they are asked for: the arrays may be mapped files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

FEW = 20000  # examples, of which all pairs may be looked at


@dataclass(frozen=True)
class Stacked:
    """As one array (N, D), made of several."""

    parts: Sequence[np.ndarray]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, numbers: np.ndarray | slice) -> np.ndarray:
        numbers = np.arange(len(self))[numbers]
        found = np.empty((len(numbers), self.parts[0].shape[1]), self.parts[0].dtype)
        begin = 0
        for part in self.parts:
            here = (numbers >= begin) & (numbers < begin + len(part))
            found[here] = part[numbers[here] - begin]
            begin += len(part)
        return found


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray | Stacked:
    """Of a few rows, all at once."""
    return np.concatenate(parts) if sum(map(len, parts)) <= FEW else Stacked(parts)


@dataclass(frozen=True)
class Rows:
    """As an array of points (N, D), of which only what is asked for takes memory."""

    array: np.ndarray | Stacked  # (N, …)
    work: Callable[[np.ndarray], np.ndarray]  # (n, …) -> (n, D), each row by itself

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, numbers: np.ndarray | slice) -> np.ndarray:
        return self.work(self.array[numbers])


Points = np.ndarray | Rows


def points_of(array: np.ndarray | Stacked, work: Callable[[np.ndarray], np.ndarray]) -> Points:
    """Of a few, all at once."""
    return work(array[:]) if len(array) <= FEW else Rows(array, work)
