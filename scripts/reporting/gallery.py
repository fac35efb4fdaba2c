"""Pictures one by one, each with what is told of it: those of the mistakes, and the audit's.

DVC keeps them in tables/, Git does not. Where they are not there, or belong to other results than those that Git has,
nothing is given, and the page shows the figure that was drawn of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.reporting.described import findings_of
from scripts.reporting.figures import lossy
from scripts.using.explanation import under_heat
from stages.audit import KINDS
from stages.draw import HEADINGS, read_heat
from stages.explain import COLUMNS, Row, surest
from stages.ground import paths
from stages.ground.files import read_json, read_table, read_typed


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


def surest_mistakes(model: str, dataset: str, variant: str) -> list[Row]:
    """The rows of predictions.tsv that explain@MODEL-DATASET-VARIANT shows."""
    return surest(_all_mistakes(model, dataset, variant))


def _all_mistakes(model: str, dataset: str, variant: str) -> list[Row]:
    path = paths.predictions(model, dataset, variant)
    rows = read_typed(path, COLUMNS) if path.is_file() else []
    return [row for row in rows if row["label"] != row["prediction"]]


def mistakes(model: str, dataset: str, variant: str) -> list[Gallery]:
    folder, total = paths.mistakes(model, dataset, variant), len(_all_mistakes(model, dataset, variant))
    rows, table = surest_mistakes(model, dataset, variant), folder / "mistakes.tsv"
    if not rows or not table.is_file() or read_typed(table, COLUMNS, may_be_empty=True) != rows:
        return []
    heading = f"All {total}" if total == len(rows) else f"The {len(rows)} surest of {total}"
    return [Gallery(heading, [_mistake(row, folder, number) for number, row in enumerate(rows, start=1)])]


def _mistake(row: Row, folder: Path, number: int) -> Exhibit:
    with Image.open(folder / f"{number}.png") as image:
        seen = np.asarray(image.convert("RGB"))
    views = [_view(Image.fromarray(seen), f"{row['file']}, as the network saw it")]
    heat = read_heat(folder / f"{number}-heat.png", len(seen))
    if heat is not None:
        looked = Image.fromarray(under_heat(seen, heat))
        views.append(_view(looked, f"Where it looked for {row['prediction']}: {_place(heat)}"))
    facts = {"true class": row["label"], "answer": row["prediction"], "probability": f"{row['probability']:.4f}"}
    caption = f"is {row['label']}, said {row['prediction']} ({row['probability']:.2f})"
    return Exhibit(views, caption, {**facts, "file": row["file"]})


def _place(heat: np.ndarray) -> str:
    """Where the heat is greatest, in ninths."""
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    names = ("top", "middle", "bottom")[3 * int(y) // len(heat)], ("left", "middle", "right")[3 * int(x) // len(heat)]
    return " ".join(dict.fromkeys(names))


def audit(model: str, dataset: str, variants: Sequence[str]) -> list[Gallery]:
    """By kind; of a val image, what each variant says is told as well."""
    folder, metrics = paths.audit(model, dataset), paths.audit_metrics(model, dataset)
    if not metrics.is_file() or not (folder / "audit.tsv").is_file():
        return []
    rows, numbers = read_table(folder / "audit.tsv", may_be_empty=True), read_json(metrics)
    if Counter(row["kind"] for row in rows) != Counter({kind: findings_of(numbers, kind) for kind in KINDS}):
        return []
    answers = {variant: _answers(model, dataset, variant) for variant in variants}
    galleries = []
    for kind, heading in HEADINGS.items():
        of_kind = [row for row in rows if row["kind"] == kind]
        exhibits = [_finding(row, folder, answers) for row in of_kind if (folder / f"{row['number']}.png").is_file()]
        if exhibits:
            shown = "all" if len(exhibits) == len(of_kind) else f"the first {len(exhibits)} of"
            galleries.append(Gallery(f"{heading}: {shown} {len(of_kind)}", exhibits))
    return galleries


def _answers(model: str, dataset: str, variant: str) -> dict[str, str]:
    """{file: what the variant says of it}"""
    path = paths.predictions(model, dataset, variant)
    rows = read_table(path) if path.is_file() else []
    return {row["file"]: f"{row['prediction']} ({row['probability']})" for row in rows}


def _finding(row: dict[str, str], folder: Path, answers: dict[str, dict[str, str]]) -> Exhibit:
    views = []
    for end, file in (("", row["file"]), ("-partner", row["partner"])):
        if (path := folder / f"{row['number']}{end}.png").is_file():
            with Image.open(path) as image:
                views.append(_view(image, file))
    facts = {"label": row["label"], "looks like": row["suggested"], "score": row["score"], "file": row["file"]}
    facts |= {"copy of": row["partner"], "whose label is": row["partner_label"]}
    facts |= {f"{variant} says": of.get(row["file"], "") for variant, of in answers.items()}
    return Exhibit(views, _caption(row), {name: fact for name, fact in facts.items() if fact})


def _caption(row: dict[str, str]) -> str:
    """Of copies, what either is called, and where it lies."""
    if row["suggested"]:
        return f"{row['label']}: {row['suggested']}?"
    if not row["partner"]:
        return row["label"]
    if row["label"] != row["partner_label"]:
        return f"{row['label']} in {row['split']}, {row['partner_label']} in {row['partner_split']}"
    return f"{row['label']} in {' and '.join(dict.fromkeys((row['split'], row['partner_split'])))}"


def _view(image: Image.Image, alt: str) -> View:
    return View(lossy(image), alt, image.size)
