"""Which picture is of which class, where no folders say so: by a table, or by the files' names."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from stages.datasets.layout import split_of
from stages.datasets.names import alike, class_problem
from stages.ground.errors import Problems, ProjectError, some
from stages.pictures.listing import REASONS, UNSUITED, Listing

COLUMNS = {  # small letters alone, as tables have them
    "file": ("file", "filename", "path", "filepath", "image", "imageid", "imagename", "imagepath", "imageindex", "img",
             "id"),
    "label": ("label", "labels", "class", "classname", "classlabel", "category", "breed", "species", "target",
              "diagnosis", "findinglabels"),
    "split": ("split", "set", "subset", "fold", "partition"),
    "group": ("group", "groupid", "subject", "subjectid", "patient", "patientid", "person", "personid", "student",
              "studentid", "participant", "animal", "animalid", "specimen", "specimenid"),
}  # fmt: skip
KAGGLES = re.compile(r"([^.]+)\.\d+\.\w+")  # cat.0.jpg
DELIMITERS = ",;\t"
EXPECTED = "expected the columns file,label or file,label,split"


@dataclass(frozen=True)
class Found:
    """Pictures that are sorted: "CLASS/FILE", or "SPLIT/CLASS/FILE", to path; and what is to be said of it."""

    places: dict[str, Path]
    notes: list[str]
    groups: dict[str, str] = field(default_factory=dict)  # by place: what is to stay on one side of a split


def by_table(folder: Path, table: Path, listing: Listing) -> Found:
    """As the rows of `table` say, which has the columns file and label, and split and group if it likes.

    Files are relative to `folder`, and may lack their suffix; splits are train, val and test, in the words that folders
    may have.

    Raises:
        ProjectError: with all that is wrong.
    """
    columns, rows = _read(table)
    names, problems = _columns(columns), Problems()
    if missing := [name for name in ("file", "label") if name not in names]:
        found = ", ".join(map(repr, columns)) or "none"
        raise ProjectError(f"{table}: {EXPECTED} in its first line; received {found}: no {missing[0]}")
    pictures = Pictures(folder, listing)
    places: dict[str, Path] = {}
    groups: dict[str, str] = {}
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
            place = f"{split}/{label}/{inside}" if split else f"{label}/{inside}"
            places[place], groups[place] = path, row[names["group"]].strip() if "group" in names else ""
            if "group" in names and not groups[place]:
                problems.add(f"rows without a {names['group']}", f"line {line} ({file})")
    for same in alike(label for label in labels if not class_problem(label)):
        problems.add("labels that look the same: write them alike, or tell them apart", same)
    problems.raise_any(table)
    if not places:
        raise ProjectError(f"{table}: expected a row for each picture, below the header; found none")
    if "split" not in names and any(map(split_of, labels)):  # a class may be called test: its folder is no split then
        places = {f"train/{place}": path for place, path in places.items()}
        groups = {f"train/{place}": group for place, group in groups.items()}
    notes = _notes(table, columns, names, len(listing.pictures) - len(said_of))
    return Found(places, notes, groups if "group" in names else {})


class Pictures:
    """Finds pictures by what tables call them."""

    def __init__(self, folder: Path, listing: Listing) -> None:
        self._folder, self._all = folder, {path.relative_to(folder).as_posix(): path for path in listing.pictures}
        self._left_out = {path: reason for reason, paths in listing.left_out.files.items() for path in paths}
        self._alike: dict[str, list[Path]] = {}
        for path in listing.pictures:
            for name in {path.name.lower(), path.stem.lower()}:
                self._alike.setdefault(name, []).append(path)

    def find(self, file: str) -> tuple[Path | None, str | None]:
        """The picture, or why there is none: at this place, else the only one of this name, or of it without suffix, in
        any folder and letter case."""
        inside = PurePosixPath(file)
        if inside.is_absolute() or ".." in inside.parts:
            return None, "files outside of the folder"
        if path := self._all.get(str(inside)):
            return path, None
        if (path := self._folder / file).is_file():
            reason = self._left_out.get(path, UNSUITED)
            return None, reason if reason in REASONS else f"files, each {reason}"
        named = self._alike.get(inside.name.lower()) or self._alike.get(inside.stem.lower(), [])
        if len(named) != 1:
            return None, "names that several files have" if named else "files that are not there"
        return named[0], None


def _columns(columns: list[str]) -> dict[str, str]:
    """{"file": the column that names files, "label": …, "split": …}, as far as they are there."""
    known = {re.sub("[^a-z]", "", column.lower()): column for column in columns}
    found = {what: next((known[name] for name in names if name in known), None) for what, names in COLUMNS.items()}
    return {what: column for what, column in found.items() if column is not None}


def _notes(table: Path, columns: list[str], names: Mapping[str, str], left_out: int) -> list[str]:
    notes = []
    if any(what != column for what, column in names.items()):
        notes.append(f"{table}: " + ", ".join(f"{column} is taken as {what}" for what, column in names.items()))
    if others := [column for column in columns if column and column not in names.values()]:
        notes.append(f"{table}: passed over the columns {some(others)}")
    if left_out:
        notes.append(f"left out: {left_out} pictures that are in no class by {table}")
    return notes


def by_name(folders: Mapping[Path, str], pictures: list[Path]) -> Found:
    """The class is what a file's name has before its first dot, as on Kaggle: cat.0.jpg.

    Args:
        folders: those whose pictures are taken, each with its split, or with none if it is the only one.
        pictures: all there are.

    Raises:
        ProjectError: with the pictures whose names do not say it.
    """
    here = [path for path in pictures if path.parent in folders]
    of = " and ".join(map(str, folders))
    unnamed = [path.name for path in here if not KAGGLES.fullmatch(path.name)]
    if unnamed:
        raise ProjectError(
            f"{of}: expected two or more folders of images, one per class. All {len(here)} images lie in one folder,"
            f" and {len(unnamed)} are not named CLASS.NUMBER.jpg either: {some(unnamed)}. Sort them into folders, or"
            " name their classes in a table: --labels FILE.csv"
        )
    problems = Problems()
    places: dict[str, Path] = {}
    for path in here:
        label, split = path.name.partition(".")[0], folders[path.parent]
        places[f"{split}/{label}/{path.name}" if split else f"{label}/{path.name}"] = path
    labels = sorted({path.name.partition(".")[0] for path in here})
    for label in labels:
        if problem := class_problem(label):
            problems.add(problem, label)
    for same in alike(labels):
        problems.add("labels that look the same: write them alike, or tell them apart", same)
    problems.raise_any(of)
    notes = [f"the beginnings of the files' names are taken as classes: {some(labels)}"]
    if others := len(pictures) - len(here):
        notes.append(
            f"left out: {others} pictures of no class, beside {some([f'{folder.name}/' for folder in folders])}"
        )
    return Found(places, notes)


def _read(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, and the rows that are not empty, each with the number of its line."""
    content = table.read_bytes()
    if content.startswith((b"PK", b"\xd0\xcf")):
        raise ProjectError(f"{table}: a workbook; save it as CSV UTF-8")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")  # Excel's marks
        text = re.sub(r"\Asep=.\r?\n", "", text)  # which only Excel reads
        header = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=header.count)
        reader = csv.DictReader(
            io.StringIO(text, newline=""), restval="", skipinitialspace=True, strict=True, delimiter=delimiter
        )
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(
            f"{table}: expected a table of comma-separated values in UTF-8, which Excel calls CSV UTF-8 ({error})"
        ) from error
    for _, row in rows:
        if not any(row.get(None, ())):  # too many values, which are none
            row.pop(None, None)
    return columns, [(line, row) for line, row in rows if any(row.values())]
