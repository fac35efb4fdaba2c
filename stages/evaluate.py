"""Measure the finished model on the val images, and on the test images where there are any.

A model of which the last layer alone was trained is measured on the kept features, which are what its other layers
give; any other one on the images themselves. explain@MODEL-DATASET-VARIANT takes images through either, and checks that
the answers are these.

In:  models/MODEL/DATASET/VARIANT.safetensors, features/MODEL/DATASET.safetensors, data/DATASET/
Out: metrics/MODEL/DATASET/VARIANT.json
     of the val images, in plots/MODEL/DATASET/VARIANT/: predictions.tsv (file below data/DATASET/, label, prediction,
     probability of the prediction), recall.tsv (class, images, recall); in tables/MODEL/DATASET/:
     VARIANT-confidence.tsv (low, high, count, right, confidence: answers by their probability) and
     VARIANT-embeddings.tsv (label, x, y, x_share, y_share, wrong: as this network sees them, in the plane along which
     they vary most)
"""

from dataclasses import dataclass

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import write_json, write_table
from stages.ground.room import filled
from stages.ground.runtime import Runtime, load_runtime
from stages.models.classifier import BATCH, Classifier
from stages.models.features import Features
from stages.preprocessing.splits import LabelledFiles, list_splits
from stages.preprocessing.squares import read_squares
from stages.statistics.calibration import ConfidenceBin, confidence_bins, expected_calibration_error
from stages.statistics.inference import and_balanced, wilson_interval
from stages.statistics.projection import Projection
from stages.statistics.scores import are_unequal, balanced_accuracy, class_ratio, score, softmax


@dataclass(frozen=True)
class Answers:
    """What the model says of one split's images."""

    files: list[str]  # relative to data/DATASET/
    labels: np.ndarray  # (N,) int64
    embeddings: np.ndarray  # (N, D) float32
    logits: np.ndarray  # (N, classes) float32
    none_of_these: np.ndarray | None = None  # (N,) bool, what looks like no class; None where the model cannot tell

    @property
    def predicted(self) -> np.ndarray:
        predicted: np.ndarray = self.logits.argmax(1)
        return predicted

    @property
    def right(self) -> np.ndarray:
        right: np.ndarray = self.predicted == self.labels
        return right

    @property
    def probabilities(self) -> np.ndarray:
        """Of the answers, (N,)"""
        probabilities: np.ndarray = softmax(self.logits).max(1)
        return probabilities

    def by_confidence(self) -> list[ConfidenceBin]:
        return confidence_bins(self.probabilities.tolist(), self.right.tolist())


def main(model: str, dataset: str, variant: str) -> None:
    runtime, cell = load_runtime(), (model, dataset, variant)
    classifier = Classifier.load(paths.model(*cell), runtime.device)
    splits = list_splits(paths.images(dataset))
    val = answers_of(classifier, model, dataset, "val", splits["val"], runtime)
    numbers = measure(val)
    if "test" in splits:
        of_test = measure(answers_of(classifier, model, dataset, "test", splits["test"], runtime))
        numbers |= {f"test_{name}": value for name, value in of_test.items()}
    write_table(paths.predictions(*cell), predictions(val, classifier.classes))
    write_table(paths.recall(*cell), recall(val, classifier.classes))
    write_table(paths.confidence(*cell), [of.row() for of in val.by_confidence()])
    write_table(paths.trained_embeddings(*cell), projected(val, classifier.classes))
    write_json(paths.metrics(*cell), {"precision": classifier.file.precision, **numbers})
    print(
        f"{model} {dataset} {variant}: {numbers['mistakes']} of {numbers['images']} val images wrong, accuracy"
        f" {numbers['accuracy']:.4f} (95 % interval {numbers['accuracy_low']:.4f} to {numbers['accuracy_high']:.4f})"
        f"{and_balanced(numbers)}"
    )


