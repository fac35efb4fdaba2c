"""Pictures one by one, each with what is told of it: those of the mistakes, and the audit's.

DVC keeps them in tables/, Git does not. Where they are not there, not whole, or belong to other results than those that
Git has, nothing is given, and the page shows the figure that was drawn of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.reporting.described import findings_of
from scripts.reporting.figures import lossy
from scripts.using.explanation import under_heat
from stages.audit import KINDS, Finding
from stages.draw import HEADINGS, read_heat
from stages.explain import COLUMNS, Row, surest
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_json, read_typed
from stages.pictures.picture import open_picture

NOT_WHOLE = (OSError, ProjectError, KeyError)  # raised by files that are missing, damaged, or of older code
FINDINGS = dict.fromkeys(("number", *Finding.__dataclass_fields__), str)  # columns of audit.tsv


@dataclass(frozen=True)
class View:
    src: str  # a data URI
    alt: str
    size: tuple[int, int]  # width and height, in pixels


@dataclass(frozen=True)
class Exhibit:
    views: list[View]  # a picture, and beside it where the network looked, or what it is a copy of
    caption: str
    facts: dict[str, str]


@dataclass(frozen=True)
class Gallery:
    heading: str
    exhibits: list[Exhibit]


def surest_mistakes(predictions: Sequence[Row]) -> list[Row]:
    """Those that explain@MODEL-DATASET-VARIANT shows, of the rows of predictions.tsv."""
    return surest(_wrong(predictions))


def _wrong(predictions: Sequence[Row]) -> list[Row]:
    return [row for row in predictions if row["label"] != row["prediction"]]


def mistakes(model: str, dataset: str, variant: str, predictions: Sequence[Row]) -> list[Gallery]:
    """The surest, in one gallery or none; `predictions` are the rows of the variant's predictions.tsv."""
    with suppress(*NOT_WHOLE):
        return _mistakes(paths.mistakes(model, dataset, variant), predictions)
    return []


def _mistakes(folder: Path, predictions: Sequence[Row]) -> list[Gallery]:
    rows, total = surest_mistakes(predictions), len(_wrong(predictions))
    if not rows or read_typed(folder / "mistakes.tsv", COLUMNS, may_be_empty=True) != rows:
        return []
    heading = f"All {total}" if total == len(rows) else f"The {len(rows)} surest of {total}"
    return [Gallery(heading, [_mistake(row, folder, number) for number, row in enumerate(rows, start=1)])]


def _mistake(row: Row, folder: Path, number: int) -> Exhibit:
    seen = open_picture(folder / f"{number}.png")
    views = [_view(seen, f"{row['file']}, as the network saw it")]
    heat = read_heat(folder / f"{number}-heat.png", seen.height)
    if heat is not None:
        looked = Image.fromarray(under_heat(np.asarray(seen), heat))
        views.append(_view(looked, f"Where it looked for {row['prediction']}, yellow most: {_place(heat)}"))
    facts = {"true class": row["label"], "answer": row["prediction"], "probability": f"{row['probability']:.4f}"}
    caption = f"is {row['label']}, said {row['prediction']} ({row['probability']:.2f})"
    return Exhibit(views, caption, {**facts, "file": row["file"]})


def _place(heat: np.ndarray) -> str:
    """Where the heat is greatest, in ninths."""
    if not heat.any():
        return "nowhere"
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    names = ("top", "middle", "bottom")[3 * int(y) // len(heat)], ("left", "middle", "right")[3 * int(x) // len(heat)]
    return " ".join(dict.fromkeys(names))


def audit(model: str, dataset: str, predictions: Mapping[str, Sequence[Row]]) -> list[Gallery]:
    """By kind; of a val image, what each variant says is told as well, out of its predictions.tsv."""
    with suppress(*NOT_WHOLE):
        return _audit(paths.audit(model, dataset), read_json(paths.audit_metrics(model, dataset)), predictions)
    return []


def _audit(folder: Path, numbers: dict[str, int], predictions: Mapping[str, Sequence[Row]]) -> list[Gallery]:
    rows = read_typed(folder / "audit.tsv", FINDINGS, may_be_empty=True)
    if Counter(row["kind"] for row in rows) != Counter({kind: findings_of(numbers, kind) for kind in KINDS}):
        return []
    answers = {
        f"{variant} says": {row["file"]: f"{row['prediction']} ({row['probability']:g})" for row in of}
        for variant, of in predictions.items()
    }
    galleries = []
    for kind, heading in HEADINGS.items():
        of_kind = [row for row in rows if row["kind"] == kind]
        exhibits = [_finding(row, folder, answers) for row in of_kind if (folder / f"{row['number']}.png").is_file()]
        if exhibits:
            shown = "all" if len(exhibits) == len(of_kind) else f"the first {len(exhibits)} of"
            galleries.append(Gallery(f"{heading}: {shown} {len(of_kind)}", exhibits))
    return galleries


def _finding(row: Row, folder: Path, answers: Mapping[str, Mapping[str, str]]) -> Exhibit:
    views = []
    for end, file in (("", row["file"]), ("-partner", row["partner"])):
        if (path := folder / f"{row['number']}{end}.png").is_file():
            views.append(_view(open_picture(path), file))
    facts = {"why": HEADINGS[row["kind"]], "label": row["label"], "looks like": row["suggested"]}
    facts |= {"score": row["score"], "file": row["file"]}
    facts |= {"copy of": row["partner"], "whose label is": row["partner_label"]}
    facts |= {says: of.get(row["file"], "") for says, of in answers.items()}
    return Exhibit(views, _caption(row), {name: fact for name, fact in facts.items() if fact})


def _caption(row: Row) -> str:
    """Of copies, what either is called, and where it lies."""
    if row["suggested"]:
        return f"{row['label']}: {row['suggested']}?"
    if not row["partner"]:
        return str(row["label"])
    if row["label"] != row["partner_label"]:
        return f"{row['label']} in {row['split']}, {row['partner_label']} in {row['partner_split']}"
    return f"{row['label']} in {' and '.join(dict.fromkeys((row['split'], row['partner_split'])))}"


def _view(image: Image.Image, alt: str) -> View:
    return View(lossy(image), alt, image.size)
