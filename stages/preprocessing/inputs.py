"""From decoded squares to what a network gets."""

from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel

from stages.ground import paths
from stages.ground.files import read_numbers
from stages.ground.params import Channels, Fit, Interpolation, Pixels, Spreads, load_entry
from stages.pictures.picture import Values

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the channels in 0..1; what most published weights were trained with
IMAGENET_STD = (0.229, 0.224, 0.225)


class _Look(BaseModel):
    """What this package needs of a network's settings; stages/networks/settings.py has all of them."""

    resize: Pixels
    crop: Pixels
    fit: Fit
    interpolation: Interpolation
    mean: Channels
    std: Spreads


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to `crop` x `crop` pixels, by `fit`, then (x - mean) / std by channel.

    crop: the shorter side to `resize`, then the middle square. pad: the longer side to `crop`, in the middle of a
    square of the mean colour, which is 0 to the network. squash: both sides to `crop`. The last two show the whole
    picture, and have no use for `resize`. Resizing is PIL's, antialiased.
    """

    resize: int
    crop: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    values: Values | None = None  # of pictures with more than 8 bits
    fit: Fit = field(default="crop", repr=False)
    interpolation: Interpolation = field(default="bilinear", repr=False)

    def __str__(self) -> str:
        """What features are told by; with crop and bilinear as it was before there were others."""
        others = [of for of, usual in ((self.fit, "crop"), (self.interpolation, "bilinear")) if of != usual]
        return " ".join([repr(self), *others])

    @property
    def side(self) -> int:
        """Pixels of the square that is kept of a picture, of which the middle `crop` are seen."""
        return self.resize if self.fit == "crop" else self.crop

    @classmethod
    def of(cls, model: str, dataset: str | None) -> "Preprocessing":
        """As params.yaml has it, and arrange@DATASET found the pictures; None: pictures of 8 bits."""
        look, values = load_entry("models", _Look, model), values_of(dataset) if dataset else None
        mean, std = tuple(look.mean), tuple(look.std)
        return cls(look.resize, look.crop, mean, std, values, look.fit, look.interpolation)

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
