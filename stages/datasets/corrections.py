"""Corrections: what a set's user found wrong with its images, by checksum, and wants otherwise.

    apply  change     to    sha256          file                       why
    yes    label      bees  3238568557b6…   train/ants/0013035.jpg     labels that are probably wrong (3.31)
    yes    leave_out        91b2d3b6f9a0…   train/dogs/dog.180.jpg     …
    no     together   one   …

A row counts once its first column is yes. `together` keeps all images with one name in `to` on one side of a split that
is drawn here. `file` and `why` are for the reader.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import read_table, sha256

COLUMNS = ("apply", "change", "to", "sha256", "file", "why")
CHANGES = ("label", "leave_out", "together")


@dataclass(frozen=True)
class Corrections:
    """Those that are to be applied."""

    labels: dict[str, str] = field(default_factory=dict)  # by checksum, the class that an image is of
    left_out: frozenset[str] = frozenset()  # checksums
    together: dict[str, str] = field(default_factory=dict)  # by checksum, a name that others have too

    def __bool__(self) -> bool:
        return bool(self.labels or self.left_out or self.together)

    def counts(self) -> dict[str, int]:
        numbers = {"label": len(self.labels), "leave_out": len(self.left_out), "together": len(self.together)}
        return {f"corrected_{change}": count for change, count in numbers.items()}


def read_corrections(dataset: str) -> tuple[Corrections, list[str]]:
    """Of data/corrections/DATASET.tsv, where it is there; and what is to be said of it, a line each.

    Raises:
        ProjectError: it is no such table, or says two things of one image.
    """
    path = paths.corrections(dataset)
    if not path.is_file():
        return Corrections(), []
    rows = read_table(path, COLUMNS, may_be_empty=True, remedy=f"expected the columns {', '.join(COLUMNS)}")
    for line, row in enumerate(rows, start=2):
        if problem := _problem(row):
            raise ProjectError(f"{path}, line {line}: {problem}")
    applied = [row for row in rows if row["apply"] == "yes"]
    twice = [of for of, count in Counter((row["sha256"], row["change"]) for row in applied).items() if count > 1]
    if twice:
        raise ProjectError(f"{path}: the image {twice[0][0]} has two corrections of the kind {twice[0][1]}; keep one")
    by_change = {change: {row["sha256"]: row["to"] for row in applied if row["change"] == change} for change in CHANGES}
    notes = [f"{path}: {len(applied)} corrections are applied"] if applied else []
    if waiting := len(rows) - len(applied):
        notes.append(f"{path}: {waiting} corrections are not: their first column is not yes")
    return Corrections(by_change["label"], frozenset(by_change["leave_out"]), by_change["together"]), notes


def _problem(row: Mapping[str, Any]) -> str | None:
    if None in row or None in row.values():
        return f"expected {len(COLUMNS)} columns, separated by tabs"
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
        ProjectError: a label is no class of these images.
    """
    if not corrections.labels and not corrections.left_out:
        return dict(places)
    classes = {place.split("/")[of_class] for place in places}
    if unknown := set(corrections.labels.values()) - classes:
        raise ProjectError(
            f"data/corrections: expected labels of these classes: {some(sorted(classes), 20)}; received"
            f" {some(sorted(unknown))}"
        )
    found: dict[str, Path] = {}
    for place, path in places.items():
        digest = sha256(path)
        if digest not in corrections.left_out:
            label = corrections.labels.get(digest)
            found[_moved(place, label, of_class, digest, places) if label else place] = path
    return found


def _moved(place: str, label: str, of_class: int, digest: str, places: Mapping[str, Path]) -> str:
    """The same below another class; with a name of its own where another image has it there."""
    parts = place.split("/")
    moved = "/".join([*parts[:of_class], label, *parts[of_class + 1 :]])
    if moved in places and moved != place:
        name = Path(moved)
        moved = name.with_name(f"{name.stem}-{digest[:8]}{name.suffix}").as_posix()
    return moved


def with_kept_together(
    groups: Mapping[str, str] | None, places: Mapping[str, Path], corrections: Corrections
) -> dict[str, str] | None:
    """{place: group}, as `groups` has them, where images that are to be kept together, and their groups, are one."""
    if not corrections.together:
        return None if groups is None else dict(groups)
    digests = {place: sha256(path) for place, path in places.items()}
    found = dict(groups) if groups is not None else dict(digests)
    linked: defaultdict[str, set[str]] = defaultdict(set)
    for place, digest in digests.items():
        if name := corrections.together.get(digest):
            linked[name].add(place)
    for name, of in linked.items():
        joined = {found[place] for place in of}
        found = {place: name if group in joined else group for place, group in found.items()}
    return found
