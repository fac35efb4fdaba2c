"""Arrays with a row for each image of a data set: filled and gone through in parts, beyond memory where they are large.

What is here moves numbers and computes none. A data set that is trained on in seconds fits into one part.
"""

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from stages.ground import paths

IN_MEMORY = 1 << 27  # bytes
ROWS = 1 << 12  # that are copied or converted at once


def room(shape: tuple[int, ...], dtype: DTypeLike, in_memory: int = IN_MEMORY) -> np.ndarray:
    """An array to be filled: in memory or, above so many bytes, in a nameless file of work/, of which memory holds what
    it can.

    Raises:
        OSError: the disk is too full for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= in_memory:
        return np.empty(shape, dtype)
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=paths.SCRATCH) as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and would be a crash later
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def filled(
    shape: tuple[int, ...], dtype: DTypeLike, batches: Iterable[np.ndarray], in_memory: int = IN_MEMORY
) -> np.ndarray:
    """Such room with the rows of all batches, one after the other.

    Raises:
        ValueError: they are fewer rows than the room has, or more.
    """
    found, begin = room(shape, dtype, in_memory), 0
    for rows in batches:
        found[begin : begin + len(rows)] = rows
        begin += len(rows)
    if begin != len(found):
        raise ValueError(f"expected {len(found)} rows, received {begin}")
    return found


def parts(count: int) -> Iterator[slice]:
    """Of so many rows, ROWS at a time."""
    for begin in range(0, count, ROWS):
        yield slice(begin, min(begin + ROWS, count))


def taken(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """rows[numbers], in room of its own."""
    found = room((len(numbers), *rows.shape[1:]), rows.dtype)
    for part in parts(len(numbers)):
        found[part] = rows[numbers[part]]
    return found


def gathered(arrays: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    """np.concatenate(arrays)[order], in room of its own, without a copy on the way."""
    found = room((len(order), *arrays[0].shape[1:]), arrays[0].dtype)
    places, begin = np.argsort(order), 0
    for rows in arrays:
        for part in parts(len(rows)):
            found[places[begin + part.start : begin + part.stop]] = rows[part]
        begin += len(rows)
    return found


def all_finite(rows: np.ndarray) -> bool:
    return all(bool(np.isfinite(rows[part]).all()) for part in parts(len(rows)))
