"""What a model says of one picture, with what it saw and where it looked, for a page to show."""

import base64
import io
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from stages.figures.mistakes import draw_heat, enlarged
from stages.models.classifier import Classifier
from stages.pictures.picture import decoders, read_picture
from stages.preprocessing.inputs import middle_crop
from stages.preprocessing.squares import to_square

Look = Callable[[np.ndarray, int], np.ndarray | None]


def explain(classifier: Classifier, look: Look, file: bytes) -> dict[str, object]:
    """The answer of scripts/serve.py, as its docstring has it; `look` is of stages.explain.looker. For one thread at a
    time: that may hook the network.

    Raises:
        ProjectError: `file` is no picture that can be read.
    """
    with decoders(1):
        picture = read_picture(io.BytesIO(file), "the file", classifier.preprocessing.values)
    prediction, preprocessing = classifier(picture), classifier.preprocessing
    square = to_square(picture, preprocessing)
    seen = middle_crop(square[None], preprocessing.crop)[0].transpose(1, 2, 0)
    heat = look(square, classifier.classes.index(prediction.label))
    return {
        "label": prediction.label,
        "probabilities": prediction.probabilities,
        "none_of_these": prediction.none_of_these,
        "distance": prediction.distance,
        "threshold": prediction.threshold,
        "seen": data_uri(png(seen)),
        "heat": None if heat is None else data_uri(png_under_heat(seen, enlarged(heat, len(seen)))),
    }


def png(image: np.ndarray) -> bytes:
    """Of (S, S, 3) uint8"""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def png_under_heat(image: np.ndarray, heat: np.ndarray) -> bytes:
    """The same in grey under a heat map of (S, S) in 0..1, pixel for pixel"""
    file, figure = io.BytesIO(), Figure(figsize=(1, 1))
    draw_heat(figure.add_axes((0, 0, 1, 1)), image, heat)
    figure.savefig(file, format="png", dpi=len(image), metadata={"Software": None})
    return file.getvalue()


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
