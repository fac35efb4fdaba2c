"""What a file is, by its content: a picture, or something else that people take for one."""

import re
import warnings
from pathlib import PurePath
from typing import BinaryIO

from PIL import Image

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".avif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
    ]
)
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP")  # Pillow's names
RAW_SUFFIXES = frozenset(
    [".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"]
)  # many are TIFF inside
ICLOUD = "a file that iCloud keeps elsewhere: have it downloaded"
RAW = "a camera's raw file: develop it to JPEG"
START = 512  # bytes

STARTS = (  # of files, with what such a file is and what would make a picture of it
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself: run git lfs pull"),
    (
        rb"(\.\./)*\.git/annex/|/annex/objects/",
        "a pointer of git-annex, not the file itself: run git annex get",
    ),
    (
        rb".{4}ftyp(heic|heix|hevc|hevx|heim|heis|heif|mif1|msf1)",
        "a HEIC picture: convert it to JPEG, as heif-convert does",
    ),
    (
        rb".{4}ftyp(iso|mp4|m4v|qt|avc1|3g|dash|msnv)|RIFF.{4}AVI |\x1aE\xdf\xa3",
        "a video: take still pictures out of it, as ffmpeg does",
    ),
    (rb"\s*<(!doctype html|html)", "a web page, not the file itself: download it anew"),
    (rb"\s*(<\?xml.*)?<svg", "a drawing in SVG: export it as PNG"),
    (rb"%PDF", "a PDF file: export its pages as PNG"),
    (rb"8BPS", "a file of Photoshop: export it as PNG"),
    (rb".{128}DICM", "a DICOM file: export it as PNG of 16 bits"),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|BZh|\xfd7zXZ|.{257}ustar", "an archive: unpack it first"),
    (
        rb"\0+\Z",
        "nothing but zeros, as a copy that was cut off or a file that a cloud keeps elsewhere: have it fetched whole",
    ),
    (rb"\Z", "empty, as a copy that was cut off or a file that a cloud keeps elsewhere: have it fetched whole"),
)


def is_called_picture(path: PurePath) -> bool:
    """By its suffix, in any letter case."""
    return path.suffix.lower() in SUFFIXES


def is_picture(file: BinaryIO) -> bool:
    """By the file's first bytes, as far as Pillow needs them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            Image.open(file, formats=[of for of in FORMATS if of != "MPO"]).close()  # which is opened as JPEG
        except Image.DecompressionBombError:
            return True
        except Exception:  # Pillow raises nearly anything on other files' bytes
            return False
    return True


def other_kind(start: bytes) -> str | None:
    """What a file that begins so is, and what would help; None where it is nothing of that sort."""
    return next((kind for pattern, kind in STARTS if re.match(pattern, start, re.DOTALL | re.IGNORECASE)), None)
