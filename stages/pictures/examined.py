"""What is to be said of pictures before they are trained on: empty ones, dark ones, long ones, and their range."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from stages.ground.errors import some
from stages.pictures.difference_hash import difference_hash
from stages.pictures.picture import (
    UnusableError,
    Values,
    check_suited,
    decoded,
    has_alpha,
    is_deep,
    is_transparent,
    to_picture,
)

WHITES = (1, 255, 1023, 4095, 16383, 65535)  # of shares, and of 8 to 16 bits, as cameras and scanners have them
FILL = 1e30  # floating point numbers beyond it say that there is no value
OUTSIDE = 0.001  # of a picture's values, at either end: a hot pixel is not to set the range for all
UNSEEN = 0.005  # … nor to hide that the rest is dark
ONE_COLOUR = 2 / 255  # of the range from black to white; that much is a scanner's noise
SMALL_PART = 1 / 8
LOST = 2  # one side over the other, at which the middle square has half of the area


@dataclass(frozen=True)
class Examined:
    sha256: str
    size: tuple[int, int]  # width and height in pixels, upright
    deep: bool  # of more than 8 bits, or floating point numbers: its values need a range
    extremes: tuple[float, float]  # its least and greatest value, in any channel; of deep ones without OUTSIDE
    most: tuple[float, float]  # the same of how bright it is, without UNSEEN
    transparent: bool  # as good as everywhere
    pages: int
    look: int = 0  # a digest of what it shows: stages/pictures/difference_hash.py

    @property
    def long(self) -> bool:
        return max(self.size) > LOST * min(self.size)


def examine(path: Path) -> Examined:
    """Decode the picture whole, and digest its file.

    Raises:
        UnusableError: as open_picture does, but for floating point numbers; or the system does not let it be opened.
    """
    try:
        with path.open("rb") as file:
            return examine_file(file, str(path))
    except OSError as error:
        raise UnusableError(str(error.strerror), name=str(path)) from error


def examine_file(file: BinaryIO, name: str) -> Examined:
    """The same of an open file that errors call `name`."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    with decoded(file, name) as image:
        return _examined(digest, image)


def _examined(digest: str, image: Image.Image) -> Examined:
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if is_deep(image):
        check_suited(image)
        pixels = np.asarray(image)
        known = pixels[np.isfinite(pixels) & (np.abs(pixels) < FILL)]
        if not known.size:
            raise UnusableError("no pixel is a number")
        look = difference_hash(Image.fromarray(np.where(np.isfinite(pixels), pixels, 0).astype(np.float32)))
        return Examined(digest, image.size, True, within(known, OUTSIDE), within(known, UNSEEN), False, pages, look)
    alpha = has_alpha(image)
    picture = to_picture(image)
    shown = np.asarray(picture)
    extremes = float(shown.min()), float(shown.max())
    grey = picture.convert("L")
    bright = np.cumsum(grey.histogram()) / (picture.width * picture.height)
    most = float(np.searchsorted(bright, UNSEEN)), float(np.searchsorted(bright, 1 - UNSEEN))
    transparent = alpha and is_transparent(image)
    return Examined(digest, picture.size, False, extremes, most, transparent, pages, difference_hash(grey))


def within(values: np.ndarray, share: float) -> tuple[float, float]:
    """The least and the greatest of them, but for this share at either end."""
    low, high = np.quantile(values, [share, 1 - share], method="nearest")
    return float(low), float(high)


def contrast(of: tuple[float, float], values: Values | None) -> float:
    """What the values in between take of the range from black to white, 0 to 1; `values` where they need a range."""
    black, white = (values.black, values.white) if values else (0, 255)
    low, high = (min(max(value, black), white) for value in of)
    return (high - low) / (white - black)


def shared_values(examined: Mapping[str, Examined]) -> Values | None:
    """The range of those pictures that have more than 8 bits: from 0 to the brightest that such a file can have, or
    from the least to the greatest value where some are below 0 or above 16 bits. None where no picture needs it.

    `examined` by place: test images, which are looked at once, count only where there are no others.
    """
    deep = {place: of.extremes for place, of in examined.items() if of.deep}
    if not deep:
        return None
    found = [of for place, of in deep.items() if not place.startswith("test/")] or list(deep.values())
    least, greatest = min(low for low, _ in found), max(high for _, high in found)
    if least >= 0 and greatest <= WHITES[-1]:
        return Values(0, next(white for white in WHITES if white >= greatest))
    return Values(least, greatest if greatest > least else least + 1)


def remarks(examined: Mapping[str, Examined], values: Values | None) -> list[str]:
    """Lines about the pictures, by their names, whose values are brought to 8 bits by `values`."""
    lines = []
    if values and (deep := [name for name, of in examined.items() if of.deep]):
        lines.append(
            f"{len(deep)} pictures have more than 8 bits: of all of them, {values.black:g} becomes black and"
            f" {values.white:g} white ({some(deep, 2)}); values: [black, white] in the data set's entry says otherwise"
        )
    own = {name: values if of.deep else None for name, of in examined.items()}
    empty = [name for name, of in examined.items() if contrast(of.extremes, own[name]) <= ONE_COLOUR]
    seen = {name: contrast(of.most, own[name]) for name, of in examined.items()}
    dim = [name for name, share in seen.items() if share < SMALL_PART and name not in set(empty)]
    long = [name for name, of in examined.items() if of.long]
    transparent = [name for name, of in examined.items() if of.transparent]
    several = [name for name, of in examined.items() if of.pages > 1]
    for names, level, what in (
        (empty, "warning", "pictures are of one colour, and show nothing"),
        (dim, "warning", "pictures use less than an eighth of the range from black to white, and show little"),
        (long, "note", "pictures lose more than half to the middle square, all that a network with fit: crop sees"),
        (transparent, "note", "pictures are transparent everywhere; their colours are taken as they are"),
        (several, "note", "TIFF files have several pages, of which the first is taken"),
    ):
        if names:
            lines.append(f"{level}: {len(names)} {what}: {some(names)}")
    return lines
