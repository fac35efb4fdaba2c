"""What is worked out of each row of a great array, when it is asked for: the array may be a mapped file."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FEW = 20000  # examples, of which all pairs may be looked at


@dataclass(frozen=True)
class Rows:
    """As an array of points (N, D), of which only what is asked for takes memory."""

    array: np.ndarray  # (N, …)
    work: Callable[[np.ndarray], np.ndarray]  # (n, …) -> (n, D), each row by itself

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, numbers: np.ndarray | slice) -> np.ndarray:
        return self.work(self.array[numbers])


Points = np.ndarray | Rows


def points_of(array: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> Points:
    """Of a few, all at once."""
    return work(array) if len(array) <= FEW else Rows(array, work)
