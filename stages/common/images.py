"""Images, from files to what a network sees."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from stages.common.params import Augment
from stages.common.pictures import decoders, find_pictures, open_picture, progress_bar
from stages.common.seeds import derived_rng

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the channels in 0..1; what the published weights were trained with
IMAGENET_STD = (0.229, 0.224, 0.225)

File = TypeVar("File", str, Path)


@dataclass(frozen=True)
class Preprocessing:
    """Shorter side to `resize`, then the middle square of `crop` pixels, then (x - mean) / std by channel."""

    resize: int
    crop: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclass(frozen=True)
class LabelledFiles:
    """The files of one split, sorted, and for each the index of its class among `classes`, which are sorted too."""

    files: list[Path]
    labels: Tensor  # (N,) int64
    classes: list[str]


def list_split(folder: Path) -> LabelledFiles:
    """The images below folder/CLASS/, and below folders in it; classes and files are sorted by name."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(path, label) for label, name in enumerate(classes) for path in find_pictures(folder / name)]
    return LabelledFiles([path for path, _ in files], torch.tensor([label for _, label in files]), classes)


def read_square(path: Path, side: int) -> Tensor:
    """The middle square of the picture, `side` pixels wide: (3, side, side) uint8 RGB."""
    return middle_square(open_picture(path), side)


def middle_square(upright: Image.Image, side: int) -> Tensor:
    """The same of a picture that open_picture gave."""
    width, height = upright.size
    shorter = min(width, height)  # sizes are rounded as torchvision's Resize and CenterCrop do
    upright = upright.resize((side * width // shorter, side * height // shorter), Image.Resampling.BILINEAR)
    left, top = round((upright.width - side) / 2), round((upright.height - side) / 2)
    square = np.asarray(upright.crop((left, top, left + side, top + side)))
    return torch.from_numpy(square.transpose(2, 0, 1).copy())


def read_squares(files: Sequence[Path], side: int, batch_size: int, workers: int, progress: bool) -> Iterator[Tensor]:
    """Yield (batch_size, 3, side, side) uint8, in the files' order; `workers` threads decode ahead of their use."""
    with progress_bar(len(files), progress) as bar, closing(read_ahead(files, side, batch_size, workers)) as squares:
        while batch := [square.result() for _, square in islice(squares, batch_size)]:
            bar.update(len(batch))
            yield torch.stack(batch)


def read_ahead(
    files: Iterable[File], side: int, ahead: int, workers: int
) -> Generator[tuple[File, Future[Tensor]], None, None]:
    """Yield each file with its read_square, done or under way, while `workers` threads are `ahead` files further on.

    `files` may be without end: no more of them are asked for than that.
    """
    started: deque[tuple[File, Future[Tensor]]] = deque()
    with decoders(workers) as threads:
        try:
            for file in files:
                started.append((file, threads.submit(read_square, Path(file), side)))
                if len(started) > ahead:
                    yield started.popleft()
            yield from started
        finally:
            for _, square in started:
                square.cancel()


def to_input(squares: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N, 3, S, S) uint8 -> its middle crop, normalized: (N, 3, crop, crop) float32, channels last."""
    return _normalized(middle_crop(squares, preprocessing.crop).float(), preprocessing)


def middle_crop(squares: Tensor, crop: int) -> Tensor:
    """(N, 3, S, S) -> (N, 3, crop, crop)"""
    margin = (squares.shape[-1] - crop) // 2
    inner = slice(margin, margin + crop)
    return squares[:, :, inner, inner]


def to_augmented_input(
    squares: Tensor, preprocessing: Preprocessing, augment: Augment, seed: int, epoch: int, images: Sequence[int]
) -> Tensor:
    """(N, 3, S, S) uint8 -> a random crop of each, perhaps mirrored: (N, 3, side, side) float32, channels last.

    `side` is the preprocessing's crop, or what `augment` gives for the first epochs (progressive resizing: Howard,
    "Training Imagenet in 3 hours for $25", fast.ai 2018).
    What an image gets follows from (seed, epoch, its number in `images`) alone. The crops are those of
    torchvision's RandomResizedCrop; the whole batch is resampled at once, on its own device.
    """
    crops = np.stack([_crop_and_flip(derived_rng(seed, epoch, image), augment) for image in images])
    side = augment.crop(epoch, preprocessing.crop)
    size = [len(squares), 3, side, side]
    grid = F.affine_grid(torch.from_numpy(crops).to(squares.device), size, align_corners=False)
    sampled = F.grid_sample(squares.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return _normalized(sampled, preprocessing)


def _crop_and_flip(rng: np.random.Generator, augment: Augment) -> np.ndarray:
    """A (2, 3) affine matrix from the output's coordinates to the square's, both -1..1."""
    area, ratio = rng.uniform(augment.min_scale, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    width, height = min(1, np.sqrt(area * ratio)), min(1, np.sqrt(area / ratio))
    if augment.min_scale == 1:
        width = height = 1
    x, y = rng.uniform(-1, 1, 2) * (1 - width, 1 - height)
    mirrored = -1 if augment.flip and rng.random() < 0.5 else 1
    return np.array([[mirrored * width, 0, x], [0, height, y]], dtype=np.float32)


def _normalized(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N, 3, H, W) in 0..255 -> the same, each channel with the mean and deviation that the network expects"""
    mean, std = (torch.tensor(values, device=images.device) for values in (preprocessing.mean, preprocessing.std))
    normalized = (images / 255 - mean[:, None, None]) / std[:, None, None]
    return normalized.contiguous(memory_format=torch.channels_last)
