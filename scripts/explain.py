"""What a model says of one picture, with what it saw and where it looked, for a page to show."""

import base64
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from stages.common.classifier import Classifier
from stages.common.figures.mistakes import draw_heat
from stages.common.gradcam import look
from stages.common.images import middle_crop, middle_square, to_input
from stages.common.pictures import decoders, read_picture


def explain(classifier: Classifier, file: bytes) -> dict[str, object]:
    """The answer of scripts/serve.py, as its docstring has it. For one thread at a time: it hooks the network.

    Raises:
        ProjectError: `file` is no picture that can be read.
    """
    with decoders(1):
        picture = read_picture(io.BytesIO(file), "the file")
    prediction, preprocessing = classifier(picture), classifier.preprocessing
    square = middle_square(picture, preprocessing.resize)[None]
    seen = middle_crop(square, preprocessing.crop)[0].permute(1, 2, 0).numpy()
    answer = classifier.classes.index(prediction.label)
    heat = look(classifier.network, to_input(square, preprocessing)[0], answer)
    return {
        "label": prediction.label,
        "probabilities": prediction.probabilities,
        "seen": data_uri(png(seen)),
        "heat": None if heat is None else data_uri(png_under_heat(seen, heat.numpy())),
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
