"""Pictures: which files are some, and what is in them."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

from stages.ground.errors import ProjectError
from stages.ground.runtime import Runtime

Picture = TypeVar("Picture")
Result = TypeVar("Result")

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP")  # Pillow's names; to open EPS runs a program
MOST_ELONGATED = 50  # one side over the other; the shorter one is enlarged, and the other with it
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF's orientation


def is_picture(path: Path) -> bool:
    """By its name: a picture's suffix, in any letter case, and not hidden (macOS archives hold ._NAME.jpg)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _raise(error: OSError) -> None:
    raise error


def find_pictures(folder: Path, on_error: Callable[[OSError], None] = _raise) -> list[Path]:
    """All pictures below `folder`, sorted.

    `on_error` is told of each folder that cannot be read; Path.rglob would pass over them.
    """
    below = (Path(parent, name) for parent, _, names in os.walk(folder, onerror=on_error) for name in names)
    return sorted(path for path in below if is_picture(path) and path.is_file())


def open_picture(path: Path) -> Image.Image:
    """The picture as an RGB image, decoded whole and turned upright as its EXIF data says.

    What it holds counts, not its suffix. Of transparent pictures what shows on white is kept; 16-bit ones are
    brought to 8 bits; CMYK and palettes are converted. Of several pages, as in TIFF, the first is the picture: the
    others are most often smaller copies of it.

    Raises:
        ProjectError: it cannot be decoded whole, is animated, of another format or of numbers without a range,
            or so large that it may be a decompression bomb; or its name is none.
        OSError: the system does not let it be opened.
    """
    try:
        file = path.open("rb")
    except ValueError as error:  # a null character, or half of one
        raise ProjectError(f"{str(path)!r}: no file's name ({error})") from error
    with file:
        return read_picture(file, str(path))


def read_picture(file: BinaryIO, name: str) -> Image.Image:
    """As open_picture, of an open file that errors call `name`."""
    try:
        with Image.open(file) as image:
            return to_picture(image)
    except ProjectError as error:
        raise ProjectError(f"{name}: {error}") from error
    except Image.DecompressionBombError as error:
        raise ProjectError(f"{name}: {' '.join(str(error).split())}") from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise ProjectError(f"{name}: not a whole picture, {file.seek(0, os.SEEK_END)} bytes") from error


def to_picture(image: Image.Image) -> Image.Image:
    """What open_picture gives, for an image that Pillow opened or made.

    Raises:
        ProjectError: it is animated, of another format or of numbers without a range.
        Exception: nearly any, on damaged data.
    """
    if image.format not in (*FORMATS, None):  # None: made, not opened
        raise ProjectError(f"in the format {image.format}; expected one of {', '.join(FORMATS)}")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "TIFF"):
        raise ProjectError(f"animated, with {frames} frames; expected a still picture")
    if max(image.size) > MOST_ELONGATED * min(image.size):
        raise ProjectError(
            f"{image.width}x{image.height} pixels; expected one side at most {MOST_ELONGATED} times the other"
        )
    if image.mode == "F":
        raise ProjectError("of floating point numbers; expected pixels of 8 or 16 bits")
    image.load()
    picture = _to_rgb(_upright(image))
    picture.info.clear()  # given in once more, as to a Classifier, it would be turned once more
    return picture


@contextmanager
def decoders(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads to open pictures in. How Pillow's warnings are taken is set here: filters are the whole process's."""
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as threads:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # from half of what is refused: large photos
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of metadata, not of pixels
        yield threads


def progress_bar(pictures: int, shown: bool) -> "tqdm[NoReturn]":
    """Pictures a second and the time left, on a terminal, if it is to be `shown`."""
    return tqdm(total=pictures, desc="images", unit=" images", disable=None if shown else True)


def of_each(pictures: Sequence[Picture], work: Callable[[Picture], Result], runtime: Runtime) -> list[Result]:
    """`work` of each picture, in threads; in their order.

    Raises:
        ProjectError: with what each `work` that raised a ProjectError said.
    """

    def attempt(picture: Picture) -> Result | ProjectError:
        try:
            return work(picture)
        except ProjectError as error:
            return error

    results: list[Result] = []
    broken: list[str] = []
    with decoders(runtime.workers) as threads, progress_bar(len(pictures), runtime.progress) as bar:
        for result in threads.map(attempt, pictures):
            bar.update()
            if isinstance(result, ProjectError):
                broken.append(str(result))
            else:
                results.append(result)
    if broken:
        count = f"{len(broken)} of {len(pictures)}"
        raise ProjectError(f"{count} pictures cannot be used; take them out, or mend them: {'; '.join(broken)}")
    return results


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are whole, whatever is said of them
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which convert() would clip at 255 and not scale
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
