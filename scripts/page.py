"""All results on one page that opens without a network: `make plots` writes work/results/index.html.

The page is made from params.yaml's networks, data sets and variants and from what lies in metrics/ and plots/;
what is not there is named as missing. It holds its pictures and its drawing code (Vega, out of the package
vl-convert-python). The same code is written to work/vega.js, which the page of `dvc plots show` looks for.
"""

import base64
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from scripts.reporting.charts import curve_charts
from scripts.results import HEADER, SPREAD, audit_notes, result_rows, spread_rows
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, written_whole
from stages.networks.settings import network_of
from stages.settings import Params, load_params

PAGE = paths.SCRATCH / "results/index.html"
VEGA = paths.SCRATCH / "vega.js"
TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Kind:
    """A PNG file that a stage draws, and what the page says of it."""

    place: Callable[..., Path]  # of model and data set, or of these and a variant
    heading: str
    shows: str  # to those who do not see it
    reading: str  # how to read it, in one sentence


COMPARISON = Kind(
    partial(paths.figure, name="comparison"),
    "Comparison",
    "Curves of loss and accuracy over the epochs, one column for each variant",
    "Each variant has a column, with loss above and accuracy below: thick is val, thin and dashed the running train"
    " curve, and all columns share their axes.",
)
AUDIT = Kind(
    partial(paths.figure, name="audit"),
    "Images to look at",
    "Thumbnails of copies, of images whose label is doubtful, and of odd ones, with their files' names",
    "Before you believe an accuracy, see whether these are what they are called: data/corrections/ is for what is not.",
)
OF_CELL = (
    Kind(
        partial(paths.figure, name="accuracy"),
        "Accuracy with its interval",
        "The val accuracy of each variant as a dot, with its 95 % interval as a line",
        "Dots are accuracies, lines their 95 % intervals; whether two variants differ is what the p-value in the table"
        " says, since both are judged on the same images.",
    ),
    Kind(
        partial(paths.figure, name="learning_curve"),
        "Learning curve",
        "Val accuracy against the number of train images",
        "The further right, the more train images: where the mean still rises at its end, and by more than the points"
        " scatter, more images are likely to help.",
    ),
    Kind(
        partial(paths.figure, name="embeddings"),
        "Embeddings",
        "The images as points in two dimensions, by class",
        "Each point is an image as the pretrained network sees it: classes that lie apart are easy for a last layer"
        " alone.",
    ),
)
OF_VARIANT = (
    Kind(
        partial(paths.variant_figure, name="reliability"),
        "Reliability",
        "The share of right answers against the probability that the network gave them",
        "On the diagonal the network is right as often as it says; below it, it is too sure of itself.",
    ),
    Kind(
        partial(paths.variant_figure, name="embeddings"),
        "Embeddings and mistakes",
        "The val images as points in two dimensions, by class, with a ring around each mistake",
        "Each point is a val image as this trained network sees it, rings are mistakes: amid another class the image"
        " looks to it like that class, where classes meet it was undecided.",
    ),
    Kind(
        partial(paths.variant_figure, name="mistakes"),
        "Mistakes",
        "The wrongly classified val images, each with its class, the network's answer and its probability",
        "The val images that it got wrong, the surest answers first: look for wrong labels and for what they share.",
    ),
)


@dataclass(frozen=True)
class Picture:
    kind: Kind
    path: Path
    src: str | None  # a data URI; None: the file is missing
    size: tuple[int, int] = (0, 0)  # width and height, in pixels


@dataclass(frozen=True)
class Confusion:
    """counts[row][column]: the val images of the class `row` that were called `column`."""

    classes: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class VariantPart:
    """What the page shows of one variant; a table that is None is missing."""

    name: str
    numbers: tuple[str, ...] | None  # its line of the table of results
    confusion: Confusion | None
    recall: list[dict[str, str]] | None  # by class, the lowest first
    pictures: list[Picture]


STUDY = Kind(
    paths.study_figure,
    "Many trials",
    "The accuracies of all trials of each way of training, and their differences from the first",
    "Each point is a trial: a drawn split of the images, and another seed. Left are accuracies, right the differences"
    " from the first way of training on the same split, with the 95 % interval of their mean; in the grey band they are"
    " practically the same.",
)


BY_IMAGES = Kind(
    partial(paths.study_figure, name="by_images"),
    "Many trials, by the number of train images",
    "The accuracy of each way of training against the number of train images, as a line in a band",
    "Lines are means, bands hold 95 % of the trials: where lines part, so many images make a difference.",
)


@dataclass(frozen=True)
class StudyPart:
    """What the page shows of the study; without rows it has not run."""

    sentences: list[str]
    rows: list[tuple[str, ...]]  # of each way of training, without the cell's names, and the seconds of a trial here
    pictures: list[Picture]


