"""Files of tensors: safetensors, read by NumPy, with nothing in them that could run.

Their header says under `about`, as JSON, what the tensors are of. One entry, since the library writes several in random
order, and a checksum of all tensors in it, since the format has none. A file is 8 bytes with the header's length, the
header in JSON, and the tensors' bytes. Neither writing nor checking copies a tensor: one may be larger than memory.
"""

import json
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from stages.ground.errors import ProjectError
from stages.ground.files import written_whole

Tensors = dict[str, np.ndarray]
LONGEST_HEADER = 100_000_000  # bytes, that safetensors reads
OF_TENSORS = 100_000  # of these, for their names and shapes
TYPES = {  # in the order of their tensors in a file: NumPy's names, and the format's
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "float16": "F16",
    "uint16": "U16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, object]) -> None:
    """The same tensors and the same `about`, which is to be JSON, give the same bytes.

    Raises:
        ProjectError: `about` is too long for the format.
        OSError: the system does not let it be written.
    """
    if not fits(about):
        raise ProjectError(f"{path}: its header would be longer than the {LONGEST_HEADER} bytes that safetensors reads")
    ordered = sorted(tensors, key=lambda name: (list(TYPES).index(tensors[name].dtype.name), name))
    header = _header({name: tensors[name] for name in ordered}, json.dumps({**about, "crc32": checksum(tensors)}))
    with written_whole(path) as part, part.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name in ordered:
            file.write(_bytes(tensors[name]))


def fits(about: Mapping[str, object]) -> bool:
    """Whether a header can hold it."""
    return len(json.dumps(json.dumps(about))) <= LONGEST_HEADER - OF_TENSORS


def read_tensors(path: Path, keys: Collection[str] = (), mapped: bool = False) -> tuple[Tensors, dict[str, Any]]:
    """The tensors of a file of `write_tensors`, and what they are of, with these `keys` or more.

    Args:
        path: of the file.
        keys: that `about` is to have.
        mapped: whether the tensors stay in the file, of which memory then holds what it can; they cannot be written to.

    Raises:
        ProjectError: not such a file, or not a whole one.
        OSError: the system does not let it be read.
    """
    path.open("rb").close()  # for the system's own words, which the library does not pass on
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = _mapped(path) if mapped else {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
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
        crc = zlib.crc32(_bytes(tensors[name]), crc)
    return crc


def _header(tensors: Mapping[str, np.ndarray], about: str) -> bytes:
    """As safetensors.numpy.save writes it, which has all tensors in memory twice."""
    header: dict[str, object] = {"__metadata__": {"about": about}}
    begin = 0
    for name, of in tensors.items():
        offsets = [begin, begin := begin + of.nbytes]
        header[name] = {"dtype": TYPES[of.dtype.name], "shape": of.shape, "data_offsets": offsets}
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return written + b" " * (-len(written) % 8)


def _bytes(tensor: np.ndarray) -> memoryview:
    return np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data


def _mapped(path: Path) -> Tensors:
    """Of a file that the library has found to be whole."""
    whole = np.asarray(np.memmap(path, np.uint8, "r"))
    begin = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    header = json.loads(whole[8:begin].tobytes())
    del header["__metadata__"]
    types, tensors = {short: name for name, short in TYPES.items()}, {}
    for name, of in sorted(header.items()):
        first, end = of["data_offsets"]
        tensors[name] = whole[begin + first : begin + end].view(types[of["dtype"]]).reshape(of["shape"])
    return tensors
