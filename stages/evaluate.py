"""Run the finished model on the val images themselves, and on the test images where there are any.

Also the frozen variant's, which proves that the last layer trained on features and the network are one.

In:  models/MODEL/DATASET/VARIANT.pt, data/DATASET/
Out: metrics/MODEL/DATASET/VARIANT.json
     plots/MODEL/DATASET/VARIANT/: predictions.tsv (file below data/DATASET/, label, prediction, probability of
     the prediction), recall.tsv (class, images, recall), mistakes.png, reliability.png and embeddings.png (as this
     network sees them, in two dimensions), of the val images
"""

from pathlib import Path
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import Tensor

from stages.common import paths
from stages.common.classifier import BATCH, Classifier
from stages.common.cli import run
from stages.common.compute import choose_device
from stages.common.errors import ProjectError
from stages.common.figures import save_figure
from stages.common.figures.embeddings import draw_embeddings
from stages.common.figures.mistakes import Mistake, draw_mistakes
from stages.common.figures.reliability import draw_reliability
from stages.common.files import write_json, write_table
from stages.common.fit import score
from stages.common.gradcam import look
from stages.common.images import LabelledFiles, list_split, middle_crop, read_square, read_squares, to_input
from stages.common.network import last_layer_name
from stages.common.params import Runtime, load_params
from stages.common.pictures import decoders
from stages.common.projection import Projection
from stages.common.statistics import ConfidenceBin, confidence_bins, expected_calibration_error, wilson_interval

MISTAKES_SHOWN = 12


def main(model: str, dataset: str, variant: str) -> None:
    runtime = load_params().runtime
    cell, folder = (model, dataset, variant), paths.images(dataset)
    classifier = Classifier.load(paths.model(*cell), choose_device(runtime.device))
    val = list_split(folder / "val")
    check_classes(classifier, val, folder / "val")
    logits, embeddings = run_classifier(classifier, val, runtime)
    numbers = measure(logits, val.labels)
    if (folder / "test").is_dir():
        test = list_split(folder / "test")
        check_classes(classifier, test, folder / "test")
        of_test = measure(run_classifier(classifier, test, runtime)[0], test.labels)
        numbers |= {f"test_{name}": value for name, value in of_test.items()}

    rows = predictions(logits, val, dataset)
    write_table(paths.predictions(*cell), rows)
    write_table(paths.recall(*cell), recall(logits, val))
    figure = draw_mistakes(worst_mistakes(rows, dataset, classifier), int(numbers["mistakes"]))
    save_figure(paths.mistakes(*cell), figure)
    title = f"Reliability of {variant}: {model} on {dataset}, {len(rows)} val images"
    save_figure(paths.reliability(*cell), draw_reliability(title, by_confidence(logits, val.labels)))
    title = f"Val images as {variant} sees them, mistakes ringed: {model} on {dataset}"
    save_figure(paths.trained_embeddings(*cell), embeddings_figure(title, embeddings, logits, val))
    write_json(paths.metrics(*cell), {"precision": classifier.precision, **numbers})
    print(
        f"{model} {dataset} {variant}: {numbers['mistakes']} of {numbers['images']} val images wrong, accuracy"
        f" {numbers['accuracy']:.4f} (95 % interval {numbers['accuracy_low']:.4f} to {numbers['accuracy_high']:.4f})"
    )


def check_classes(classifier: Classifier, listed: LabelledFiles, folder: Path) -> None:
    """An index among other classes would mean another one."""
    if listed.classes != classifier.classes:
        raise ProjectError(
            f"{folder} has the classes {', '.join(listed.classes)}; the model was trained on"
            f" {', '.join(classifier.classes)}. Run dvc repro, which trains on what is there"
        )


