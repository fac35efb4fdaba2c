"""The nearest neighbours of embeddings, by the angle between them: their lengths say little of what a picture shows."""

from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 24  # similarities that are held at once


@dataclass(frozen=True)
class Neighbours:
    numbers: np.ndarray  # (N, K) int64, the nearest first
    distances: np.ndarray  # (N, K) float32, between embeddings brought to length 1: 0 to 2


def directions(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) float32 of length 1; what is of no length stays as it is."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    found: np.ndarray = (embeddings / np.where(lengths, lengths, 1)).astype(np.float32)
    return found


def nearest(queries: np.ndarray, among: np.ndarray, count: int, same: bool = False) -> Neighbours:
    """The `count` of `among` that are nearest to each of `queries`, or all there are; both are directions.

    Args:
        queries: (N, D) float32.
        among: (M, D) float32.
        count: 1 or more.
        same: `queries` are `among`, and none is its own neighbour.
    """
    count = min(count, len(among) - same)
    rows = max(1, BLOCK // max(1, len(among)))
    numbers = [np.empty((0, count), np.int64)]
    similarities = [np.empty((0, count), np.float32)]
    for begin in range(0, len(queries), rows):
        block = queries[begin : begin + rows] @ among.T
        if same:
            own = np.arange(len(block))
            block[own, own + begin] = -np.inf
        kept = np.argpartition(-block, count - 1, axis=1)[:, :count] if count else np.empty((len(block), 0), np.int64)
        values = np.take_along_axis(block, kept, 1)
        order = np.argsort(-values, axis=1, kind="stable")
        numbers.append(np.take_along_axis(kept, order, 1))
        similarities.append(np.take_along_axis(values, order, 1))
    distances = np.sqrt((2 - 2 * np.concatenate(similarities)).clip(0))
    return Neighbours(np.concatenate(numbers), distances.astype(np.float32))
