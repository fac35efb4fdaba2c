"""Files and folders that are either whole or not there: written beside their place, then renamed."""

import csv
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from stages.ground.errors import ProjectError
from stages.ground.shards import open_file


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write a file or folder under; it becomes `path` only if all went well."""
    part = path.with_name(f".{path.name}.part")  # a name that nobody gives: see stages/pictures/system_names.py
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(part)
    try:
        yield part
        if path.is_dir():
            remove(path)
        part.replace(path)
    finally:
        remove(part)


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def list_files(path: Path) -> list[Path]:
    """`path` itself if it is a file, else all files below it, sorted, but for compiled Python."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    with written_whole(path) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_table(path: Path, rows: Iterable[Mapping[str, object]], columns: Collection[str] = ()) -> None:
    """Write `rows` as tab-separated values under a line of `columns`, or of their keys if there is a row at least.

    Floats get six significant digits.
    """
    rows = iter(rows)
    first = list(islice(rows, 1))
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or first[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in chain(first, rows):
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """To a table that nothing is computed from: what a kill leaves half of is no loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row.keys(), delimiter="\t", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_json(path: Path) -> Any:
    """Raises ProjectError if it is not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProjectError(f"{path}: not valid JSON ({error}); run dvc repro") from error


def read_numbers(
    path: Path, keys: Iterable[str], under: Iterable[str] = (), optional: Collection[str] = ()
) -> dict[str, float]:
    """The numbers at `keys` of the object that a file of `write_json` has below the keys `under`, and those of
    `optional` that are there.

    Raises:
        ProjectError: one is not there, or no number.
    """
    found = read_json(path)
    for key in under:
        found = _value(found, key, path)
    there = [key for key in optional if isinstance(found, dict) and key in found]
    numbers = {key: _value(found, key, path) for key in (*keys, *there)}
    for key, value in numbers.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ProjectError(f"{path}: {key}: expected a number, received {value!r}; run dvc repro")
    return numbers


def _value(found: Any, key: str, path: Path) -> Any:
    if not isinstance(found, dict) or key not in found:
        raise ProjectError(f"{path}: no {key!r} in it; run dvc repro")
    return found[key]


REMEDY = "run dvc repro"


def read_table(
    path: Path, columns: Collection[str] = (), may_be_empty: bool = False, remedy: str = REMEDY
) -> list[dict[str, str]]:
    """The rows of a file of `write_table`; raises ProjectError if it lacks one of `columns`, or has no rows."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, delimiter="\t")
            rows, names = list(reader), reader.fieldnames
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(f"{path}: not a table in UTF-8 ({error}); {remedy}") from error
    there = names or () if rows or may_be_empty else ()
    if missing := [column for column in columns if column not in there]:
        raise ProjectError(f"{path}: no column {missing[0]}, or no rows; {remedy}")
    return rows


def read_typed(
    path: Path, columns: Mapping[str, Callable[[str], Any]], may_be_empty: bool = False, remedy: str = REMEDY
) -> list[dict[str, Any]]:
    """The same with these columns alone, each value as its type has it; raises ProjectError if one is none.

    Infinity and what is not a number are none.
    """
    rows = []
    for number, row in enumerate(read_table(path, columns, may_be_empty, remedy), start=2):
        try:
            rows.append(_typed(row, columns))
        except ValueError as error:
            raise ProjectError(f"{path}, line {number}: {error}; {remedy}") from error
    return rows


def _typed(row: Mapping[str, str], columns: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    if None in row.values():
        raise ValueError("it ends before the last column")
    values = {column: of(row[column]) for column, of in columns.items()}
    if not all(math.isfinite(value) for value in values.values() if isinstance(value, float)):
        raise ValueError(f"expected numbers, received {values}")
    return values
