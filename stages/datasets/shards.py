"""Data sets in tar files: pictures as webdataset has them, KEY.jpg beside KEY.cls or KEY.json, or as CLASS/FILE.

A tar file is read once, from its beginning to its end, and never unpacked. The library webdataset is for training from
shuffled streams, by torch; what is needed here is where each picture begins, and that by name, which it does not say.
"""

import hashlib
import json
import tarfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from stages.datasets.archive import path_problem
from stages.datasets.layout import SPLITS, split_of
from stages.datasets.names import class_problem
from stages.ground.errors import ProjectError, some
from stages.ground.shards import SUFFIX, Entry, Index
from stages.pictures.examined import Examined, examine_file
from stages.pictures.kinds import is_called_picture
from stages.pictures.listing import LeftOut, files_below, passed_over, why_not
from stages.pictures.picture import UnusableError, decoders

AHEAD = 32  # pictures that are in memory to be decoded
LABELS = (".cls", ".json")
KEYS = ("label", "class")  # of KEY.json, that say the class
TREATED = 1 << 20  # bytes that are read at once


@dataclass
class Indexed:
    """One tar file, looked through."""

    index: Index
    digests: dict[str, str]  # of each picture in the index
    notable: dict[str, Examined]  # those of which something is to be said
    broken: list[UnusableError]
    left_out: Counter[str]  # other members, by suffix


@dataclass
class _Found:
    """What a tar file holds, by the members' names."""

    places: dict[str, Entry] = field(default_factory=dict)  # of pictures
    digests: dict[str, str] = field(default_factory=dict)
    notable: dict[str, Examined] = field(default_factory=dict)
    broken: list[UnusableError] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # by key
    left_out: Counter[str] = field(default_factory=Counter)


def shards_below(raw: Path) -> dict[str, list[str]]:
    """{split: tar files} of raw/{train,val,test}/*.tar; {} where it has none, or pictures lie in class folders.

    Raises:
        ProjectError: pictures lie beside them, or train or val has none.
    """
    found: dict[str, list[str]] = {}
    folders = {raw}
    for folder in sorted(path for path in raw.iterdir() if path.is_dir()):
        tars = sorted(str(path) for path in folder.iterdir() if path.suffix == SUFFIX and path.is_file())
        if tars and (split := split_of(folder.name)):
            found.setdefault(split, []).extend(tars)  # val/ and valid/ are one
            folders.add(folder)
    if found:
        beside = [path for path in files_below(raw, LeftOut()) if is_called_picture(path)]
        if any(path.parent not in folders for path in beside):
            return {}
        check_one_kind(raw, beside)
        check_splits(found, raw)
    return {split: found[split] for split in SPLITS if split in found}


def check_one_kind(raw: Path, beside: Sequence[Path]) -> None:
    """
    Raises:
        ProjectError: there are pictures beside its tar files.
    """
    if beside:
        raise ProjectError(f"{raw}: tar files, and pictures beside them ({some(beside)}): take one kind out")


def check_splits(found: Mapping[str, object], of: object) -> None:
    if missing := [split for split in ("train", "val") if not found.get(split)]:
        raise ProjectError(f"{of}: no tar files of {missing[0]}: which images validate is for train/ and val/ to say")


def indexed(
    place: str, file: BinaryIO, copy: BinaryIO | None, workers: int, notable: Callable[[Examined], bool]
) -> Indexed:
    """
    Args:
        place: of the tar file; errors name it.
        file: the same, open.
        copy: what all of it is written to on the way, beside its index; None: it stays where it is.
        workers: threads that decode.
        notable: whether something is to be said of a picture.

    Raises:
        ProjectError: not a whole tar file; a picture without a class; names that cannot be files'.
    """
    passed, found = _Passed(file, copy), _Found()
    try:
        with tarfile.open(fileobj=cast("BinaryIO", passed), mode="r|", bufsize=TREATED, tarinfo=_Member) as tar:
            _look_through(tar, place, found, workers, notable)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ProjectError(f"{place}: not a whole tar file, as tar writes it without compression ({error})") from error
    while passed.read(TREATED):  # what fills the last block
        pass
    names = _names(found, place)
    files = {names[name]: of for name, of in found.places.items() if name in names}
    return Indexed(
        Index(None if copy else place, passed.digest.hexdigest(), files),
        {names[name]: of for name, of in found.digests.items() if name in names},
        {names[name]: of for name, of in found.notable.items() if name in names},
        found.broken,
        found.left_out,
    )


class _Passed:
    """A file that is digested, and copied, as it is read."""

    def __init__(self, file: BinaryIO, copy: BinaryIO | None) -> None:
        self.file, self.copy, self.digest = file, copy, hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.digest.update(content)
        if self.copy:
            self.copy.write(content)
        return content