def answers_of(
    classifier: Classifier, model: str, dataset: str, split: str, listed: LabelledFiles, runtime: Runtime
) -> Answers:
    folder = paths.images(dataset)
    check_classes(classifier, listed, f"{folder / split}")
    files = [path.relative_to(folder).as_posix() for path in listed.files]
    features = Features.read(paths.features(model, dataset)) if classifier.file.backbone else None
    if features and features.backbone == classifier.file.backbone:
        if (of := features.splits.get(split)) is None or of.files != files:
            raise ProjectError(f"{paths.features(model, dataset)} is of other images than {folder}; run dvc repro")
        embeddings = of.embeddings
    else:
        embeddings = embed(classifier, listed, runtime)
    return Answers(files, listed.labels, embeddings, classifier.answers(embeddings), foreign(classifier, embeddings))


def foreign(classifier: Classifier, embeddings: np.ndarray) -> np.ndarray | None:
    """(N,) bool, what it calls none of its classes."""
    novelty = classifier.file.novelty
    return None if novelty is None else novelty.distances(embeddings) > novelty.threshold


def check_classes(classifier: Classifier, listed: LabelledFiles, folder: str) -> None:
    """An index among other classes would mean another one."""
    if listed.classes != classifier.classes:
        raise ProjectError(
            f"{folder} has the classes {', '.join(listed.classes)}; the model was trained on"
            f" {', '.join(classifier.classes)}. Run dvc repro, which trains on what is there"
        )


def embed(classifier: Classifier, listed: LabelledFiles, runtime: Runtime) -> np.ndarray:
    """(N, D) float32. A batch of images is in memory, and some ahead of it."""
    shape = (len(listed.files), classifier.file.weight.shape[1])
    batches = read_squares(listed.files, classifier.preprocessing, BATCH, runtime.workers, runtime.progress)
    return filled(shape, np.float32, map(classifier.embeddings, batches))


def measure(answers: Answers) -> dict[str, float]:
    """The numbers of one split.

    accuracy_low and accuracy_high bound the 95 % interval of the accuracy; balanced_accuracy is the mean of the
    classes' recalls; ece is the expected calibration error, in ten bins; none_of_these is the share of images that look
    like no class: false alarms. class_ratio is there where classes are unequal: whatever shows the accuracy then shows
    balanced_accuracy beside it.
    """
    loss, accuracy = score(answers.logits, answers.labels)
    count, mistakes = len(answers.labels), int((~answers.right).sum())
    low, high = wilson_interval(count - mistakes, count)
    rounded = {
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": balanced_accuracy(answers.right, answers.labels),
        **({"class_ratio": class_ratio(answers.labels)} if are_unequal(answers.labels) else {}),
        "loss": loss,
        "ece": expected_calibration_error(answers.by_confidence()),
    }
    if answers.none_of_these is not None:
        rounded["none_of_these"] = float(answers.none_of_these.mean())
    return {"images": count, "mistakes": mistakes, **{name: round(value, 4) for name, value in rounded.items()}}


def predictions(answers: Answers, classes: list[str]) -> list[dict[str, str | float]]:
    rows = zip(answers.files, answers.labels, answers.predicted, answers.probabilities.tolist(), strict=True)
    return [
        {"file": file, "label": classes[label], "prediction": classes[answer], "probability": round(probability, 4)}
        for file, label, answer, probability in rows
    ]


def recall(answers: Answers, classes: list[str]) -> list[dict[str, str | int | float]]:
    """For each class its images and the share of them that was recognized."""
    of_class = [answers.right[answers.labels == label] for label in range(len(classes))]
    return [
        {"class": name, "images": len(of), "recall": float(of.mean())}
        for name, of in zip(classes, of_class, strict=True)
        if len(of)
    ]


def projected(answers: Answers, classes: list[str]) -> list[dict[str, object]]:
    points = Projection.of(answers.embeddings).points(answers.embeddings)
    rows = zip(answers.labels, points, (~answers.right).astype(int).tolist(), strict=True)
    return [{"label": classes[label], **point, "wrong": wrong} for label, point, wrong in rows]


if __name__ == "__main__":
    run(main)
