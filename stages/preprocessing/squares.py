"""Pictures decoded to squares, in threads, ahead of their use."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from stages.pictures.picture import decoders, open_picture, progress_bar
from stages.preprocessing.inputs import Preprocessing

File = TypeVar("File", str, Path)
AHEAD = 32  # pictures decoded ahead of their use


def read_square(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    """The middle square of the picture, of `preprocessing.resize` pixels: (3, resize, resize) uint8 RGB."""
    return middle_square(open_picture(path, preprocessing.values), preprocessing.resize)


def middle_square(upright: Image.Image, side: int) -> np.ndarray:
    """The same, `side` pixels wide, of a picture that open_picture gave."""
    width, height = upright.size
    shorter = min(width, height)  # sizes are rounded as torchvision's Resize and CenterCrop do
    upright = upright.resize((side * width // shorter, side * height // shorter), Image.Resampling.BILINEAR)
    left, top = round((upright.width - side) / 2), round((upright.height - side) / 2)
    square = np.asarray(upright.crop((left, top, left + side, top + side)))
    return np.ascontiguousarray(square.transpose(2, 0, 1))


def read_squares(
    files: Sequence[Path], preprocessing: Preprocessing, batch_size: int, workers: int, progress: bool
) -> Iterator[np.ndarray]:
    """Yield (batch_size, 3, resize, resize) uint8, in the files' order; `workers` threads decode ahead of their use."""
    with (
        progress_bar(len(files), progress) as bar,
        closing(read_ahead(files, preprocessing, AHEAD, workers)) as squares,
    ):
        while batch := [square.result() for _, square in islice(squares, batch_size)]:
            bar.update(len(batch))
            yield np.stack(batch)


def read_ahead(
    files: Iterable[File], preprocessing: Preprocessing, ahead: int, workers: int
) -> Generator[tuple[File, Future[np.ndarray]], None, None]:
    """Yield each file with its read_square, done or under way, while `workers` threads are `ahead` files further on.

    `files` may be without end: no more of them are asked for than that.
    """
    started: deque[tuple[File, Future[np.ndarray]]] = deque()
    with decoders(workers) as threads:
        try:
            for file in files:
                started.append((file, threads.submit(read_square, Path(file), preprocessing)))
                if len(started) > ahead:
                    yield started.popleft()
            yield from started
        finally:
            for _, square in started:
                square.cancel()