def run_classifier(classifier: Classifier, listed: LabelledFiles, runtime: Runtime) -> tuple[Tensor, Tensor]:
    """(N, classes) logits, and the (N, D) embeddings that the last layer made them of.

    A batch of images is in memory, and one ahead of it.
    """
    embeddings: list[Tensor] = []
    last_layer = classifier.network.get_submodule(last_layer_name(classifier.network))
    hook = last_layer.register_forward_pre_hook(lambda _, inputs: embeddings.append(inputs[0].cpu()))
    batches = read_squares(listed.files, classifier.preprocessing.resize, BATCH, runtime.workers, runtime.progress)
    try:
        logits = torch.cat([classifier.logits(squares) for squares in batches])
    finally:
        hook.remove()
    return logits, torch.cat(embeddings)


def embeddings_figure(title: str, embeddings: Tensor, logits: Tensor, listed: LabelledFiles) -> Figure:
    """In the plane along which they vary most."""
    projection = Projection.of(embeddings)
    points = {"val": (projection(embeddings), listed.labels)}
    return draw_embeddings(title, listed.classes, points, projection.shares, logits.argmax(1) != listed.labels)


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The numbers of one split.

    accuracy_low and accuracy_high bound the 95 % interval of the accuracy; balanced_accuracy is the mean of the
    classes' recalls; ece is the expected calibration error, in ten bins.
    """
    loss, _ = score(logits, labels)
    right = logits.argmax(1) == labels
    count, mistakes = len(labels), int((~right).sum())
    low, high = wilson_interval(count - mistakes, count)
    rounded = {
        "accuracy": (count - mistakes) / count,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": fmean(right[labels == label].double().mean().item() for label in set(labels.tolist())),
        "loss": loss,
        "ece": expected_calibration_error(by_confidence(logits, labels)),
    }
    return {"images": count, "mistakes": mistakes, **{name: round(value, 4) for name, value in rounded.items()}}


def by_confidence(logits: Tensor, labels: Tensor) -> list[ConfidenceBin]:
    probabilities, predicted = logits.softmax(1).max(1)
    return confidence_bins(probabilities.tolist(), (predicted == labels).tolist())


def predictions(logits: Tensor, listed: LabelledFiles, dataset: str) -> list[dict[str, str | float]]:
    probabilities, predicted = logits.softmax(1).max(1)
    return [
        {
            "file": path.relative_to(paths.images(dataset)).as_posix(),
            "label": listed.classes[label],
            "prediction": listed.classes[prediction],
            "probability": round(probability, 4),
        }
        for path, label, prediction, probability in zip(
            listed.files, listed.labels.tolist(), predicted.tolist(), probabilities.tolist(), strict=True
        )
    ]


def recall(logits: Tensor, listed: LabelledFiles) -> list[dict[str, str | int | float]]:
    """For each class its images and the share of them that was recognized."""
    right = logits.argmax(1) == listed.labels
    of_class = [right[listed.labels == label] for label in range(len(listed.classes))]
    return [
        {"class": name, "images": len(of), "recall": of.double().mean().item()}
        for name, of in zip(listed.classes, of_class, strict=True)
        if len(of)
    ]


def worst_mistakes(rows: list[dict[str, str | float]], dataset: str, classifier: Classifier) -> list[Mistake]:
    """The wrong predictions that the model was surest of, and where it looked."""
    wrong = [row for row in rows if row["label"] != row["prediction"]]
    wrong.sort(key=lambda row: -float(row["probability"]))
    with decoders(1):
        return [to_mistake(row, dataset, classifier) for row in wrong[:MISTAKES_SHOWN]]


def to_mistake(row: dict[str, str | float], dataset: str, classifier: Classifier) -> Mistake:
    square = read_square(paths.images(dataset) / str(row["file"]), classifier.preprocessing.resize)[None]
    seen, prediction = middle_crop(square, classifier.preprocessing.crop)[0], str(row["prediction"])
    heat = look(classifier.network, to_input(square, classifier.preprocessing)[0], classifier.classes.index(prediction))
    return Mistake(
        seen.permute(1, 2, 0).numpy(),
        str(row["label"]),
        prediction,
        float(row["probability"]),
        None if heat is None else heat.numpy(),
    )


if __name__ == "__main__":
    run(main)
