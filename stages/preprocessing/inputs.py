"""From decoded squares to what a network gets."""

from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel

from stages.ground import paths
from stages.ground.files import read_numbers
from stages.ground.params import Fit, Pixels, load_entry
from stages.pictures.picture import Values

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the channels in 0..1; what the published weights were trained with
IMAGENET_STD = (0.229, 0.224, 0.225)


class _Sizes(BaseModel):
    """What this package needs of a network's settings; stages/networks/settings.py has all of them."""

    resize: Pixels
    crop: Pixels
    fit: Fit


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to `crop` x `crop` pixels, by `fit`, then (x - mean) / std by channel.

    crop: the shorter side to `resize`, then the middle square. pad: the longer side to `crop`, in the middle of a
    square of the mean colour, which is 0 to the network. squash: both sides to `crop`. The last two show the whole
    picture, and have no use for `resize`.
    """

    resize: int
    crop: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    values: Values | None = None  # of pictures with more than 8 bits
    fit: Fit = field(default="crop", repr=False)

    def __str__(self) -> str:
        """What features are told by; with fit: crop as it was before there was another."""
        return repr(self) if self.fit == "crop" else f"{self!r} {self.fit}"

    @property
    def side(self) -> int:
        """Pixels of the square that is kept of a picture, of which the middle `crop` are seen."""
        return self.resize if self.fit == "crop" else self.crop

    @classmethod
    def of(cls, network: str, dataset: str) -> "Preprocessing":
        """As params.yaml has it, and arrange@DATASET found the pictures."""
        sizes = load_entry("models", _Sizes, network)
        return cls(sizes.resize, sizes.crop, values=values_of(dataset), fit=sizes.fit)

    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """(3, 1, 1) float32 each: x in 0..255 becomes x * scale + shift."""
        mean, std = (np.array(values)[:, None, None] for values in (self.mean, self.std))
        return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def values_of(dataset: str) -> Values | None:
    """None where no picture has more than 8 bits."""
    found = paths.values(dataset)
    return Values(**read_numbers(found, ("black", "white"))) if found.is_file() else None


def to_input(squares: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """(N, 3, S, S) uint8 -> its middle crop, normalized: (N, 3, crop, crop) float32"""
    scale, shift = preprocessing.scale_and_shift()
    images: np.ndarray = middle_crop(squares, preprocessing.crop) * scale
    images += shift
    return images


def middle_crop(squares: np.ndarray, crop: int) -> np.ndarray:
    """(N, 3, S, S) -> (N, 3, crop, crop)"""
    margin = (squares.shape[-1] - crop) // 2
    inner = slice(margin, margin + crop)
    return squares[:, :, inner, inner]
