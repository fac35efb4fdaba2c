"""The figures that stages draw: where each lies, how it is read, and how it gets into the page."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from scripts.reporting import described
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.pictures.picture import UnusableError, open_picture


@dataclass(frozen=True)
class Kind:
    """A PNG file that a stage draws, and what the page says of it."""

    place: Callable[..., Path]  # of model and data set, or of these and a variant
    heading: str
    shows: str  # to those who do not see it
    numbers: Callable[..., str]  # to them as well: what is to be seen, of the same as `place`
    reading: str  # how to read it, in one sentence
    photographs: bool = False  # that it consists of


COMPARISON = Kind(
    partial(paths.figure, name="comparison"),
    "Comparison",
    "Curves of loss and accuracy over the epochs, one column for each variant",
    described.courses,
    "Each variant has a column, with loss above and accuracy below: thick is val, thin and dashed the running train"
    " curve, and all columns share their axes.",
)
AUDIT = Kind(
    partial(paths.figure, name="audit"),
    "Images to look at",
    "Thumbnails of copies, of images whose label is doubtful, and of odd ones, with their files' names",
    described.findings,
    "Before you believe an accuracy, see whether these are what they are called: data/corrections/ is for what is not.",
    photographs=True,
)
OF_CELL = (
    Kind(
        partial(paths.figure, name="accuracy"),
        "Accuracy with its interval",
        "The val accuracy of each variant as a dot, with its 95 % interval as a line",
        described.accuracies,
        "Dots are accuracies, lines their 95 % intervals; whether two variants differ is what the p-value in the table"
        " says, since both are judged on the same images.",
    ),
    Kind(
        partial(paths.figure, name="learning_curve"),
        "Learning curve",
        "Val accuracy against the number of train images",
        described.means_by_images,
        "The further right, the more train images: where the mean still rises at its end, and by more than the points"
        " scatter, more images are likely to help.",
    ),
    Kind(
        partial(paths.figure, name="embeddings"),
        "Embeddings",
        "The images as points in two dimensions, by class",
        described.classes,
        "Each point is an image as the pretrained network sees it: classes that lie apart are easy for a last layer"
        " alone.",
    ),
)
OF_VARIANT = (
    Kind(
        partial(paths.variant_figure, name="reliability"),
        "Reliability",
        "The share of right answers against the probability that the network gave them",
        described.calibration,
        "On the diagonal the network is right as often as it says; below it, it is too sure of itself.",
    ),
    Kind(
        partial(paths.variant_figure, name="embeddings"),
        "Embeddings and mistakes",
        "The val images as points in two dimensions, by class, with a ring around each mistake",
        described.mistakes,
        "Each point is a val image as this trained network sees it, rings are mistakes: amid another class the image"
        " looks to it like that class, where classes meet it was undecided.",
    ),
)
MISTAKES = Kind(
    partial(paths.variant_figure, name="mistakes"),
    "Mistakes",
    "The wrongly classified val images, each with its class, the network's answer and its probability",
    described.mistakes,
    "The val images that it got wrong, the surest answers first: look for wrong labels and for what they share.",
    photographs=True,
)
STUDY = Kind(
    paths.study_figure,
    "Many trials",
    "The accuracies of all trials of each way of training, and their differences from the first",
    described.trials,
    "Each point is a trial: a drawn split of the images, and another seed. Left are accuracies, right the differences"
    " from the first way of training on the same split, with the 95 % interval of their mean; in the grey band they are"
    " practically the same.",
)
BY_IMAGES = Kind(
    partial(paths.study_figure, name="by_images"),
    "Many trials, by the number of train images",
    "The accuracy of each way of training against the number of train images, as a line in a band",
    described.trials_by_images,
    "Lines are means, bands hold 95 % of the trials: where lines part, so many images make a difference.",
)


@dataclass(frozen=True)
class Picture:
    kind: Kind
    path: Path
    of: str  # model and data set, or these and a variant
    variant: str  # "" of a figure of all
    numbers: str = ""  # what is to be seen, in words
    src: str | None = None  # a data URI; None: the file is missing
    size: tuple[int, int] = (0, 0)  # width and height, in pixels


def read_figure(kind: Kind, model: str, dataset: str, variant: str = "") -> Picture:
    """Raises ProjectError if the file is there and damaged."""
    cell = (model, dataset, variant) if variant else (model, dataset)
    path, of = kind.place(*cell), ", ".join((f"{model} on {dataset}", *cell[2:]))
    if not path.is_file():
        return Picture(kind, path, of, variant)
    try:
        image = open_picture(path)
    except UnusableError as error:
        raise ProjectError(f"{error}; `git checkout {path}` brings it back") from error
    src = lossy(image) if kind.photographs else lossless(image)
    return Picture(kind, path, of, variant, kind.numbers(*cell), src, image.size)


def lossless(image: Image.Image) -> str:
    """A third of the PNG file's size, and every pixel as it is."""
    return _data_uri(image, lossless=True, quality=20, method=2)


def lossy(image: Image.Image) -> str:
    """Of photographs, a tenth of the PNG file's size."""
    return _data_uri(image, quality=85, method=2)


def _data_uri(image: Image.Image, **options: bool | int) -> str:
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
