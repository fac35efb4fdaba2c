"""What can be said of a picture without looking at what it shows: its file, size, colours, and a small grey copy."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from scipy.ndimage import uniform_filter1d

from stages.ground.room import filled
from stages.pictures.picture import Values, decoded, opened_file, to_picture

DECODED = 256  # pixels of the shorter side, at least, where the format decodes smaller (JPEG)
GREY = 40  # side of the grey copy, in pixels
COLOURS = 30  # side of the copy that colours are taken of, in pixels
EDGE = 3  # … and of its edges
RE_BLUR = 9  # pixels
CAMERA = 64  # letters of its name


@dataclass(frozen=True)
class Look:
    size: tuple[int, int]  # width and height in pixels, upright
    bytes: int
    kind: str  # Pillow's name of the format, and of the camera where the file has one
    quality: float  # of JPEG, how coarse its numbers are: the mean of its first quantisation table; else 0
    colour: tuple[float, ...]  # the mean of red, green, blue, 0 to 1, then of their standard deviations
    edges: tuple[float, ...]  # the same means at the top, the bottom, the left and the right
    contrast: float  # the standard deviation of grey, 0 to 0.5
    blur: float  # 0 sharp, to 1
    grey: np.ndarray  # (GREY, GREY) uint8, the whole picture squeezed into a square


@dataclass(frozen=True)
class Looks:
    """Of N pictures: each field of a Look, as an array with a row for each."""

    size: np.ndarray
    bytes: np.ndarray
    kind: np.ndarray
    quality: np.ndarray
    colour: np.ndarray
    edges: np.ndarray
    contrast: np.ndarray
    blur: np.ndarray
    grey: np.ndarray

    @classmethod
    def of(cls, looks: Sequence[Look]) -> "Looks":
        return cls(**{field.name: np.array([getattr(look, field.name) for look in looks]) for field in fields(Look)})

    @classmethod
    def joined(cls, parts: Iterable["Looks"], pictures: int) -> "Looks":
        """All parts, of so many pictures; grey copies of many lie in a file."""
        facts: list[dict[str, np.ndarray]] = []

        def greys() -> Iterator[np.ndarray]:
            for part in parts:
                facts.append({name: of for name, of in vars(part).items() if name != "grey"})
                yield part.grey

        grey = filled((pictures, GREY, GREY), np.uint8, greys())
        return cls(**{name: np.concatenate([of[name] for of in facts]) for name in facts[0]}, grey=grey)

    def part(self, of: np.ndarray) -> "Looks":
        """Those numbered `of`."""
        return Looks(**{name: column[of] for name, column in vars(self).items()})

    @property
    def seen(self) -> np.ndarray:
        """(N,) the share of each picture that its middle square shows."""
        seen: np.ndarray = self.size.min(1) / self.size.max(1)
        return seen


def look_at(path: Path, values: Values | None = None) -> Look:
    """
    Raises:
        UnusableError: as open_picture.
    """
    with opened_file(path) as file, decoded(file, str(path)) as image:
        size, kind, quality = image.size, kind_of(image), quantisation(image)
        image.draft("RGB", (DECODED, DECODED))
        picture = to_picture(image, values)
        length = file.seek(0, os.SEEK_END)
    if (picture.width > picture.height) != (size[0] > size[1]):
        size = size[::-1]
    side = min(DECODED, *picture.size)
    square = picture.resize((side, side), Image.Resampling.BOX)
    colours = np.asarray(square.resize((COLOURS, COLOURS), Image.Resampling.BOX), np.float32) / 255
    shades = np.asarray(square.convert("L"), np.float32) / 255
    return Look(
        size,
        length,
        kind,
        quality,
        (*colours.mean((0, 1)).tolist(), *colours.std((0, 1)).tolist()),
        edge_colours(colours),
        float(shades.std()),
        blur(shades),
        np.asarray(square.convert("L").resize((GREY, GREY), Image.Resampling.BOX)),
    )


def kind_of(image: Image.Image) -> str:
    try:
        camera = str(image.getexif().get(ExifTags.Base.Model, "")).strip("\0 ")[:CAMERA]
    except Exception:  # of damaged metadata, nearly any
        camera = ""
    return f"{image.format} {camera}".strip()


def quantisation(image: Image.Image) -> float:
    tables = getattr(image, "quantization", None)
    return float(np.mean(tables[min(tables)])) if tables else 0.0


def edge_colours(pixels: np.ndarray) -> tuple[float, ...]:
    """(S, S, 3) -> 12 numbers"""
    sides = (pixels[:EDGE], pixels[-EDGE:], pixels[:, :EDGE], pixels[:, -EDGE:])
    return tuple(float(mean) for side in sides for mean in side.mean((0, 1)))


def blur(shades: np.ndarray) -> float:
    """(S, S) in 0..1 -> how little a picture loses when it is blurred once more, the more of both directions.

    Crété et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric", 2007.
    """
    found = []
    for axis in (0, 1):
        again = uniform_filter1d(shades, RE_BLUR, axis, mode="nearest")
        before, after = (np.abs(np.diff(of, axis=axis)) for of in (shades, again))
        lost = (before - after).clip(0).sum()
        found.append(1 - lost / max(before.sum(), 1e-9))
    return float(max(found))
