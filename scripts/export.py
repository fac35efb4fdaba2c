"""Write a trained model as a file for other programs: ONNX, or torch.export's pt2.

MODEL is a file that stages.train made. The exported network takes `images`, (N, 3, crop, crop) float32 with any N, each
prepared as the metadata say, RGB in 0..1, then (x - mean) / std by channel. By `fit` it is, resized by `interpolation`
and antialiased, crop: the middle square of `crop` pixels, where the shorter side has `resize`; pad: the whole picture,
the longer side of `crop` pixels, in the middle of a square of the colour `mean`; squash: both sides of `crop` pixels.
It gives `probabilities`, (N, classes) float32, and, where MODEL can tell what is none of its classes, `distance`,
(N,) float32, how unlike the train images each is, and `none_of_these`, (N,) bool, whether that is above `threshold`.

The metadata are `network`, and as JSON `classes` (in the order of the output), `resize`, `crop`, `mean`, `std`,
`values` (which values of pictures with more than 8 bits become black and white, or null), `fit`, `interpolation`,
`threshold` (or null) and `licence` (of the pretrained weights, or null): of ONNX the model's own metadata, in a pt2
file, whose outputs are a dictionary, the extra file metadata.json.

What was written is run on drawn images, and kept only if it agrees with MODEL within 0.0001, in distances within 0.01.
Beside it comes its model card, with .md in place of .onnx or .pt2: what is known of MODEL (see scripts/card.py).

Exit status: 0 written, 1 not, 2 wrong arguments, 130 interrupted.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.card import write_card
from scripts.using.names import DISTANCE, PROBABILITIES
from stages.ground.cli import importing_torch, one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from stages.preprocessing.inputs import to_input
from stages.statistics.scores import softmax

SUFFIXES = {"onnx": ".onnx", "torch.export": ".pt2"}
TOLERANCES = {PROBABILITIES: 1e-4, DISTANCE: 1e-2}
NAMES = {PROBABILITIES: "probability", DISTANCE: "distance"}
DRAWN = 16  # images


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("--to", choices=SUFFIXES, default="onnx", help="onnx if not given")
    parser.add_argument("--output", metavar="FILE", type=Path, help="MODEL's name with .onnx or .pt2 if not given")
    arguments = parser.parse_args()
    output = arguments.output or arguments.model.with_suffix(SUFFIXES[arguments.to])
    with one_line_errors():
        difference = export(arguments.model, arguments.to, output)
        write_card(arguments.model, output)
        print(f"{output}: within {difference:.0e} of the model's own probabilities, on {DRAWN} drawn images")


def export(model: Path, form: str, output: Path) -> float:
    """Write `model` to `output` as `onnx` or `torch.export`; the largest difference of a probability.

    Raises:
        ProjectError: nothing was written: `model` is none, `output` is in the way, or what was to be written disagrees.
    """
    if output.is_dir() or (output.exists() and output.samefile(model)):
        raise ProjectError(f"{output} is a folder, or the model itself: name another file with --output")
    classifier = Classifier.load(model)
    squares = draw_squares(classifier.preprocessing.side)
    images, expected = to_input(squares, classifier.preprocessing), outputs(classifier, squares)
    if form == "onnx":
        from scripts.using.onnx_file import run_onnx as run
        from scripts.using.onnx_file import write_onnx as write
    else:
        with importing_torch():
            from scripts.using.pt2_file import run_pt2 as run
            from scripts.using.pt2_file import write_pt2 as write
    with written_whole(output) as part:
        write(classifier.file, metadata(classifier.file), part)
        of_all, of_one = run(part, [images, images[:1]])
        found = {name: max(largest(of_all[name] - of), largest(of_one[name] - of[:1])) for name, of in expected.items()}
        for name, difference in found.items():
            if not difference <= TOLERANCES[name]:
                raise ProjectError(
                    f"{output} was not written: a {NAMES[name]} differed by {difference:.2g} from that of {model};"
                    f" expected {TOLERANCES[name]:g} at most"
                )
    return found[PROBABILITIES]


def outputs(classifier: Classifier, squares: np.ndarray) -> dict[str, np.ndarray]:
    """What an exported file gives of them that is not rounded to yes or no."""
    embeddings, novelty = classifier.embeddings(squares), classifier.file.novelty
    distances = {} if novelty is None else {DISTANCE: novelty.distances(embeddings)}
    return {PROBABILITIES: softmax(classifier.answers(embeddings)), **distances}


def largest(differences: np.ndarray) -> float:
    return float(np.abs(differences).max())


def draw_squares(side: int) -> np.ndarray:
    """Smooth blots of colour, the same each time: (DRAWN, 3, side, side) uint8"""
    coarse = np.random.default_rng(0).integers(0, 256, (DRAWN, 7, 7, 3), np.uint8)
    blots = [Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR) for image in coarse]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in blots])


def metadata(file: ModelFile) -> dict[str, str]:
    look = file.preprocessing
    values = asdict(look.values) if look.values else None
    numbers = {"resize": look.resize, "crop": look.crop, "mean": look.mean, "std": look.std, "values": values}
    threshold = file.novelty.threshold if file.novelty else None
    how = {"fit": look.fit, "interpolation": look.interpolation}
    told = {"classes": file.classes, **numbers, **how, "threshold": threshold, "licence": file.licence}
    return {"network": file.network} | {key: json.dumps(value) for key, value in told.items()}


if __name__ == "__main__":
    main()
