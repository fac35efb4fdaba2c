"""Opens pictures of any kind, as RGB and upright, many at a time; and says what is wrong with those that are none."""

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, NoReturn, TypeVar

import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

from stages.ground.errors import SHOWN, ProjectError, some
from stages.ground.runtime import Runtime
from stages.ground.shards import open_file
from stages.pictures.kinds import FORMATS, RAW, RAW_SUFFIXES, START, other_kind

Picture = TypeVar("Picture")
Result = TypeVar("Result")

TRANSPARENT = 0.999  # of its pixels
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


@dataclass(frozen=True)
class Values:
    """Of pictures with more than 8 bits a channel: which values become black and white.

    One range for all pictures of a data set, since what they show is told apart by how bright it is.
    """

    black: float
    white: float


class UnusableError(ProjectError):
    """A picture that cannot be used: `problem` is what others may have, too, and `detail` is its own."""

    def __init__(self, problem: str, detail: str = "", name: str = "") -> None:
        super().__init__(f"{name}: {problem}{detail}" if name else problem + detail)
        self.problem, self.detail, self.name = problem, detail, name


def open_picture(path: Path, values: Values | None = None) -> Image.Image:
    """The picture as an RGB image, decoded whole and turned upright as its EXIF data says.

    What it holds counts, not its suffix. Of transparent pictures what shows on white is kept, and the colours as they
    are where nothing would show; CMYK and palettes are converted. Of several pages, as in TIFF, the first is the
    picture: the others are most often smaller copies of it. More than 8 bits are brought to 8: `values`, or 0 and 65535
    if they are not given, become black and white.

    Raises:
        UnusableError: it cannot be decoded whole, is animated, of another format or of numbers without a range,
            or so large that it may be a decompression bomb; or its name is none.
        OSError: the system does not let it be opened.
    """
    with opened_file(path) as file:
        return read_picture(file, str(path), values)


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    try:
        file = open_file(path)
    except ValueError as error:  # a null character, or half of one
        raise UnusableError(f"no file's name ({error})", name=repr(str(path))) from error
    with file:
        yield file


def read_picture(file: BinaryIO, name: str, values: Values | None = None) -> Image.Image:
    """As open_picture, of an open file that errors call `name`."""
    with decoded(file, name) as image:
        return to_picture(image, values)


@contextmanager
def decoded(file: BinaryIO, name: str) -> Iterator[Image.Image]:
    """What Pillow makes of `file`; errors within the block are of this picture."""
    if PurePath(name).suffix.lower() in RAW_SUFFIXES:  # Pillow would take the small preview in it
        raise UnusableError(RAW, name=name)
    try:
        with Image.open(file) as image:
            yield image
    except UnusableError as error:
        raise UnusableError(error.problem, error.detail, name) from error
    except Image.DecompressionBombError as error:
        raise UnusableError(" ".join(str(error).split()), name=name) from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if kind := other_kind(file.read(START)):
            raise UnusableError(kind, name=name) from error
        raise UnusableError("not a whole picture", f", {size} bytes", name) from error


def to_picture(image: Image.Image, values: Values | None = None) -> Image.Image:
    """What open_picture gives, for an image that Pillow opened or made.

    Raises:
        UnusableError: it is animated, of another format or of numbers without a range.
        Exception: nearly any, on damaged data.
    """
    check_suited(image)
    if image.mode == "F" and values is None:
        raise UnusableError("of floating point numbers, and nothing says which of them are black and white")
    image.load()
    picture = _to_rgb(_upright(image), values)
    picture.info.clear()  # given in once more, as to a Classifier, it would be turned once more
    return picture


def check_suited(image: Image.Image) -> None:
    """
    Raises:
        UnusableError
    """
    if image.format not in (*FORMATS, None):  # None: made, not opened
        raise UnusableError(f"in the format {image.format}; expected one of {', '.join(FORMATS)}")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "TIFF"):
        raise UnusableError("animated", f", with {frames} frames; expected a still picture")
    if max(image.size) > MOST_ELONGATED * min(image.size):
        raise UnusableError(
            f"one side more than {MOST_ELONGATED} times the other", f": {image.width}x{image.height} pixels"
        )


def is_deep(image: Image.Image) -> bool:
    """Whether it has more than 8 bits a channel, as Pillow has it: of colours it keeps 8."""
    return image.mode.startswith("I") or image.mode == "F"


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
        ProjectError: with what each `work` that raised an UnusableError said.
    """

    def attempt(picture: Picture) -> Result | UnusableError:
        try:
            return work(picture)
        except UnusableError as error:
            return error

    results: list[Result] = []
    broken: list[UnusableError] = []
    with decoders(runtime.workers) as threads, progress_bar(len(pictures), runtime.progress) as bar:
        for result in threads.map(attempt, pictures):
            bar.update()
            if isinstance(result, UnusableError):
                broken.append(result)
            else:
                results.append(result)
    check_usable(broken, len(pictures))
    return results


def check_usable(broken: Sequence[UnusableError], pictures: int) -> None:
    """
    Raises:
        ProjectError: there are broken ones among so many pictures.
    """
    if broken:
        count = f"{len(broken)} of {pictures}"
        raise ProjectError(f"{count} pictures cannot be used; take them out, or mend them: {together(broken)}")


def together(errors: Sequence[UnusableError]) -> str:
    """What they say, those with one problem together."""
    same: defaultdict[str, list[UnusableError]] = defaultdict(list)
    for error in errors:
        same[error.problem].append(error)
    said = [
        str(alike[0]) if len(alike) == 1 else f"{problem} ({len(alike)}): {some([error.name for error in alike])}"
        for problem, alike in same.items()
    ]
    return "; ".join(said[:SHOWN]) + (f"; and {len(said) - SHOWN} more problems" if len(said) > SHOWN else "")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are whole, whatever is said of them
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image, values: Values | None) -> Image.Image:
    if is_deep(image):  # convert() would clip at 255, and not scale
        black, white = (values.black, values.white) if values else (0, 65535)
        scaled = (np.asarray(image, np.float64) - black) * (255 / (white - black))
        return Image.fromarray(np.nan_to_num(scaled).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if has_alpha(image):
        rgba = image.convert("RGBA")
        if is_transparent(rgba):  # nothing would show: what is kept there is not transparency
            return rgba.convert("RGB")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def is_transparent(image: Image.Image) -> bool:
    """As good as everywhere; of an image with alpha."""
    alpha = image.convert("RGBA").getchannel("A").histogram()
    return sum(alpha[:2]) >= TRANSPARENT * sum(alpha)


def has_alpha(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
