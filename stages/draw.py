"""Draw the figures of one network and data set out of tables and pictures: nothing is computed here.

In:  the names under variants and what they train, learning_curve.variant; metrics/MODEL/DATASET.json and all that
     other stages wrote of MODEL and DATASET to plots/ and tables/
Out: plots/MODEL/DATASET-figures/: accuracy.png, audit.png (images to look at), comparison.png (training's course),
     embeddings.png, learning_curve.png; of each variant VARIANT/: embeddings.png, mistakes.png, reliability.png
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stages.figures.accuracy import Accuracy, draw_accuracy
from stages.figures.comparison import Curve, draw_comparison
from stages.figures.embeddings import draw_embeddings
from stages.figures.glyphs import drawable, note
from stages.figures.learning_curve import draw_learning_curve
from stages.figures.mistakes import Mistake, draw_mistakes, enlarged
from stages.figures.published import published_accuracies
from stages.figures.reliability import draw_reliability
from stages.figures.sheet import Panel, Section, draw_sheet
from stages.figures.style import save_figure
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import read_numbers, read_typed, written_whole
from stages.ground.params import load_section
from stages.pictures.picture import open_picture
from stages.statistics.calibration import ConfidenceBin
from stages.statistics.inference import OF_UNEQUAL, and_balanced, described

COMPARED = ("accuracy", "accuracy_low", "accuracy_high")
DIFFERENCE = ("accuracy_difference", "p_value")  # from the first variant
METRICS = ("accuracy", "accuracy_low", "accuracy_high", "mistakes", "images")
CURVES = {"variant": str, "split": str, "epoch": int, "loss": float, "accuracy": float}
POINTS = {"label": str, "x": float, "y": float, "x_share": float, "y_share": float}
MISTAKES = {"number": int, "label": str, "prediction": str, "probability": float}
FINDINGS = {"number": int, "kind": str, "score": float, "file": str, "label": str, "partner": str, "suggested": str}
HEADINGS = {  # of audit@MODEL-DATASET's kinds
    "copy": "Copies: a picture of one split is in another as well",
    "label": "Doubtful labels: by all other images, another class is likelier",
    "outlier": "Like no other picture of the set",
    "empty": "Show nothing",
    "copy_within": "Copies within a split",
    "blurred": "Blurred",
    "long": "Long: the network sees less than half",
}
PAIR = 43  # letters below two thumbnails
BINS = {"low": float, "high": float, "count": int, "right": int, "confidence": float}

Table = list[dict[str, Any]]


@dataclass(frozen=True)
class Cell:
    model: str
    dataset: str
    variants: dict[str, dict[str, Any]]  # as params.yaml has them
    names: dict[str, str] = field(default_factory=dict)  # of classes, as they can be drawn

    def __str__(self) -> str:
        return f"{self.model} on {self.dataset}"

    @property
    def published(self) -> dict[str, float]:
        trainable = {name: of["trainable"] for name, of in self.variants.items()}
        return published_accuracies(self.model, self.dataset, trainable)

    def metrics(self, variant: str) -> dict[str, float]:
        return read_numbers(paths.metrics(self.model, self.dataset, variant), METRICS, optional=OF_UNEQUAL)

    def compared(self, variant: str) -> dict[str, float]:
        keys = COMPARED if variant == next(iter(self.variants)) else (*COMPARED, *DIFFERENCE)
        path = paths.comparison_metrics(self.model, self.dataset)
        return read_numbers(path, keys, (f"{self.model}-{self.dataset}", variant), OF_UNEQUAL)


def main(model: str, dataset: str) -> None:
    names = drawable(classes(model, dataset))
    cell = Cell(model, dataset, load_section("variants", dict[str, dict[str, Any]]), names)
    with written_whole(paths.figures(model, dataset)) as folder:
        for name, figure in figures(cell):
            save_figure(folder / f"{name}.png", figure)
    print(f"{paths.figures(model, dataset)}: figures of {', '.join(cell.variants)}, and of all together")
    if said := note(names):
        print(said)


def classes(model: str, dataset: str) -> list[str]:
    return sorted({row["label"] for row in read_typed(paths.embeddings(model, dataset), {"label": str})})


def figures(cell: Cell) -> Iterator[tuple[str, Figure]]:
    """Each with its path below the folder, but for the suffix."""
    yield "audit", audit(cell)
    yield "accuracy", accuracy(cell)
    yield "comparison", comparison(cell)
    yield "embeddings", embeddings(cell)
    yield "learning_curve", learning_curve(cell)
    for variant in cell.variants:
        yield f"{variant}/embeddings", trained_embeddings(cell, variant)
        yield f"{variant}/mistakes", mistakes(cell, variant)
        yield f"{variant}/reliability", reliability(cell, variant)


def audit(cell: Cell) -> Figure:
    folder = paths.audit(cell.model, cell.dataset)
    findings = read_typed(folder / "audit.tsv", FINDINGS, may_be_empty=True)
    sections = []
    for kind, heading in HEADINGS.items():
        of_kind = [row for row in findings if row["kind"] == kind]
        panels = [panel for row in of_kind if (panel := to_panel(row, folder, cell.names))]
        if panels:
            shown = "all" if len(panels) == len(of_kind) else f"the first {len(panels)} of"
            sections.append(Section(f"{heading}: {shown} {len(of_kind)}", panels))
    return draw_sheet(f"{cell}: images to look at, the surest first", sections)


def to_panel(row: dict[str, Any], folder: Path, names: dict[str, str]) -> Panel | None:
    """None where audit@MODEL-DATASET has written no picture."""
    files = [path for end in ("", "-partner") if (path := folder / f"{row['number']}{end}.png").is_file()]
    if not files:
        return None
    label, suggested = (names.get(name, name) for name in (row["label"], row["suggested"]))
    said = f"{label}: {suggested}?" if suggested else f"{label} ({row['score']:.2f})"
    file, partner = (row[name].encode("ascii", "replace").decode().replace("\t", "?") for name in ("file", "partner"))
    if not partner:
        return Panel([np.asarray(open_picture(files[0]))], f"{said}\n{Path(file).name[-18:]}")
    caption = f"{said} {shortened(file, PAIR - len(said) - 1)}\n{shortened(partner, PAIR)}"
    return Panel([np.asarray(open_picture(path)) for path in files], caption)


def shortened(file: str, most: int) -> str:
    """A path of no more letters, or of few: its split, and its end."""
    split, _, rest = file.partition("/")
    return file if len(file) <= most else f"{split}/…{rest[-max(most - len(split) - 2, 12) :]}"


def accuracy(cell: Cell) -> Figure:
    metrics = {name: cell.metrics(name) for name in cell.variants}
    accuracies = {
        name: Accuracy(of["accuracy"], of["accuracy_low"], of["accuracy_high"], int(of["mistakes"]), and_balanced(of))
        for name, of in metrics.items()
    }
    return draw_accuracy(title(cell), accuracies, cell.published)


def title(cell: Cell) -> str:
    return f"{cell}: {cell.metrics(next(iter(cell.variants)))['images']} val images"


def comparison(cell: Cell) -> Figure:
    path = paths.curves(cell.model, cell.dataset)
    rows = read_typed(path, CURVES)
    if missing := set(cell.variants) - {row["variant"] for row in rows}:
        raise ProjectError(f"{path}: no rows of {min(missing)} in it; run dvc repro")
    courses = {name: to_curves([row for row in rows if row["variant"] == name]) for name in cell.variants}
    subtitles = {name: described(cell.compared(name)) for name in cell.variants}
    return draw_comparison(title(cell), courses, subtitles, cell.published)


def to_curves(rows: Table) -> dict[str, Curve]:
    splits = {split: [row for row in rows if row["split"] == split] for split in ("train", "val")}
    return {
        split: Curve(*([row[column] for row in rows] for column in ("epoch", "loss", "accuracy")))
        for split, rows in splits.items()
    }


def embeddings(cell: Cell) -> Figure:
    rows = read_typed(paths.embeddings(cell.model, cell.dataset), {"split": str, **POINTS})
    return in_the_plane(f"{cell}: what the frozen network sees", rows, cell)


def trained_embeddings(cell: Cell, variant: str) -> Figure:
    rows = read_typed(paths.trained_embeddings(cell.model, cell.dataset, variant), {**POINTS, "wrong": int})
    wrong = np.array([row["wrong"] == 1 for row in rows])
    return in_the_plane(f"Val images as {variant} sees them, mistakes ringed: {cell}", rows, cell, wrong)


def in_the_plane(title: str, rows: Table, cell: Cell, wrong: np.ndarray | None = None) -> Figure:
    names = sorted({row["label"] for row in rows})
    points = {}
    for split in ("train", "val"):
        of = [row for row in rows if row.get("split", "val") == split]
        if of:
            coordinates = np.array([[row["x"], row["y"]] for row in of])
            points[split] = (coordinates, np.array([names.index(row["label"]) for row in of]))
    shares = [rows[0][axis] for axis in ("x_share", "y_share")]
    return draw_embeddings(title, [cell.names.get(name, name) for name in names], points, shares, wrong)


def learning_curve(cell: Cell) -> Figure:
    name: str = load_section("learning_curve", dict[str, Any])["variant"]
    accuracies: dict[int, list[float]] = {}
    for row in read_typed(paths.learning_curve(cell.model, cell.dataset), {"images": int, "accuracy": float}):
        accuracies.setdefault(row["images"], []).append(row["accuracy"])
    note = (
        f"Points: {len(accuracies[min(accuracies)])} draws each, of images, their order and initial weights (all: of"
        " the last two); line: their mean.\nAll are judged on the same val images; every run takes as many optimizer"
        f" steps as {cell.variants[name]['epochs']} epochs of all images."
    )
    images = cell.metrics(name)["images"]
    return draw_learning_curve(f"{cell}, {name}: {images} val images", accuracies, note)


def mistakes(cell: Cell, variant: str) -> Figure:
    folder = paths.mistakes(cell.model, cell.dataset, variant)
    rows = read_typed(folder / "mistakes.tsv", MISTAKES, may_be_empty=True)
    shown = [to_mistake(row, folder, cell.names) for row in rows]
    return draw_mistakes(shown, int(cell.metrics(variant)["mistakes"]))


def to_mistake(row: dict[str, Any], folder: Path, names: dict[str, str]) -> Mistake:
    seen, heat = folder / f"{row['number']}.png", folder / f"{row['number']}-heat.png"
    pixels = np.asarray(open_picture(seen))
    label, prediction = (names.get(row[column], row[column]) for column in ("label", "prediction"))
    return Mistake(pixels, label, prediction, row["probability"], read_heat(heat, len(pixels)))


def read_heat(path: Path, side: int) -> np.ndarray | None:
    """(side, side) in 0..1, where it is there"""
    if not path.is_file():
        return None
    return enlarged(np.asarray(open_picture(path).convert("L"), np.float32) / 255, side)


def reliability(cell: Cell, variant: str) -> Figure:
    rows = read_typed(paths.confidence(cell.model, cell.dataset, variant), BINS)
    images = cell.metrics(variant)["images"]
    title = f"Reliability of {variant}: {cell}, {images} val images"
    return draw_reliability(title, [ConfidenceBin(**row) for row in rows])


if __name__ == "__main__":
    run(main)
