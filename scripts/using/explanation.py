"""What a model says of one picture and, if it is to be explained, what it saw and where it looked."""

import base64
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from scripts.using.answers import as_row
from scripts.using.loaded import Finished
from stages.explain import looker
from stages.models.classifier import Classifier
from stages.pictures.picture import decoders, read_picture
from stages.preprocessing.inputs import middle_crop
from stages.preprocessing.squares import to_square

Look = Callable[[np.ndarray, int], np.ndarray | None]

VIRIDIS = (
    (68, 1, 84), (72, 24, 106), (71, 45, 123), (66, 64, 134), (59, 82, 139), (51, 99, 141), (44, 114, 142),
    (38, 130, 142), (33, 145, 140), (31, 159, 136), (39, 173, 129), (61, 188, 116), (92, 200, 99), (129, 211, 77),
    (170, 220, 50), (213, 226, 26), (253, 231, 37),
)  # fmt: skip # of matplotlib, in even steps: to serve needs none of it


def looker_of(finished: Finished) -> Look:
    """Like Classifier.look; it gives None where the file cannot tell, or only torch could, and there is none."""
    if not isinstance(finished, Classifier):
        return lambda *_: None
    try:
        return looker(finished)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return lambda *_: None


def explain(
    finished: Finished, look: Look, file: bytes, name: str | None = None, with_pictures: bool = True
) -> dict[str, object]:
    """The answer of scripts/serve.py, as its docstring has it; `look` is of `looker_of`. For one thread at a time:
    that may hook the network.

    Raises:
        ProjectError: `file` is no picture that can be read.
    """
    with decoders(1):
        picture = read_picture(io.BytesIO(file), "the file", finished.preprocessing.values)
    prediction, preprocessing = finished(picture), finished.preprocessing
    row = as_row(name, prediction)
    if not with_pictures:
        return row
    square = to_square(picture, preprocessing)
    seen = middle_crop(square[None], preprocessing.crop)[0].transpose(1, 2, 0)
    heat = look(square, finished.classes.index(prediction.label))
    shown = None if heat is None else data_uri(under_heat(seen, enlarged(heat, len(seen))))
    return {**row, "seen": data_uri(seen), "heat": shown}


def under_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(S, S, 3) uint8 in grey under a heat map of (S, S) in 0..1, as stages/figures/mistakes.py draws it"""
    steps = np.linspace(0, 1, len(VIRIDIS))
    colours = np.stack([np.interp(heat, steps, channel) for channel in zip(*VIRIDIS, strict=True)], axis=-1)
    share = (0.25 + 0.5 * heat)[..., None]
    mixed: np.ndarray = share * colours + (1 - share) * image.mean(2, keepdims=True)
    return mixed.round().astype(np.uint8)


def enlarged(heat: np.ndarray, side: int) -> np.ndarray:
    """(h, w) in 0..1 -> (side, side), bilinear; the place that speaks most is 1 again, unless none speaks."""
    larger = np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BILINEAR))
    over_maximum: np.ndarray = larger / max(larger.max(), np.finfo(np.float32).tiny)
    return over_maximum


def data_uri(image: np.ndarray) -> str:
    """Of (S, S, 3) uint8, as a PNG"""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
