"""Files of tensors as torch reads them. Its own are written whole, and read as data only, so that no file can run code.

Published weights are such files, or safetensors; checkpoints are such files; all other tensors of this project are in
safetensors files.
"""

import errno
import signal
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages.ground.errors import ProjectError
from stages.ground.files import written_whole


def save_pickle(path: Path, content: dict[str, Any]) -> None:
    """Raises OSError where the disk is full; torch by itself hides that behind a RuntimeError."""
    with _ctrl_c_waits(), written_whole(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Until the end: torch.save, interrupted, raises an error of its own or aborts the process."""
    waiting = []
    handler = signal.signal(signal.SIGINT, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            signal.raise_signal(signal.SIGINT)


def load_pickle(path: Path, keys: Collection[str] = ()) -> dict[str, Any]:
    """A dict that `torch.save` wrote, with these `keys` or more, on the CPU.

    Raises:
        ProjectError: not such a file, or one whose pickle would run code.
        OSError: the system does not let it be read.
    """
    shown = path.name if path.is_absolute() else path  # files that were just fetched lie in a folder nobody knows
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's guesses at what else the file may be
            check_crc(path)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises nearly anything on damaged data
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is of a place before the file's start
            raise
        raise ProjectError(
            f"{shown} is not a whole file of tensors, or one that would run code when it is loaded"
        ) from error
    if not isinstance(content, dict):
        raise ProjectError(f"{shown}: expected a state dict, names to tensors; received a {type(content).__name__}")
    if missing := [key for key in keys if key not in content]:
        raise ProjectError(f"{path}: no {missing[0]} in it, so not what this project writes there; run dvc repro")
    return content


def is_safetensors(path: Path) -> bool:
    """By its beginning: the length of a header, and the brace that it begins with. A pickle has none there."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def load_tensors(path: Path) -> dict[str, Any]:
    """Raises ProjectError where it is not whole."""
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise ProjectError(f"{path.name} is not a whole file of tensors") from error


def check_crc(path: Path) -> None:
    """Raise BadZipFile if the file is damaged, which torch does not look for; older files are no zip with checksums."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            if damaged := zipped.testzip():
                raise zipfile.BadZipFile(f"{damaged} is damaged")
