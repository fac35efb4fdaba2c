"""Files inside tar files, which an index beside these finds: data/flowers/train/a.tar/roses/1.jpg by a.tar.json.

A tar file is read at one place at a time, forwards as long as files are asked for in its order, by whatever thread
asks. What is read must be what was indexed.
"""

import json
import os
import threading
import zlib
from collections import OrderedDict
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import Field, TypeAdapter, ValidationError

from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.places import is_remote, open_place

SUFFIX = ".tar"
OPEN = 2  # tar files at most: threads that are ahead may be in the next one
INDEXES = 4  # that are kept

_lock = threading.Lock()
_opened: OrderedDict[tuple[str, str, int], BinaryIO] = OrderedDict()  # by place, checksum and process


Natural = Annotated[int, Field(ge=0)]
Entry = tuple[Natural, Natural, Natural]  # of a file in a tar file: its first byte, how many there are, their CRC-32


@dataclass(frozen=True)
class Index:
    """Of one tar file."""

    place: str | None  # where it lies; None: beside the index
    sha256: str  # of all of it
    files: dict[str, Entry]  # in its order, by "CLASS/FILE"


_INDEX = TypeAdapter(Index)


def index_path(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.json")


def write_index(shard: Path, index: Index) -> None:
    index_path(shard).write_text(json.dumps(asdict(index), ensure_ascii=False) + "\n", encoding="utf-8")


def read_index(shard: Path) -> Index:
    """
    Raises:
        ProjectError: it is none that write_index wrote.
        OSError: the system does not let it be read.
    """
    path = index_path(shard).absolute()
    return _read_index(path, path.stat().st_mtime_ns)


@lru_cache(INDEXES)
def _read_index(path: Path, _: int) -> Index:
    try:
        return _INDEX.validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        what = ": ".join([".".join(map(str, first["loc"])), first["msg"]]).removeprefix(": ")
        raise ProjectError(f"{path}: not the index of a tar file ({what}); run dvc repro") from error


def shards_in(folder: Path) -> list[Path]:
    """The tar files whose indexes lie in the folder, sorted."""
    return sorted(shard for path in folder.glob(f"*{SUFFIX}.json") if is_indexed(shard := path.with_suffix("")))


def is_indexed(shard: Path) -> bool:
    """Whether arrange wrote an index of it. One that lies elsewhere came from anywhere, and may name any place."""
    dataset = shard.absolute().parent.parent  # data/DATASET/SPLIT/NAME.tar
    return (
        shard.suffix == SUFFIX
        and dataset.parent == paths.images("").absolute()
        and dataset != paths.raw("").absolute()
        and ".." not in shard.parts
        and index_path(shard).is_file()
        and not shard.is_dir()
    )


def inside(path: Path) -> tuple[Path, str] | None:
    """The tar file that `path` leads into, and what it names there; None where it leads into none."""
    for number, part in enumerate(path.parts[:-1], start=1):
        if part.endswith(SUFFIX):
            shard = Path(*path.parts[:number])
            if is_indexed(shard):
                return shard, "/".join(path.parts[number:])
    return None


def open_file(path: Path) -> BinaryIO:
    """A file, or one inside a tar file.

    Raises:
        ProjectError: the tar file is not what was indexed.
        OSError: the system does not let it be read.
    """
    if (found := inside(path)) is None:
        return path.open("rb")
    shard, name = found
    index = read_index(shard)
    offset, size, crc = _entry(index, path, name)
    place = index.place or str(shard)
    with _lock:
        file = _tar(place, index.sha256)
        file.seek(offset)
        content = file.read(size)
    if zlib.crc32(content) != crc:
        raise ProjectError(
            f"{place}: {name} is not what it was when it was indexed: the tar file has changed since, or is not whole;"
            " run dvc repro --force on arrange"
        )
    return BytesIO(content)


def stamp(path: Path) -> tuple[str, int, int]:
    """By which a file is told from what it was before, without reading it: its name, size and time, or checksum."""
    if (found := inside(path)) is None:
        of_file = path.stat()
        return path.as_posix(), of_file.st_size, of_file.st_mtime_ns
    shard, name = found
    _, size, crc = _entry(read_index(shard), path, name)
    return path.as_posix(), size, crc


def _entry(index: Index, path: Path, name: str) -> Entry:
    if name not in index.files:
        raise FileNotFoundError(2, "No such file in the tar file's index", str(path))
    return index.files[name]


def _tar(place: str, sha256: str) -> BinaryIO:
    """Open for reading; to be called with the lock held."""
    key = (place if is_remote(place) else str(Path(place).absolute()), sha256, os.getpid())
    if key not in _opened:
        while len(_opened) >= OPEN:
            _opened.popitem(last=False)[1].close()
        _opened[key] = open_place(place)
    _opened.move_to_end(key)
    return _opened[key]
