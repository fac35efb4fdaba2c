"""Corrections: what a set's user found wrong with its images, by checksum, and wants otherwise.

    apply  change     to    sha256          file                       why
    yes    label      bees  3238568557b6…   train/ants/0013035.jpg     by all other images bees
    yes    leave_out        91b2d3b6f9a0…   train/dogs/dog.180.jpg     …
    no     together   one   …

A row counts once its first column is yes. `together` keeps all images with one name in `to` on one side of a split that
is drawn here. `file` and `why` are for the reader.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import read_table, sha256

COLUMNS = ("apply", "change", "to", "sha256", "file", "why")
CHANGES = ("label", "leave_out", "together")
EXPECTED = f"expected the columns {', '.join(COLUMNS)}, separated by tabs"


@dataclass
class Corrections:
    """Those that are to be applied, and which of them changed anything."""

    path: Path = Path()
    labels: dict[str, str] = field(default_factory=dict)  # by checksum, the class that an image is of
    left_out: frozenset[str] = frozenset()  # checksums
    together: dict[str, str] = field(default_factory=dict)  # by checksum, a name that others have too
    applied: set[tuple[str, str]] = field(default_factory=set)  # (change, checksum)

    def __len__(self) -> int:
        return len(self.labels) + len(self.left_out) + len(self.together)

    def counts(self) -> dict[str, int]:
        return {f"corrected_{change}": sum(of == change for of, _ in self.applied) for change in CHANGES}

    def lines(self) -> list[str]:
        """What is to be said, once they were applied."""
        said = [f"{self.path}: corrected images: {len(self.applied)}"] if self.applied else []
        if idle := len(self) - len(self.applied):
            said.append(f"{self.path}: corrections that change nothing, as of images that are not there: {idle}")
        return said


def read_corrections(dataset: str) -> tuple[Corrections, list[str]]:
    """Of data/corrections/DATASET.tsv, where it is there; and what is to be said of it, a line each.

    Raises:
        ProjectError: it is no such table, or says two things of one image.
    """
    path = paths.corrections(dataset)
    if not path.is_file():
        return Corrections(), []
    rows = read_table(path, COLUMNS, may_be_empty=True, remedy=EXPECTED)
    for line, row in enumerate(rows, start=2):
        if problem := _problem(row):
            raise ProjectError(f"{path}, line {line}: {problem}")
    confirmed = [row for row in rows if row["apply"] == "yes"]
    twice = [of for of, count in Counter((row["sha256"], row["change"]) for row in confirmed).items() if count > 1]
    if twice:
        raise ProjectError(f"{path}: the image {twice[0][0]} has two corrections of the kind {twice[0][1]}; keep one")
    of = {change: {row["sha256"]: row["to"] for row in confirmed if row["change"] == change} for change in CHANGES}
    waiting = len(rows) - len(confirmed)
    notes = [f"{path}: corrections that wait for a yes in their first column: {waiting}"] if waiting else []
    return Corrections(path, of["label"], frozenset(of["leave_out"]), of["together"]), notes


def _problem(row: Mapping[str, Any]) -> str | None:
    if set(row) != set(COLUMNS) or None in row.values():
        return f"{EXPECTED}, and no others"
    if row["apply"] not in ("yes", "no"):
        return f"apply: expected yes or no, received {row['apply']!r}"
    if row["change"] not in CHANGES:
        return f"change: expected {', '.join(CHANGES)}, received {row['change']!r}"
    if not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
        return f"sha256: expected 64 digits, received {row['sha256']!r}"
    if (row["change"] == "leave_out") == bool(row["to"]):
        return "to: expected a class for label, a name for together, and nothing for leave_out"
    return None


def corrected(places: Mapping[str, Path], corrections: Corrections, of_class: int) -> dict[str, Path]:
    """The places that images have after all, without those that are left out.

    Args:
        places: {place: path}.
        corrections: of which some may be of images that are not there.
        of_class: which part of a place is the class: 0 of CLASS/FILE, 1 of SPLIT/CLASS/FILE.

    Raises:
        ProjectError: a label is no class of these images, or a class has none any more.
    """
    if not corrections.labels and not corrections.left_out:
        return dict(places)
    classes = {place.split("/")[of_class] for place in places}
    if unknown := set(corrections.labels.values()) - classes:
        raise ProjectError(
            f"{corrections.path}: expected labels of these classes: {some(sorted(classes), 20)}; received"
            f" {some(sorted(unknown))}"
        )
    found: dict[str, Path] = {}
    for place, path in places.items():
        digest = sha256(path)
        label = corrections.labels.get(digest)
        if digest in corrections.left_out:
            corrections.applied.add(("leave_out", digest))
        elif label and label != place.split("/")[of_class]:
            corrections.applied.add(("label", digest))
            found[_moved(place, label, of_class, digest, places.keys() | found.keys())] = path
        else:
            found[place] = path
    _check_classes(places, found, corrections, of_class)
    return found


def _moved(place: str, label: str, of_class: int, digest: str, taken: Collection[str]) -> str:
    """The same below another class; with a name of its own where another image has it there."""
    parts = place.split("/")
    moved = "/".join([*parts[:of_class], label, *parts[of_class + 1 :]])
    if moved in taken:
        name = Path(moved)
        moved = name.with_name(f"{name.stem}-{digest[:8]}{name.suffix}").as_posix()
    return moved


def _check_classes(before: Iterable[str], after: Iterable[str], corrections: Corrections, of_class: int) -> None:
    ends = of_class + 1
    gone = {"/".join(place.split("/")[:ends]) for place in before}
    gone -= {"/".join(place.split("/")[:ends]) for place in after}
    if gone:
        raise ProjectError(f"{corrections.path}: they leave no images of {some(sorted(gone))}; take some back")


def with_kept_together(
    groups: Mapping[str, str] | None, places: Mapping[str, Path], corrections: Corrections
) -> dict[str, str] | None:
    """{place: group}, as `groups` has them, where images that are to be kept together, and their groups, are one."""
    if not corrections.together:
        return None if groups is None else dict(groups)
    digests = {place: sha256(path) for place, path in places.items()}
    found, joined = dict(groups) if groups is not None else dict(digests), dict[str, str]()

    def whole(group: str) -> str:
        while group in joined:
            group = joined[group]
        return group

    for place, digest in digests.items():
        if name := corrections.together.get(digest):
            corrections.applied.add(("together", digest))
            group, target = whole(found[place]), whole(f"together {name}")
            if group != target:
                joined[group] = target
    return {place: whole(group) for place, group in found.items()}
