"""All results on one page that opens without a network: `make plots` writes work/results/index.html.

The page is made from params.yaml's networks, data sets and variants, data/licences.tsv, and what lies in metrics/ and
plots/; what is not there is named as missing. Where tables/ has the single pictures of mistakes and of the audit, these
take their figures' place. The page holds its pictures and its drawing code (Vega, out of the package
vl-convert-python). The same code is written to work/vega.js, which the page of `dvc plots show` looks for.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.reporting import gallery
from scripts.reporting.charts import curve_charts
from scripts.reporting.figures import (
    AUDIT,
    BY_IMAGES,
    COMPARISON,
    MISTAKES,
    OF_CELL,
    OF_VARIANT,
    STUDY,
    Picture,
    read_figure,
)
from scripts.reporting.gallery import Gallery
from scripts.results import HEADER, SPREAD, audit_notes, result_rows, spread_rows
from scripts.using.origin import licence_of_images
from stages.explain import COLUMNS, Row
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, read_typed, written_whole
from stages.networks.settings import network_of
from stages.settings import Params, load_params

PAGE = paths.SCRATCH / "results/index.html"
VEGA = paths.SCRATCH / "vega.js"
TEMPLATE = Path(__file__).with_name("page.html.jinja")


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
    mistakes: Picture
    mistakes_one_by_one: list[Gallery]  # in place of that figure, if there are any
    surest: list[Row]  # the mistakes that are shown, in words


@dataclass(frozen=True)
class StudyPart:
    """What the page shows of the study; without rows it has not run."""

    sentences: list[str]  # without the cell's names
    rows: list[tuple[str, ...]]  # of each way, without the cell's names; last, if any ran here, the seconds of a trial
    pictures: list[Picture]


@dataclass(frozen=True)
class Cell:
    """What the page shows of one network on one data set."""

    model: str
    dataset: str
    network: str
    licence: str  # of the pretrained weights
    licence_of_images: str | None  # None: not stated
    study: StudyPart
    comparison: Picture
    audit: Picture
    audit_one_by_one: list[Gallery]  # in place of that figure, if there are any
    audit_notes: list[str]
    curves: list[dict[str, str]] | None
    charts: dict[str, Any]  # Vega-Lite specifications, by the measure that they show
    pictures: list[Picture]
    variants: list[VariantPart]

    @property
    def empty(self) -> bool:
        pictures = [picture.src for picture in (self.comparison, self.audit, *self.pictures)]
        variants = [part.numbers or part.confusion for part in self.variants]  # without which no mistakes are shown
        return not any([*pictures, *variants, *self.audit_one_by_one, *self.study.rows])


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
        networks=[(model, list(of)) for model, of in groupby(cells, lambda cell: cell.model)],
        cells=cells,
        header=HEADER,
        spread=(*SPREAD[2:], "seconds a trial"),
        paths=paths,
        script=script,
    )


def read_cell(model: str, dataset: str, params: Params) -> Cell:
    try:
        curves = _table(paths.curves(model, dataset))
        numbers = {row[2]: row for row in result_rows(model, dataset)}
        predictions = {variant: _predictions(model, dataset, variant) for variant in params.variants}
        return Cell(
            model,
            dataset,
            network_of(params.models[model]),
            params.models[model].licence,
            licence_of_images(dataset),
            study=_read_study(model, dataset),
            comparison=read_figure(COMPARISON, model, dataset),
            audit=read_figure(AUDIT, model, dataset),
            audit_one_by_one=gallery.audit(model, dataset, predictions),
            audit_notes=audit_notes(model, dataset),
            curves=curves,
            charts=curve_charts(curves, list(params.variants)) if curves else {},
            pictures=[read_figure(kind, model, dataset) for kind in OF_CELL],
            variants=[_read_variant(model, dataset, name, numbers.get(name), of) for name, of in predictions.items()],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"a file of {model} on {dataset} in metrics/ or plots/ is not as its stage wrote it ({error!r});"
            f" `git checkout` brings it back, or `dvc repro --force draw@{model}-{dataset}` makes it anew"
        ) from error


def _read_study(model: str, dataset: str) -> StudyPart:
    told, seconds = spread_rows(model, dataset), seconds_of_trials(model, dataset)
    rows = [(*row[2:], *([seconds.get(row[2], "not timed here")] if seconds else [])) for _, row in told]
    pictures = [read_figure(STUDY, model, dataset)]
    if paths.study_figure(model, dataset, "by_images").is_file():
        pictures.append(read_figure(BY_IMAGES, model, dataset))
    sentences = [sentence.removeprefix(f"{model} on {dataset}: ") for of, _ in told for sentence in of]
    return StudyPart(sentences, rows, pictures)


def seconds_of_trials(model: str, dataset: str) -> dict[str, str]:
    """{way of training: the mean over the trials that ran on this machine}"""
    found: dict[str, list[float]] = {}
    for row in _table(paths.seconds(model, dataset)) or ():
        if re.fullmatch(r"[\d.]+", row["seconds"] or ""):  # a kill may have left half a line
            found.setdefault(row["variant"], []).append(float(row["seconds"]))
    return {variant: f"{sum(of) / len(of):.3g}" for variant, of in found.items()}


def _read_variant(
    model: str, dataset: str, variant: str, numbers: tuple[str, ...] | None, predictions: list[Row]
) -> VariantPart:
    recall = _table(paths.recall(model, dataset, variant))
    return VariantPart(
        variant,
        numbers,
        confusion=confusion(predictions) if predictions else None,
        recall=sorted(recall, key=lambda row: float(row["recall"])) if recall else None,
        pictures=[read_figure(kind, model, dataset, variant) for kind in OF_VARIANT],
        mistakes=read_figure(MISTAKES, model, dataset, variant),
        mistakes_one_by_one=gallery.mistakes(model, dataset, variant, predictions),
        surest=gallery.surest_mistakes(predictions),
    )


def _predictions(model: str, dataset: str, variant: str) -> list[Row]:
    path = paths.predictions(model, dataset, variant)
    return read_typed(path, COLUMNS) if path.is_file() else []


def confusion(predictions: list[Row]) -> Confusion:
    pairs = Counter((row["label"], row["prediction"]) for row in predictions)
    classes = sorted({name for pair in pairs for name in pair})
    return Confusion(classes, [[pairs[label, prediction] for prediction in classes] for label in classes])


def _table(path: Path) -> list[dict[str, str]] | None:
    return read_table(path) if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
