"""What is to be said of pictures before they are trained on: empty ones, dark ones, long ones, and their range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from stages.ground.errors import some
from stages.pictures.picture import Values, check_suited, decoded, has_alpha, is_deep, is_transparent, to_picture

WHITES = (1, 255, 1023, 4095, 16383, 65535)  # of shares, and of 8 to 16 bits, as cameras and scanners have them
ONE_COLOUR = 2 / 255  # of the range from black to white; that much is a scanner's noise
SMALL_PART = 1 / 8
LOST = 2  # one side over the other, at which the middle square has half of the area


@dataclass(frozen=True)
class Examined:
    size: tuple[int, int]  # width and height in pixels, upright
    least: float  # of its values, in any channel, as the file has them
    greatest: float
    deep: bool  # of more than 8 bits, or floating point numbers: its values need a range
    transparent: bool  # everywhere
    pages: int

    @property
    def long(self) -> bool:
        return max(self.size) > LOST * min(self.size)

    def contrast(self, values: Values | None) -> float:
        """What it uses of the range from black to white, 0 to 1."""
        if not self.deep:
            return (self.greatest - self.least) / 255
        assert values is not None  # where one picture is deep, there are some
        low, high = (min(max(of, values.black), values.white) for of in (self.least, self.greatest))
        return (high - low) / (values.white - values.black)


def examine(file: BinaryIO, name: str) -> Examined:
    """Decode the picture whole.

    Raises:
        UnusableError: as open_picture does, but for floating point numbers.
    """
    with decoded(file, name) as image:
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if not is_deep(image):
            alpha = has_alpha(image)
            picture = to_picture(image)
            shown = np.asarray(picture)
            least, greatest = float(shown.min()), float(shown.max())
            transparent = alpha and is_transparent(image)
            return Examined(picture.size, least, greatest, False, transparent, pages)
        check_suited(image)
        pixels = np.asarray(image)
        finite = pixels[np.isfinite(pixels)]
        if not finite.size:
            raise ValueError("no pixel is a number")
        return Examined(image.size, float(finite.min()), float(finite.max()), True, False, pages)


def shared_values(examined: Mapping[str, Examined]) -> Values | None:
    """The range of those pictures that have more than 8 bits: from 0 to the brightest that such a file can have, or
    from the least to the greatest value where some are below 0 or above 16 bits. None where no picture needs it."""
    deep = [of for of in examined.values() if of.deep]
    if not deep:
        return None
    least, greatest = min(of.least for of in deep), max(of.greatest for of in deep)
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
    contrasts = {name: of.contrast(values) for name, of in examined.items()}
    empty = [name for name, contrast in contrasts.items() if contrast <= ONE_COLOUR]
    dim = [name for name, contrast in contrasts.items() if ONE_COLOUR < contrast < SMALL_PART]
    long = [name for name, of in examined.items() if of.long]
    transparent = [name for name, of in examined.items() if of.transparent]
    several = [name for name, of in examined.items() if of.pages > 1]
    for names, level, what in (
        (empty, "warning", "pictures are of one colour, and show nothing"),
        (dim, "warning", "pictures use less than an eighth of the range from black to white, and show little"),
        (long, "note", "pictures lose more than half to the middle square, which is all that a network sees"),
        (transparent, "note", "pictures are transparent everywhere; their colours are taken as they are"),
        (several, "note", "TIFF files have several pages, of which the first is taken"),
    ):
        if names:
            lines.append(f"{level}: {len(names)} {what}: {some(names)}")
    return lines