class _Member(tarfile.TarInfo):
    """Takes what is no header for an error: the library takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):  # which marks the end
                raise
            raise tarfile.ReadError(f"cut off, or damaged: {error}") from error


def _look_through(
    tar: tarfile.TarFile, place: str, found: _Found, workers: int, notable: Callable[[Examined], bool]
) -> None:
    waiting: deque[tuple[str, Future[Examined]]] = deque()

    def take(count: int) -> None:
        while len(waiting) > count:
            name, future = waiting.popleft()
            try:
                examined = future.result()
            except UnusableError as error:
                found.broken.append(error)
                continue
            found.digests[name] = examined.sha256
            if notable(examined):
                found.notable[name] = examined

    with decoders(workers) as threads:
        for member, content in _members(tar, place):
            name = str(PurePosixPath(member.name))
            if PurePosixPath(name).suffix.lower() in LABELS:
                _note_label(found, name, content, place)
            elif why_not(PurePosixPath(name), lambda content=content: BytesIO(content)) is not None:  # type: ignore[misc]
                found.left_out[PurePosixPath(name).suffix or "no suffix"] += 1
            else:
                _check_name(found, name, place)
                found.places[name] = (member.offset_data, member.size, zlib.crc32(content))
                waiting.append((name, threads.submit(examine_file, BytesIO(content), f"{place}/{name}")))
                take(AHEAD)
        take(0)


def _members(tar: tarfile.TarFile, place: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The files in it that are the user's, with what they hold."""
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # which it would keep
        parts = PurePosixPath(member.name).parts
        if member.isdir() or any(passed_over(part, part == parts[-1]) for part in parts):
            continue
        if member.issparse():  # whose bytes do not lie in one piece
            raise ProjectError(f"{place}: its member {member.name!r:.90} is sparse; pack it anew, without tar's -S")
        content = tar.extractfile(member) if member.isreg() else None
        if content is None:
            raise ProjectError(f"{place}: its member {member.name!r:.90} is a link, or no file")
        yield member, content.read()


def _check_name(found: _Found, name: str, place: str) -> None:
    problem = "has a name that is not in UTF-8" if "\\udc" in ascii(name) else path_problem(PurePosixPath(name))
    if problem:
        raise ProjectError(f"{place}: its member {name!r:.90} {problem}")
    if name in found.places:
        raise ProjectError(f"{place}: its member {name!r:.90} is there twice")


def _note_label(found: _Found, name: str, content: bytes, place: str) -> None:
    key, _, kind = name.rpartition(".")
    try:
        text = content.decode().strip()
        if kind.lower() == "json":
            told = json.loads(text)
            label = next((told[of] for of in KEYS if of in told), None) if isinstance(told, dict) else None
            if type(label) not in (str, int) or key in found.labels:
                return  # of something else; a KEY.cls counts first
            text = str(label)
    except ValueError as error:
        raise ProjectError(f"{place}: its member {name!r:.90} is not valid: {error}") from error
    found.labels[key] = text


def _names(found: _Found, place: str) -> dict[str, str]:
    """{member: CLASS/FILE}

    Raises:
        ProjectError: a picture has no class; two would have one name.
    """
    if found.labels:
        names = _by_labels(found, place)
    elif without := [name for name in found.places if "/" not in name]:
        raise ProjectError(
            f"{place}: nothing says the class of {len(without)} pictures: expected KEY.cls, KEY.json with a label or"
            f" class, or CLASS/FILE: {some(without)}"
        )
    else:
        names = {name: name for name in found.places}
    if twice := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise ProjectError(f"{place}: two pictures would be {some(twice)}")
    return names


def _by_labels(found: _Found, place: str) -> dict[str, str]:
    names, without = {}, []
    for name in found.places:
        path = PurePosixPath(name)
        key = str(path.with_suffix(""))
        sample = str(path.with_name(path.name.partition(".")[0]))
        if (label := found.labels.get(key)) is not None:
            if problem := class_problem(label):
                raise ProjectError(f"{place}: the class of {name} cannot be used: {problem}: {label!a:.90}")
            names[name] = name if path.parts[0] == label and len(path.parts) > 1 else f"{label}/{name}"
        elif sample in found.labels:  # KEY.mask.png
            found.left_out[path.name.removeprefix(PurePosixPath(sample).name)] += 1
        else:
            without.append(name)
    if without:
        raise ProjectError(f"{place}: {len(without)} pictures have no .cls, nor a label in .json: {some(without)}")
    return names
