"""Looks through folders, as people have them: which files are pictures, and what is left out."""

import os
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import BinaryIO

from stages.ground.errors import some
from stages.pictures.kinds import ICLOUD, RAW, RAW_SUFFIXES, START, is_called_picture, is_picture, other_kind
from stages.pictures.system_names import is_copy, is_of_a_system

SYSTEMS = "files and folders that are hidden or a system's"
NOWHERE = "links to nowhere"
LOOPS = "links to a folder that they are in"
COPIES = "files that programs kept of others, or did not finish"
UNREADABLE = "files that cannot be read"
UNSUITED = "files that are no pictures"
REASONS = (SYSTEMS, NOWHERE, LOOPS, COPIES, UNREADABLE, UNSUITED)  # beside those that tell what a file is


def described(reason: str) -> str:
    """Several files that are left out for it, after their number."""
    return reason if reason in REASONS else f"files, each {reason}"


@dataclass
class LeftOut:
    """What is left out, by reason: counted, and named as far as a line allows."""

    files: defaultdict[str, list[PurePath]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, path: PurePath) -> None:
        self.files[reason].append(path)

    def lines(self) -> list[str]:
        """For the user, one for each reason; of what is no picture, the suffixes say enough."""
        lines = []
        for reason, paths in sorted(self.files.items()):
            shown = some(["/".join(path.parts[-2:]) for path in paths])
            if reason in (UNSUITED, SYSTEMS):
                counts = Counter((path.suffix if reason == UNSUITED else path.name) or "no suffix" for path in paths)
                shown = some([f"{count} {name}" for name, count in counts.most_common()], most=8)
            lines.append(f"left out: {len(paths)} {described(reason)} ({shown})")
        return lines


@dataclass
class Listing:
    """The pictures below a folder, and what else is there."""

    pictures: list[Path] = field(default_factory=list)  # sorted
    left_out: LeftOut = field(default_factory=LeftOut)


def _raise(error: OSError) -> None:
    raise error


def list_folder(folder: Path, on_error: Callable[[OSError], None] = _raise, left_out: LeftOut | None = None) -> Listing:
    """Links are followed, as torchvision's ImageFolder does, but for those that lead into a circle.

    Args:
        folder: which is looked through, with all folders in it.
        on_error: is told of each folder that cannot be read.
        left_out: before, of what came into the folder.
    """
    listing = Listing(left_out=left_out or LeftOut())
    for path in files_below(folder, listing.left_out, on_error):
        if (reason := why_not(path, partial(_opened, path))) is None:
            listing.pictures.append(path)
        else:
            listing.left_out.add(reason, path)
    listing.pictures.sort()
    return listing


def why_not(path: PurePath, opened: Callable[[], BinaryIO]) -> str | None:
    """Why the file of this name, which `opened` opens, counts as no picture.

    What is called a picture counts as one: if it holds something else, that is an error when it is decoded.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        return RAW
    if is_called_picture(path):
        return None
    try:
        with opened() as file:
            if is_picture(file):
                return None
            file.seek(0)
            return other_kind(file.read(START)) or UNSUITED
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError):  # in an archive, too
        return UNREADABLE


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def find_pictures(folder: Path, on_error: Callable[[OSError], None] = _raise) -> list[Path]:
    """The pictures of list_folder."""
    return list_folder(folder, on_error).pictures


def files_below(
    folder: Path, left_out: LeftOut, on_error: Callable[[OSError], None] = _raise, above: tuple[Path, ...] = ()
) -> Iterator[Path]:
    """All files below `folder` that are the user's; `above`: the real folders that it lies in."""
    above = (*above, folder.resolve())
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        on_error(error)
        return
    for entry in entries:
        path = Path(entry.path)
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # a link to itself
            is_folder = is_file = False
        if reason := passed_over(entry.name, is_file):
            left_out.add(reason, path)
        elif is_folder and entry.is_symlink() and path.resolve() in above:
            left_out.add(LOOPS, path)
        elif is_folder:
            yield from files_below(path, left_out, on_error, above)
        elif is_file:
            yield path
        else:
            left_out.add(NOWHERE if entry.is_symlink() else UNREADABLE, path)


def passed_over(name: str, is_file: bool) -> str | None:
    """Why a file or folder of this name is, whatever it holds."""
    if name.endswith(".icloud"):
        return ICLOUD
    if is_of_a_system(name):
        return SYSTEMS
    return COPIES if is_file and is_copy(name) else None
