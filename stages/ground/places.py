"""Where large files lie: in folders, or wherever fsspec reads: http, s3, gs, …"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def is_remote(place: str) -> bool:
    return "://" in place


def expanded(place: str) -> list[str]:
    """The places that a pattern stands for, sorted: a range such as {000..146}, or *, ? and [].

    Raises:
        ProjectError: there is none, or it cannot be asked.
    """
    if found := RANGE.search(place):
        first, last = found[1], found[2]
        if int(first) > int(last):
            raise ProjectError(f"{place}: {found[0]} has nothing in it: write the smaller number first")
        numbers = (f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1))
        return [of for number in numbers for of in expanded(f"{place[: found.start()]}{number}{place[found.end() :]}")]
    if not re.search(r"[*?[]", place):
        return [place]
    with naming(place):
        if not is_remote(place):
            base = Path(place).anchor
            names = [str(path) for path in Path(base).glob(str(Path(place).relative_to(base)))]
        else:
            files, path = _url_to_fs(place)
            names = [files.unstrip_protocol(name) for name in files.glob(path)]
    if not names:
        raise ProjectError(f"{place}: nothing lies there")
    return sorted(names)


def listed(place: str, deep: int = 2) -> list[str]:
    """The files in a remote folder, and in folders in it: so many levels, sorted.

    Raises:
        ProjectError: there is none, or it cannot be asked.
    """
    with naming(place):
        files, top = _url_to_fs(place)
        folders, found = [top], []
        for _ in range(deep):
            entries = [entry for folder in folders for entry in files.ls(folder, detail=True)]
            found += [files.unstrip_protocol(entry["name"]) for entry in entries if entry["type"] == "file"]
            folders = [entry["name"] for entry in entries if entry["type"] == "directory"]
    return sorted(found)


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