@dataclass(frozen=True)
class Cell:
    """What the page shows of one network on one data set."""

    model: str
    dataset: str
    network: str
    licence: str  # of the pretrained weights
    study: StudyPart
    comparison: Picture
    audit: Picture
    audit_notes: list[str]
    curves: list[dict[str, str]] | None
    charts: dict[str, Any]  # Vega-Lite specifications, by the measure that they show
    pictures: list[Picture]
    variants: list[VariantPart]

    @property
    def empty(self) -> bool:
        pictures = [self.comparison, self.audit, *self.pictures]
        parts = [*(picture.src for picture in pictures), *(part.numbers or part.confusion for part in self.variants)]
        return not any(parts) and not self.study.rows


def main() -> int:
    try:
        params = load_params()
        script = drawing_script()
        page = render([read_cell(*cell, params) for cell in product(params.models, params.datasets)], script)
        for path, text in ((VEGA, script), (PAGE, page)):
            with written_whole(path) as part:
                part.write_text(text, encoding="utf-8")
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(PAGE)
    return 0


def drawing_script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, of which only `vegaEmbed` is seen outside."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{bundle}}})();\n".replace("</script", r"<\/script")


def render(cells: list[Cell], script: str) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE.name).render(
        cells=cells, header=HEADER, spread=(*SPREAD[2:], "seconds a trial"), paths=paths, script=script
    )


def read_cell(model: str, dataset: str, params: Params) -> Cell:
    try:
        curves = _table(paths.curves(model, dataset))
        numbers = {row[2]: row for row in result_rows(model, dataset)}
        return Cell(
            model,
            dataset,
            network_of(params.models[model]),
            params.models[model].licence,
            study=_read_study(model, dataset),
            comparison=_picture(COMPARISON, model, dataset),
            audit=_picture(AUDIT, model, dataset),
            audit_notes=audit_notes(model, dataset),
            curves=curves,
            charts=curve_charts(curves, list(params.variants)) if curves else {},
            pictures=[_picture(kind, model, dataset) for kind in OF_CELL],
            variants=[_read_variant(model, dataset, name, numbers.get(name)) for name in params.variants],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"a file of {model} on {dataset} in metrics/ or plots/ is not as its stage wrote it ({error!r});"
            f" `git checkout` brings it back, or `dvc repro --force draw@{model}-{dataset}` makes it anew"
        ) from error


def _read_study(model: str, dataset: str) -> StudyPart:
    told, seconds = spread_rows(model, dataset), seconds_of_trials(model, dataset)
    rows = [(*row[2:], seconds.get(row[2], "not timed here")) for _, row in told]
    pictures = [_picture(STUDY, model, dataset)]
    if paths.study_figure(model, dataset, "by_images").is_file():
        pictures.append(_picture(BY_IMAGES, model, dataset))
    return StudyPart([sentence for of, _ in told for sentence in of], rows, pictures)


def seconds_of_trials(model: str, dataset: str) -> dict[str, str]:
    """{way of training: the mean over the trials that ran on this machine}"""
    found: dict[str, list[float]] = {}
    for row in _table(paths.seconds(model, dataset)) or ():
        if re.fullmatch(r"[\d.]+", row["seconds"] or ""):  # a kill may have left half a line
            found.setdefault(row["variant"], []).append(float(row["seconds"]))
    return {variant: f"{sum(of) / len(of):.3g}" for variant, of in found.items()}


def _read_variant(model: str, dataset: str, variant: str, numbers: tuple[str, ...] | None) -> VariantPart:
    predictions = _table(paths.predictions(model, dataset, variant))
    recall = _table(paths.recall(model, dataset, variant))
    return VariantPart(
        variant,
        numbers,
        confusion=confusion(predictions) if predictions else None,
        recall=sorted(recall, key=lambda row: float(row["recall"])) if recall else None,
        pictures=[_picture(kind, model, dataset, variant) for kind in OF_VARIANT],
    )


def confusion(predictions: list[dict[str, str]]) -> Confusion:
    pairs = Counter((row["label"], row["prediction"]) for row in predictions)
    classes = sorted({name for pair in pairs for name in pair})
    return Confusion(classes, [[pairs[label, prediction] for prediction in classes] for label in classes])


def _table(path: Path) -> list[dict[str, str]] | None:
    return read_table(path) if path.is_file() else None


def _picture(kind: Kind, *of: str) -> Picture:
    path = kind.place(*of)
    if not path.is_file():
        return Picture(kind, path, None)
    with Image.open(path) as image:
        size = image.size
    return Picture(kind, path, f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}", size)


if __name__ == "__main__":
    sys.exit(main())
