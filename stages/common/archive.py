"""Takes the pictures out of a zip file that nobody vouches for."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from stages.common.errors import ProjectError
from stages.common.pictures import is_picture

GIB = 1 << 30  # bytes


def unpack_pictures(archive: Path, folder: Path, limit_gib: float = 10) -> None:
    """Write the pictures of `archive`, and nothing else, into `folder`, under the paths that they have there.

    Raises:
        ProjectError: not a whole zip file, no pictures, over `limit_gib` unpacked, or a picture that is encrypted,
            a link, or named so that it would land elsewhere or on another. All but damaged data is found before
            anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            pictures = _checked([member for member in zipped.infolist() if not member.is_dir()], limit_gib)
            for member, path in pictures:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ProjectError(f"not a zip file that can be unpacked ({error})") from error


def _checked(members: list[zipfile.ZipInfo], limit_gib: float) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The pictures among `members`, with the paths that they are written to."""
    pictures = [(member, _path(member.filename)) for member in members if _wanted(member)]
    if not pictures:
        raise ProjectError(f"no pictures among its {len(members)} files")
    seen: dict[str, str] = {}
    for member, path in pictures:
        if problem := _problem(member, path):
            raise ProjectError(f"its member {member.filename!r} {problem}; nothing was unpacked")
        other = seen.setdefault(path.as_posix().casefold(), member.filename)
        if other is not member.filename:
            raise ProjectError(f"its members {other!r} and {member.filename!r} would be one file; nothing was unpacked")
    size = sum(member.file_size for member, _ in pictures)
    if size > limit_gib * GIB:
        raise ProjectError(
            f"it unpacks to {size / GIB:.1f} GiB, more than runtime.unpack_limit_gib ({limit_gib:g}) in params.yaml"
            " allows; raise that if you trust it"
        )
    return pictures


def _wanted(member: zipfile.ZipInfo) -> bool:
    path = _path(member.filename)
    return is_picture(Path(path)) and path.parts[0] != "__MACOSX"


def _problem(member: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        return "points outside its folder"
    if any(PureWindowsPath(part).is_reserved() for part in path.parts) or not member.filename.isprintable():
        return "has a name that not every system can write"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    return None


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # some programs write a member's name in Windows' way
