"""Files of tensors: written whole, and read as data only, so that no file can run code."""

import warnings
from pathlib import Path
from typing import Any

import torch

from stages.common.errors import ProjectError
from stages.common.files import written_whole


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Raises OSError, also where torch itself would raise a RuntimeError because the disk is full."""
    with written_whole(path) as part, part.open("wb") as file:
        torch.save(content, file)


def load_tensors(path: Path) -> dict[str, Any]:
    """A dict that `torch.save` wrote, on the CPU.

    Raises:
        ProjectError: not such a file, or one whose pickle would run code.
        OSError: the system does not let it be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's guesses at what else the file may be
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # unpickling raises nearly anything on damaged data
        raise ProjectError(
            f"{path.name} is not a whole file of tensors, or one that would run code when it is loaded"
        ) from error
    if not isinstance(content, dict):
        raise ProjectError(f"{path.name}: expected a state dict, names to tensors; received a {type(content).__name__}")
    return content
