"""Takes the pictures out of a zip file that nobody vouches for."""

import errno
import io
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from stages.datasets.names import is_portable, one_place
from stages.ground.errors import ProjectError
from stages.pictures.kinds import START, other_kind
from stages.pictures.listing import LeftOut, passed_over, why_not

GIB = 1 << 30  # bytes
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1  # a bit of a member's flags
Member = tuple[zipfile.ZipInfo, PurePosixPath]  # with the path that it is written to
LONGEST_PATH = 800  # bytes


def unpack_pictures(archive: Path, folder: Path, limit_gib: float = 10) -> LeftOut:
    """Write the pictures of `archive`, and nothing else, into `folder`, under the paths that they have there.

    Returns:
        What is left out.

    Raises:
        ProjectError: not a whole zip file, no pictures, over `limit_gib` unpacked, or a picture that is encrypted,
            a link, or named so that it would land elsewhere or on another. All but damaged data is found before
            anything is written.
    """
    with archive.open("rb") as file:
        start = file.read(START)
    try:
        with zipfile.ZipFile(archive) as zipped:
            left_out = LeftOut()
            for member, path in _checked(zipped, folder, left_out, limit_gib):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, target.open("wb") as unpacked:
                    shutil.copyfileobj(source, unpacked)
            return left_out
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is of a place beyond the archive's end
            raise
        kind = "" if start.startswith(b"PK") else other_kind(start)
        raise ProjectError(f"not a zip file that can be unpacked ({kind or error})") from error


def _checked(zipped: zipfile.ZipFile, folder: Path, left_out: LeftOut, limit_gib: float) -> list[Member]:
    """The pictures in it, with the paths that they are written to."""
    members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
    pictures = [(member, _path(member.filename)) for member in members if _wanted(zipped, member, folder, left_out)]
    if not pictures:
        raise ProjectError("; ".join([f"no pictures among its {len(members)} files", *left_out.lines()]))
    names: dict[PurePosixPath, str] = {}
    for member, path in pictures:
        if problem := _problem(member, path):
            raise ProjectError(f"its member {member.filename!r:.90} {problem}; nothing was unpacked")
        place = one_place(path)
        if place in names:
            raise ProjectError(
                f"its members {names[place]!r} and {member.filename!r} would be one file; nothing was unpacked"
            )
        names[place] = member.filename
    for place, name in names.items():
        for parent in place.parents:
            if parent in names:
                raise ProjectError(
                    f"its member {names[parent]!r} would be the folder of {name!r}; nothing was unpacked"
                )
    size = sum(member.file_size for member, _ in pictures)
    if size > limit_gib * GIB:
        raise ProjectError(
            f"it unpacks to {size / GIB:.1f} GiB, more than runtime.unpack_limit_gib ({limit_gib:g}) in params.yaml"
            " allows; raise that if you trust it"
        )
    return pictures


def _wanted(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left_out: LeftOut) -> bool:
    path = _path(member.filename)
    for number, part in enumerate(path.parts, start=1):
        if reason := passed_over(part, is_file=number == len(path.parts)):
            left_out.add(reason, folder.joinpath(*path.parts[:number]))
            return False
    readable = not member.flag_bits & ENCRYPTED and member.compress_type in METHODS
    reason = why_not(path, lambda: cast("BinaryIO", zipped.open(member) if readable else io.BytesIO()))
    if reason:
        left_out.add(reason, folder / path)
    return reason is None


def path_problem(path: PurePosixPath) -> str | None:
    """Why a member of an archive cannot be a file below a folder under this path."""
    if path.is_absolute() or ".." in path.parts or ":" in str(path):
        return "points outside its folder"
    if len(str(path).encode()) > LONGEST_PATH or not all(map(is_portable, path.parts)):
        return "has a name that not every system can write"
    return None


def _problem(member: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    if problem := path_problem(path):
        return problem
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in METHODS:
        return "is packed in another way than by deflate"
    return None


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # some programs write a member's name in Windows' way
