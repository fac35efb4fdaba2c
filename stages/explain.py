"""Show the mistakes that the model was surest of, and where it looked.

The images themselves go through the whole network. Its answers to them, and to as many that were right, are checked
against those of evaluate@MODEL-DATASET-VARIANT, which for a frozen variant come from kept features: so features and
last layer together are proved to be the whole network.

In:  models/MODEL/DATASET/VARIANT.safetensors, plots/MODEL/DATASET/VARIANT/predictions.tsv, data/DATASET/
Out: tables/MODEL/DATASET/VARIANT-mistakes/: mistakes.tsv (number, file, label, prediction, probability), and of each
     NUMBER.png, the square that the network saw, and NUMBER-heat.png, brighter where it speaks more for the answer
     (Grad-CAM); no such where the network tells no places apart
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.ground import paths
from stages.ground.cli import importing_torch, run
from stages.ground.errors import ProjectError
from stages.ground.files import read_typed, write_table, written_whole
from stages.ground.runtime import load_runtime
from stages.models.classifier import Classifier
from stages.pictures.picture import decoders
from stages.preprocessing.inputs import middle_crop, to_input
from stages.preprocessing.squares import read_square
from stages.statistics.scores import softmax

SHOWN = 12
TOLERANCE = 0.002  # of a probability, of which the table has four decimals
COLUMNS = {"file": str, "label": str, "prediction": str, "probability": float}

Row = dict[str, Any]


def main(model: str, dataset: str, variant: str) -> None:
    cell = (model, dataset, variant)
    classifier = Classifier.load(paths.model(*cell), load_runtime().device)
    rows = read_typed(paths.predictions(*cell), COLUMNS)
    if unknown := {row["prediction"] for row in rows} - set(classifier.classes):
        raise ProjectError(f"{paths.predictions(*cell)}: {min(unknown)!r} is no class of the model; run dvc repro")
    mistakes = surest([row for row in rows if row["label"] != row["prediction"]])
    right = surest([row for row in rows if row["label"] == row["prediction"]])
    look = looker(classifier) if mistakes else classifier.look
    with written_whole(paths.mistakes(*cell)) as folder, decoders(1):
        folder.mkdir()
        for number, row in enumerate(mistakes, start=1):
            square = square_of(row, dataset, classifier)
            check_answer(square, row, classifier)
            show(square, classifier, look(square, classifier.classes.index(row["prediction"])), folder, number)
        numbered = [{"number": number, **row} for number, row in enumerate(mistakes, start=1)]
        write_table(folder / "mistakes.tsv", numbered, ("number", *COLUMNS))
        for row in right:
            check_answer(square_of(row, dataset, classifier), row, classifier)
    print(f"{' '.join(cell)}: {len(mistakes)} mistakes shown, {len(mistakes) + len(right)} answers checked on images")


def surest(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row["probability"])[:SHOWN]


def square_of(row: Row, dataset: str, classifier: Classifier) -> np.ndarray:
    return read_square(paths.images(dataset) / row["file"], classifier.preprocessing)


def show(square: np.ndarray, classifier: Classifier, heat: np.ndarray | None, folder: Path, number: int) -> None:
    """Write the pictures of one mistake."""
    seen = middle_crop(square[None], classifier.preprocessing.crop)[0]
    Image.fromarray(seen.transpose(1, 2, 0)).save(folder / f"{number}.png")
    if heat is not None:
        Image.fromarray((heat * 255).round().astype(np.uint8)).save(folder / f"{number}-heat.png")


def check_answer(square: np.ndarray, row: Row, classifier: Classifier) -> None:
    probability = softmax(classifier.logits(square[None]))[0, classifier.classes.index(row["prediction"])]
    if abs(probability - row["probability"]) > TOLERANCE:
        raise ProjectError(
            f"{row['file']}: the network gives {row['prediction']} {probability:.4f}, and evaluate gave"
            f" {row['probability']}: its features are not those of this network on these images; run dvc repro --force"
        )


def looker(classifier: Classifier) -> Callable[[np.ndarray, int], np.ndarray | None]:
    """A function like Classifier.look, for networks as well that need torch for it; it gives None for those without
    places."""
    if classifier.backbone.has_places:
        return classifier.look
    with importing_torch():
        from stages.networks.finished import load_model
        from stages.networks.gradcam import look

    network = load_model(classifier.file)
    return lambda square, answer: look(network, to_input(square[None], classifier.preprocessing)[0], answer)


if __name__ == "__main__":
    run(main)
