"""Takes the pictures out of a zip file that nobody vouches for."""

import errno
import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from stages.ground.errors import ProjectError
from stages.pictures.picture import is_picture

GIB = 1 << 30  # bytes
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LONGEST_NAME, LONGEST_PATH = 255, 800  # bytes
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"
}


def unpack_pictures(archive: Path, folder: Path, limit_gib: float = 10) -> None:
    """Write the pictures of `archive`, and nothing else, into `folder`, under the paths that they have there.

    Raises:
        ProjectError: not a whole zip file, no pictures, over `limit_gib` unpacked, or a picture that is encrypted,
            a link, or named so that it would land elsewhere or on another. All but damaged data is found before
            anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            pictures = _checked(
                [member for member in zipped.infolist() if not member.filename.endswith("/")], limit_gib
            )
            for member, path in pictures:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is of a place beyond the archive's end
            raise
        raise ProjectError(f"not a zip file that can be unpacked ({error})") from error


def _checked(members: list[zipfile.ZipInfo], limit_gib: float) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The pictures among `members`, with the paths that they are written to."""
    pictures = [(member, _path(member.filename)) for member in members if _wanted(member)]
    if not pictures:
        raise ProjectError(f"no pictures among its {len(members)} files")
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


def _wanted(member: zipfile.ZipInfo) -> bool:
    path = _path(member.filename)
    return is_picture(Path(path)) and path.parts[0] != "__MACOSX"


def _problem(member: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        return "points outside its folder"
    if len(str(path).encode()) > LONGEST_PATH or not all(map(is_portable, path.parts)):
        return "has a name that not every system can write"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    if member.compress_type not in METHODS:
        return "is packed in another way than by deflate"
    return None


def is_portable(name: str) -> bool:
    """Whether a file or folder of this name gets just this name everywhere; Windows drops dots and spaces at its end,
    and takes AUX.jpg for a device."""
    device = name.partition(".")[0].rstrip(" ").upper() in DEVICES
    control = any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name)
    return not device and not control and not name.endswith((".", " ")) and len(name.encode()) <= LONGEST_NAME


def one_place(path: PurePosixPath) -> PurePosixPath:
    """The same for all paths that some system takes for one: by letter case, or by how an accent is written."""
    return PurePosixPath(unicodedata.normalize("NFC", unicodedata.normalize("NFD", str(path)).casefold()))


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))  # some programs write a member's name in Windows' way
