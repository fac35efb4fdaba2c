"""Where large files lie: in folders, or wherever fsspec reads: http, s3, gs, …"""

import glob
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from stages.ground.errors import ProjectError

BLOCK = 4 << 20  # bytes that are asked for at once
BLOCKS = 4  # that are kept: threads do not ask quite in order
WAITS = (0.2, 2.0)  # seconds, before a read that failed is tried again
REMEDIES = {  # of errors, by the names of their classes, whose packages may not be there
    "NoCredentialsError": "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; or FSSPEC_S3_ANON=true,"
    " if it is open to all",
}
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")  # of shells, and of webdataset: train-{000..146}.tar
WILD = re.compile(r"[*?[]")
MOST = 1_000_000  # places that ranges stand for


def is_remote(place: str) -> bool:
    return "://" in place


def is_pattern(place: str) -> bool:
    """Whether it may stand for others."""
    return bool(WILD.search(place) or RANGE.search(place))


def escaped(place: str) -> str:
    """The pattern that stands for this place alone."""
    return glob.escape(place).replace("{", "[{]")


def expanded(place: str) -> list[str]:
    """The places that a pattern stands for, sorted: a range such as {000..146}, or *, ? and [].

    As in shells, these do not find what begins with a dot.

    Raises:
        ProjectError: there is none, or more than anyone has; or it cannot be asked.
    """
    if found := RANGE.search(place):
        first, last = found[1], found[2]
        if int(first) > int(last):
            raise ProjectError(f"{place}: {found[0]} has nothing in it: write the smaller number first")
        if (count := math.prod(int(end) - int(start) + 1 for start, end in RANGE.findall(place))) > MOST:
            raise ProjectError(f"{place}: stands for {count} places; expected {MOST} at most")
        numbers = (f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1))
        return [of for number in numbers for of in expanded(f"{place[: found.start()]}{number}{place[found.end() :]}")]
    if not is_pattern(place):
        return [place]
    with naming(place):
        if not is_remote(place):
            base = Path(place).anchor
            names = [str(path) for path in Path(base).glob(str(Path(place).relative_to(base)))]
        else:
            files, path = _url_to_fs(place)
            names = [files.unstrip_protocol(name) for name in files.glob(path)]
    if not (names := [name for name in names if not PurePosixPath(name).name.startswith(".")]):
        raise ProjectError(f"{place}: nothing lies there")
    return sorted(names)


def listed(place: str, deep: int = 2) -> tuple[list[str], list[str]]:
    """The files in a remote folder and in folders in it, so many levels; and the folders below these. Both sorted; they
    begin with `place`, whatever the server calls that.

    Raises:
        ProjectError: there is none, or it cannot be asked.
    """
    with naming(place):
        files, top = _url_to_fs(place)
        folders: list[str] = [top]
        found: list[str] = []
        for _ in range(deep):
            entries = [entry for folder in folders for entry in files.ls(folder, detail=True)]
            folders = [entry["name"] for entry in entries if _is_folder(files, entry)]
            found += [entry["name"] for entry in entries if not _is_folder(files, entry)]
    start = f"{top.rstrip('/')}/"

    def begun(names: list[str]) -> list[str]:
        inside = {name: name.removeprefix(start) for name in names if "/?" not in name}  # what sorts a server's page
        return sorted(
            f"{place}/{at}" if at != name else str(files.unstrip_protocol(name)) for name, at in inside.items()
        )

    return begun(found), begun(folders)


def _is_folder(files: Any, entry: Any) -> bool:
    """A link to one has a type of its own in a local folder."""
    return bool(entry["type"] == "directory" or (entry["type"] != "file" and files.isdir(entry["name"])))


def open_place(place: str) -> BinaryIO:
    """For reading, forwards above all.

    Raises:
        ProjectError: a remote place that cannot be read, now or when its content is asked for.
        OSError: the system does not let it be opened.
    """
    if not is_remote(place):
        return Path(place).open("rb")
    return cast("BinaryIO", _Remote(place))


class _Remote:
    """A remote file, opened anew where its connection breaks."""

    def __init__(self, place: str) -> None:
        self._place, self._at, self._file = place, 0, _open_remote(place)

    def __enter__(self) -> "_Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, size: int) -> bytes:
        for wait in WAITS:
            try:
                return self._read(size)
            except Exception:  # each kind of place has its own; the last one is told
                time.sleep(wait)
        with naming(self._place):
            return self._read(size)

    def _read(self, size: int) -> bytes:
        if self._file.closed:
            self._file = _open_remote(self._place)
        try:
            self._file.seek(self._at)
            content = self._file.read(size)
        except BaseException:
            self._file.close()
            raise
        self._at += len(content)
        return content


def _open_remote(place: str) -> BinaryIO:
    with naming(place):
        files, path = _url_to_fs(place)
        cache: dict[str, Any] = {"cache_type": "blockcache", "cache_options": {"maxblocks": BLOCKS}}
        file: BinaryIO = files.open(path, "rb", block_size=BLOCK, **cache)
        if not file.seekable():
            raise ProjectError(f"{place}: its server gives no parts of files, as Range asks for; copy it to a folder")
        return file


@contextmanager
def naming(place: str) -> Iterator[None]:
    """One line for whatever goes wrong with a remote place."""
    try:
        yield
    except ProjectError:
        raise
    except ImportError as error:
        raise ProjectError(f"{place}: {error}; pip install what it names, or copy the files to a folder") from error
    except Exception as error:  # each kind of place has its own
        line = f"{place} cannot be read: {type(error).__name__}: {error}"
        raise ProjectError(line + REMEDIES.get(type(error).__name__, "")) from error


def _url_to_fs(place: str) -> Any:
    from fsspec.core import url_to_fs  # only where a place is remote

    return url_to_fs(place)
