"""Files of tensors: safetensors, read by NumPy, with nothing in them that could run.

Their header says under `about`, as JSON, what the tensors are of. One entry, since the library writes several in random
order, and a checksum of all tensors in it, since the format has none.
"""

import json
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stages.ground.errors import ProjectError
from stages.ground.files import written_whole

Tensors = dict[str, np.ndarray]


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, object]) -> None:
    """The same tensors and the same `about`, which is to be JSON, give the same bytes."""
    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    header = {"about": json.dumps({**about, "crc32": checksum(contiguous)})}
    with written_whole(path) as part:
        part.write_bytes(save(contiguous, header))


def read_tensors(path: Path, keys: Collection[str] = ()) -> tuple[Tensors, dict[str, Any]]:
    """The tensors of a file of `write_tensors`, and what they are of, with these `keys` or more.

    Raises:
        ProjectError: not such a file, or not a whole one.
        OSError: the system does not let it be read.
    """
    path.open("rb").close()  # for the system's own words, which the library does not pass on
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if checksum(tensors) != about["crc32"]:
            raise ValueError("the checksum differs")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(f"{path} is not a whole file of tensors that this project wrote; run dvc repro") from error
    if missing := [key for key in keys if key not in about]:
        raise ProjectError(f"{path}: no {missing[0]} in it, so not what this project writes there; run dvc repro")
    return tensors, about


def checksum(tensors: Mapping[str, np.ndarray]) -> int:
    """CRC-32 of all tensors' bytes, in the order of their names."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].tobytes(), crc)
    return crc
