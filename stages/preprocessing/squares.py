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
    """The picture as a square of `preprocessing.side` pixels: (3, side, side) uint8 RGB."""
    return to_square(open_picture(path, preprocessing.values), preprocessing)


def to_square(upright: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """The same of a picture that open_picture gave."""
    side, resampling = preprocessing.side, Image.Resampling[preprocessing.interpolation.upper()]
    if preprocessing.fit == "squash":
        square = upright.resize((side, side), resampling)
    elif preprocessing.fit == "pad":
        square = padded(upright, side, preprocessing.mean, resampling)
    else:
        square = middle(upright, side, resampling)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def middle(upright: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    """Its middle square."""
    width, height = upright.size
    shorter = min(width, height)  # sizes are rounded as torchvision's Resize and CenterCrop do
    upright = upright.resize((side * width // shorter, side * height // shorter), resampling)
    left, top = round((upright.width - side) / 2), round((upright.height - side) / 2)
    return upright.crop((left, top, left + side, top + side))


def padded(upright: Image.Image, side: int, colour: Sequence[float], resampling: Image.Resampling) -> Image.Image:
    """All of it, in the middle of a square of one colour, whose channels are in 0..1."""
    longer = max(upright.size)
    width, height = (round(side * pixels / longer) for pixels in upright.size)
    resized = upright.resize((width, height), resampling)
    square = Image.new("RGB", (side, side), tuple(round(255 * channel) for channel in colour))
    square.paste(resized, ((side - width) // 2, (side - height) // 2))
    return square


def read_squares(
    files: Sequence[Path], preprocessing: Preprocessing, batch_size: int, workers: int, progress: bool
) -> Iterator[np.ndarray]:
    """Yield (batch_size, 3, side, side) uint8, in the files' order; `workers` threads decode ahead of their use."""
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
