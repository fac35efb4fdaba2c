"""Which picture is of which class, where no folders say so: by a table, or by the files' names."""

import csv
from collections import defaultdict
from pathlib import Path, PurePosixPath

from stages.arrange import SPLITS
from stages.datasets.archive import is_portable, one_place
from stages.ground.errors import ProjectError
from stages.pictures.picture import is_picture

REQUIRED, OPTIONAL = {"file", "label"}, {"split"}  # columns of a table
SHOWN = 10  # of the places where a problem is found


class Problems:
    """Gathers all that is wrong, to say it at once."""

    def __init__(self) -> None:
        self._found: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, what: str, where: str) -> None:
        self._found[what].append(where)

    def raise_any(self, of: Path) -> None:
        said = [
            f"{what} ({len(places)}): {', '.join(places[:SHOWN])}{', …' if len(places) > SHOWN else ''}"
            for what, places in self._found.items()
        ]
        if said:
            raise ProjectError(f"{of}: {'; '.join(said)}")


def by_table(folder: Path, table: Path) -> dict[str, Path]:
    """`{"CLASS/FILE": path, …}`, or `{"SPLIT/CLASS/FILE": …}`, as the rows of `table` say.

    Its header is file,label or file,label,split; files are relative to `folder`, splits train, val and test.

    Raises:
        ProjectError: with all that is wrong.
    """
    problems = Problems()
    columns, rows = _read(table)
    for column in columns:
        if column not in REQUIRED | OPTIONAL:
            problems.add("unknown columns", repr(column))
    if missing := sorted(REQUIRED - set(columns)):
        problems.add("expected the columns file,label or file,label,split; missing", ", ".join(missing))
        problems.raise_any(table)

    places: dict[str, Path] = {}
    said_of: dict[str, tuple[str | None, str]] = {}  # file: (split, label)
    for line, row in rows:
        file, label = PurePosixPath(row["file"].replace("\\", "/")), row["label"].strip()
        split = SPLITS.get(row["split"].strip().lower()) if "split" in columns else None
        where = f"line {line} ({row['file']})"
        if problem := _row_problem(row, folder, file):
            problems.add(problem, where)
        if problem := label_problem(label, alone="split" not in columns):
            problems.add(problem, f"line {line} ({label})")
        if "split" in columns and split is None:
            problems.add("splits other than train, val and test", f"line {line} ({row['split']})")
        if said_of.setdefault(str(file), (split, label)) != (split, label):
            problems.add("files named twice, with different labels or splits", where)
        places[f"{split}/{label}/{file}" if split else f"{label}/{file}"] = folder / file
    check_one_spelling({label for _, label in said_of.values()}, problems)
    problems.raise_any(table)
    if not places:
        raise ProjectError(f"{table}: expected a row for each picture, below the header; found none")
    return places


def by_name(folder: Path, pictures: list[Path]) -> dict[str, Path]:
    """`{"cat/cat.0.jpg": path, …}`: the class is what a file's name has before its first dot, as on Kaggle.

    Raises:
        ProjectError: with the pictures whose names do not say it.
    """
    unnamed = [path.name for path in pictures if path.name.count(".") < 2]
    if unnamed:
        shown = ", ".join(unnamed[:SHOWN]) + (", …" if len(unnamed) > SHOWN else "")
        raise ProjectError(
            f"{folder}: expected two or more folders of images, one per class. All {len(pictures)} images lie in one"
            f" folder, and {len(unnamed)} are not named CLASS.NUMBER.jpg either: {shown}. Sort them into folders, or"
            " name their classes in a table: --labels FILE.csv"
        )
    problems = Problems()
    labels = {path.name.partition(".")[0] for path in pictures}
    for label in sorted(labels):
        if problem := label_problem(label, alone=True):
            problems.add(problem, label)
    check_one_spelling(labels, problems)
    problems.raise_any(folder)
    return {f"{path.name.partition('.')[0]}/{path.name}": path for path in pictures}


def _row_problem(row: dict[str, str], folder: Path, file: PurePosixPath) -> str | None:
    if None in row:  # as the key of what is too much
        return "rows with more values than columns"
    if file.is_absolute() or ".." in file.parts:
        return "files outside of the folder"
    if not (folder / file).is_file():
        return "files that are not there"
    return None if is_picture(Path(file)) else "files that are no pictures by their names"


def label_problem(label: str, alone: bool) -> str | None:
    """Why `label` cannot be the name of a class's folder; `alone`: of one that does not lie in a split's folder."""
    if not label:
        return "empty labels"
    if label.startswith(".") or set(label) & set('/\\:*?"<>|') or not is_portable(label):
        return "labels that cannot be a folder's name"
    if alone and label.lower() in SPLITS:
        return "labels that are the names of splits, which a table with a column split may have"
    return None


def check_one_spelling(labels: set[str], problems: Problems) -> None:
    spellings: defaultdict[PurePosixPath, list[str]] = defaultdict(list)
    for label in sorted(labels):
        spellings[one_place(PurePosixPath(label))].append(label)
    for same in spellings.values():
        if len(same) > 1:
            problems.add("labels that are one folder on some systems", " and ".join(same))


def _read(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, and the rows, each with the number of its line."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:  # Excel begins its files with a mark
            reader = csv.DictReader(file, restval="", skipinitialspace=True, strict=True)
            columns = [column.strip() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(f"{table}: expected a table of comma-separated values in UTF-8 ({error})") from error
    return columns, rows
