"""stages/evaluate.py: its numbers, by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import evaluate, features
from stages.evaluate import Answers
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table
from stages.ground.runtime import Runtime
from stages.models.classifier import Classifier
from stages.models.features import Embedded, Features
from stages.preprocessing.splits import list_split
from stages.statistics.projection import Projection
from tests.drawing import draw_split
from tests.finished import DATA, MODEL

LOGITS = np.array([[2, 0], [0, 1], [3, 0], [0, 0.5]], np.float32)
LABELS = np.array([0, 0, 1, 1])
CLASSES = ["ants", "bees"]
CELL = (MODEL, DATA, "frozen")


def answers(logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> Answers:
    return Answers([f"val/{number}.png" for number in range(len(labels))], labels, logits, logits)


def test_measure() -> None:
    losses = [0.126928, 1.313262, 3.048587, 0.474077]  # log(1 + exp(wrong - right))
    assert evaluate.measure(answers()) == {
        "images": 4,
        "mistakes": 2,
        "accuracy": 0.5,
        "accuracy_low": 0.15,
        "accuracy_high": 0.85,
        "balanced_accuracy": 0.5,
        "loss": pytest.approx(sum(losses) / 4, abs=1e-4),
        "ece": pytest.approx((0.1192 + 0.7311 + 0.9526 + 0.3775) / 4, abs=1e-4),  # each alone in its bin
    }
    assert list(evaluate.measure(answers()))[2] == "accuracy"


def test_the_share_of_false_alarms_is_measured_where_the_model_can_tell() -> None:
    none_of_these = np.array([True, False, False, False])
    measured = evaluate.measure(replace(answers(), none_of_these=none_of_these))
    assert measured == evaluate.measure(answers()) | {"none_of_these": 0.25}


def test_false_alarms_are_those_of_the_classifier(finished_project: Path) -> None:
    classifier = Classifier.load(paths.model(*CELL))
    files = list_split(paths.images(DATA) / "val").files
    told = [outcome.none_of_these for _, outcome in classifier.stream(files)]
    assert json.loads(paths.metrics(*CELL).read_text())["none_of_these"] == pytest.approx(np.mean(told), abs=1e-4)


def test_balanced_accuracy_is_the_mean_of_the_recalls_of_the_classes_there_are() -> None:
    logits = np.array([[1, 0, 0]] * 4, np.float32)
    measured = evaluate.measure(answers(logits, np.array([0, 0, 0, 1])))
    assert (measured["accuracy"], measured["balanced_accuracy"]) == (0.75, 0.5)


def test_predictions_name_file_classes_and_the_probability_of_the_prediction() -> None:
    rows = evaluate.predictions(answers(), CLASSES)
    assert rows[1] == {"file": "val/1.png", "label": "ants", "prediction": "bees", "probability": 0.7311}
    assert [row["prediction"] for row in rows] == ["ants", "bees", "ants", "bees"]


def test_recall_by_class() -> None:
    logits = np.concatenate([LOGITS, np.array([[0, 9]], np.float32)])
    assert evaluate.recall(answers(logits, np.array([0, 0, 1, 1, 1])), CLASSES) == [
        {"class": "ants", "images": 2, "recall": 0.5},
        {"class": "bees", "images": 3, "recall": pytest.approx(2 / 3)},
    ]


def test_test_images_are_measured_apart(finished_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = json.loads(paths.metrics(*CELL).read_text())
    draw_split(paths.images(DATA) / "test", 3, first=50)
    features.main(MODEL, DATA)
    evaluate.main(*CELL)
    with_test = json.loads(paths.metrics(*CELL).read_text())
    assert with_test | without == with_test
    assert (with_test["images"], with_test["test_images"]) == (6, 6)
    assert set(with_test) - set(without) == {f"test_{name}" for name in without if name != "precision"}
    assert with_test["precision"] == "float32"
    assert {row["file"].split("/")[0] for row in read_table(paths.predictions(*CELL))} == {"val"}
    assert "of 6 val images wrong" in capsys.readouterr().out


def test_a_frozen_model_is_measured_on_features_and_they_are_what_the_images_give(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, runtime = Classifier.load(paths.model(*CELL)), Runtime(progress=False)
    listed = list_split(paths.images(DATA) / "val")
    of_images = evaluate.embed(classifier, listed, runtime)
    monkeypatch.setattr(evaluate, "embed", lambda *_: 1 / 0)
    of_features = evaluate.answers_of(classifier, MODEL, DATA, "val", listed, runtime)
    assert np.allclose(of_features.embeddings, of_images, atol=1e-6 * np.abs(of_images).max())
    assert np.array_equal(of_features.logits, classifier.answers(of_features.embeddings))
    changed = Features.read(paths.features(MODEL, DATA))
    Features("of others", changed.classes, changed.splits).write(paths.features(MODEL, DATA))
    with pytest.raises(ZeroDivisionError):  # so it goes to the images
        evaluate.answers_of(classifier, MODEL, DATA, "val", listed, runtime)


def test_features_of_other_images_are_refused(finished_project: Path) -> None:
    kept = Features.read(paths.features(MODEL, DATA))
    val = kept.splits["val"]
    splits = kept.splits | {"val": Embedded(val.files[::-1], val.embeddings, val.labels)}
    Features(kept.backbone, kept.classes, splits).write(paths.features(MODEL, DATA))
    with pytest.raises(ProjectError, match=r"shapes\.safetensors is of other images than data/shapes; run dvc repro"):
        evaluate.main(*CELL)


def test_the_tables_for_drawing_are_of_the_same_images(finished_project: Path) -> None:
    rows = read_table(paths.trained_embeddings(*CELL), ("label", "x", "y", "x_share", "y_share", "wrong"))
    predictions = read_table(paths.predictions(*CELL))
    assert [row["label"] for row in rows] == [row["label"] for row in predictions]
    assert [row["wrong"] == "1" for row in rows] == [row["label"] != row["prediction"] for row in predictions]
    val = Features.read(paths.features(MODEL, DATA)).splits["val"]
    points = Projection.of(val.embeddings)(val.embeddings)
    assert np.allclose([[float(row["x"]), float(row["y"])] for row in rows], points, rtol=1e-4)
    bins = read_table(paths.confidence(*CELL), ("low", "high", "count", "right", "confidence"))
    assert sum(int(row["count"]) for row in bins) == len(rows)
    assert sum(int(row["right"]) for row in bins) == sum(row["wrong"] == "0" for row in rows)
