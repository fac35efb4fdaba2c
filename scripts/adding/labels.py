"""Which picture is of which class, where no folders say so: by a table, or by the files' names."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.datasets.layout import split_of
from stages.datasets.names import alike, class_problem
from stages.ground.errors import Problems, ProjectError, some
from stages.pictures.kinds import START, other_kind
from stages.pictures.listing import Listing

COLUMNS = {  # in small letters, as tables have them
    "file": ("file", "filename", "file_name", "path", "filepath", "file_path", "image", "image_id", "image_name",
             "image_path", "img", "id"),
    "label": ("label", "labels", "class", "class_name", "category", "breed", "species", "target", "diagnosis"),
    "split": ("split", "set", "subset", "fold", "partition"),
}  # fmt: skip
DELIMITERS = ",;\t"
EXPECTED = "expected the columns file,label or file,label,split"


@dataclass(frozen=True)
class Found:
    """Pictures that are sorted: "CLASS/FILE", or "SPLIT/CLASS/FILE", to path; and what is to be said of it."""

    places: dict[str, Path]
    notes: list[str]


def by_table(folder: Path, table: Path, listing: Listing) -> Found:
    """As the rows of `table` say, which has the columns file and label, and split if it likes.

    Files are relative to `folder`, and may lack their suffix; splits are train, val and test, in the words that folders
    may have.

    Raises:
        ProjectError: with all that is wrong.
    """
    columns, rows = _read(table)
    names, problems = _columns(columns), Problems()
    if missing := [name for name in ("file", "label") if name not in names]:
        raise ProjectError(f"{table}: {EXPECTED}; received {', '.join(map(repr, columns)) or 'none'}: no {missing[0]}")
    pictures = Pictures(folder, listing)
    places: dict[str, Path] = {}
    labels: set[str] = set()
    said_of: dict[Path, tuple[str | None, str]] = {}
    for line, row in rows:
        file, label = row[names["file"]].strip().replace("\\", "/"), row[names["label"]].strip()
        word = row[names["split"]].strip() if "split" in names else None
        split = split_of(word) if word else None
        path, problem = pictures.find(file)
        if None in row:  # as the key of what is too much
            problem = "rows with more values than columns"
        if problem:
            problems.add(problem, f"line {line} ({file})")
        labels.add(label)
        if problem := class_problem(label):
            problems.add(problem, f"line {line} ({label})")
        if word is not None and split is None:
            problems.add("splits other than train, val and test", f"line {line} ({word})")
        if path:
            if said_of.setdefault(path, (split, label)) != (split, label):
                problems.add("files named twice, with different labels or splits", f"line {line} ({file})")
            inside = path.relative_to(folder).as_posix()
            if split_of(label) and not split:  # a class called test is one that holds pictures, not folders
                inside = inside.replace("/", "__")
            places[f"{split}/{label}/{inside}" if split else f"{label}/{inside}"] = path
    for same in alike(label for label in labels if not class_problem(label)):
        problems.add("labels that look the same: write them alike, or tell them apart", same)
    problems.raise_any(table)
    if not places:
        raise ProjectError(f"{table}: expected a row for each picture, below the header; found none")
    return Found(places, _notes(table, columns, names, len(listing.pictures) - len(said_of)))


class Pictures:
    """Finds pictures by what tables call them."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._folder, self._all = folder, {path.relative_to(folder).as_posix(): path for path in listing.pictures}
        self._by_name: dict[str, list[Path]] = {}
        for place, path in self._all.items():
            for name in {place.rpartition(".")[0], path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def find(self, file: str) -> tuple[Path | None, str | None]:
        """The picture, or why there is none."""
        inside = PurePosixPath(file)
        if inside.is_absolute() or ".." in inside.parts:
            return None, "files outside of the folder"
        named = [self._all[str(inside)]] if str(inside) in self._all else self._by_name.get(str(inside), [])
        if len(named) > 1:
            return None, "names that several files have"
        if not named:
            there = (self._folder / file).is_file()
            return None, "files that are no pictures" if there else "files that are not there"
        return named[0], None


def _columns(columns: list[str]) -> dict[str, str]:
    """{"file": the column that names files, "label": …, "split": …}, as far as they are there."""
    known = {column.lower(): column for column in columns}
    return {
        what: known[name]
        for what, names in COLUMNS.items()
        for name in [next((n for n in names if n in known), "")]
        if name
    }


def _notes(table: Path, columns: list[str], names: Mapping[str, str], left_out: int) -> list[str]:
    notes = []
    if any(what != column for what, column in names.items()):
        notes.append(f"{table}: " + ", ".join(f"{column} is taken as {what}" for what, column in names.items()))
    if others := [column for column in columns if column and column not in names.values()]:
        notes.append(f"{table}: passed over the columns {some(others)}")
    if left_out:
        notes.append(f"left out: {left_out} pictures that are in no class by {table}")
    return notes


def by_name(folder: Path, pictures: list[Path]) -> Found:
    """The class is what a file's name has before its first dot, as on Kaggle: cat.0.jpg.

    Args:
        folder: the one whose pictures are taken.
        pictures: all there are.

    Raises:
        ProjectError: with the pictures whose names do not say it.
    """
    here = [path for path in pictures if path.parent == folder]
    unnamed = [path.name for path in here if path.name.count(".") < 2]
    if unnamed:
        raise ProjectError(
            f"{folder}: expected two or more folders of images, one per class. All {len(here)} images lie in one"
            f" folder, and {len(unnamed)} are not named CLASS.NUMBER.jpg either: {some(unnamed)}. Sort them into"
            " folders, or name their classes in a table: --labels FILE.csv"
        )
    problems = Problems()
    labels = {path.name.partition(".")[0] for path in here}
    for label in sorted(labels):
        if problem := class_problem(label):
            problems.add(problem, label)
    for same in alike(labels):
        problems.add("labels that look the same: write them alike, or tell them apart", same)
    problems.raise_any(folder)
    others = len(pictures) - len(here)
    notes = [f"left out: {others} pictures of no class, beside {folder.name}/"] if others else []
    return Found({f"{path.name.partition('.')[0]}/{path.name}": path for path in here}, notes)


def _read(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, and the rows that are not empty, each with the number of its line."""
    content = table.read_bytes()
    if kind := other_kind(content[:START]) if content else None:
        raise ProjectError(f"{table}: expected a table of comma-separated values; it is {kind}. Save it as CSV")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")  # Excel's marks
        header = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=header.count)
        reader = csv.DictReader(
            io.StringIO(text, newline=""), restval="", skipinitialspace=True, strict=True, delimiter=delimiter
        )
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(f"{table}: expected a table of comma-separated values in UTF-8 ({error})") from error
    return columns, [(line, row) for line, row in rows if any(value for value in row.values())]
