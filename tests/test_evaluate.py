"""stages/evaluate.py: its numbers, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from stages import evaluate
from stages.common import paths
from stages.common.classifier import Classifier
from stages.common.files import read_table
from stages.common.images import LabelledFiles, Preprocessing, list_split
from stages.common.network import build, last_layer_name, new_last_layer, set_last_layer
from stages.common.params import Runtime
from stages.common.projection import Projection
from tests.conftest import PROJECT
from tests.drawing import draw_data_set, draw_split

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]])
LABELS = torch.tensor([0, 0, 1, 1])
LISTED = LabelledFiles([Path(f"data/d/val/{name}.png") for name in "wxyz"], LABELS, ["ants", "bees"])


def test_measure() -> None:
    losses = [0.126928, 1.313262, 3.048587, 0.474077]  # log(1 + exp(wrong - right))
    assert evaluate.measure(LOGITS, LABELS) == {
        "images": 4,
        "mistakes": 2,
        "accuracy": 0.5,
        "accuracy_low": 0.15,
        "accuracy_high": 0.85,
        "balanced_accuracy": 0.5,
        "loss": pytest.approx(sum(losses) / 4, abs=1e-4),
        "ece": pytest.approx((0.1192 + 0.7311 + 0.9526 + 0.3775) / 4, abs=1e-4),  # each alone in its bin
    }
    assert list(evaluate.measure(LOGITS, LABELS))[2] == "accuracy"


def test_balanced_accuracy_is_the_mean_of_the_recalls_of_the_classes_there_are() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0]] * 4)
    measured = evaluate.measure(logits, torch.tensor([0, 0, 0, 1]))
    assert (measured["accuracy"], measured["balanced_accuracy"]) == (0.75, 0.5)


def test_predictions_name_file_classes_and_the_probability_of_the_prediction() -> None:
    rows = evaluate.predictions(LOGITS, LISTED, "d")
    assert rows[1] == {"file": "val/x.png", "label": "ants", "prediction": "bees", "probability": 0.7311}
    assert [row["prediction"] for row in rows] == ["ants", "bees", "ants", "bees"]


def test_recall_by_class() -> None:
    logits = torch.cat([LOGITS, torch.tensor([[0.0, 9.0]])])
    listed = LabelledFiles([*LISTED.files, Path("data/d/val/v.png")], torch.tensor([0, 0, 1, 1, 1]), ["ants", "bees"])
    assert evaluate.recall(logits, listed) == [
        {"class": "ants", "images": 2, "recall": 0.5},
        {"class": "bees", "images": 3, "recall": pytest.approx(2 / 3)},
    ]


@pytest.fixture
def cell(in_folder: Path) -> tuple[str, str, str]:
    """A finished model of random weights, and images."""
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    draw_data_set(paths.images("mine"))
    network = build("mobilenet_v3_small")
    set_last_layer(network, new_last_layer(network, 2))
    Classifier(network, "mobilenet_v3_small", ["discs", "squares"], Preprocessing(40, 32), "bfloat16").save(
        paths.model("mobilenet_v3_small", "mine", "frozen")
    )
    return "mobilenet_v3_small", "mine", "frozen"


def test_test_images_are_measured_apart(cell: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(*cell)
    without = json.loads(paths.metrics(*cell).read_text())
    draw_split(paths.images("mine") / "test", 3, first=50)
    evaluate.main(*cell)
    with_test = json.loads(paths.metrics(*cell).read_text())
    assert with_test | without == with_test
    assert (with_test["images"], with_test["test_images"]) == (10, 6)
    assert set(with_test) - set(without) == {f"test_{name}" for name in without if name != "precision"}
    assert with_test["precision"] == "bfloat16"
    assert {row["file"].split("/")[0] for row in read_table(paths.predictions(*cell))} == {"val"}
    assert "of 10 val images wrong" in capsys.readouterr().out


def test_the_surest_mistakes_are_shown_first(cell: tuple[str, str, str]) -> None:
    evaluate.main(*cell)
    rows = [dict(row) for row in read_table(paths.predictions(*cell))]
    wrong = evaluate.worst_mistakes(rows, "mine", Classifier.load(paths.model(*cell)))
    assert len(wrong) == json.loads(paths.metrics(*cell).read_text())["mistakes"]
    assert len(wrong) > 0
    assert all(mistake.label != mistake.prediction for mistake in wrong)
    probabilities = [mistake.probability for mistake in wrong]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_mistake_is_shown_as_the_square_that_the_network_saw_and_where_it_looked_in_it(
    cell: tuple[str, str, str],
) -> None:
    classifier = Classifier.load(paths.model(*cell))
    row = {"file": "val/discs/discs.8.png", "label": "discs", "prediction": "squares", "probability": 0.9}
    mistake = evaluate.to_mistake(row, "mine", classifier)
    look = transforms.Compose([transforms.Resize(40), transforms.CenterCrop(32), transforms.PILToTensor()])
    seen = look(Image.open(paths.images("mine") / "val/discs/discs.8.png"))
    assert torch.equal(torch.from_numpy(mistake.image.copy()).permute(2, 0, 1), seen)
    assert mistake.heat.shape == (32, 32)
    assert 0 <= mistake.heat.min() <= mistake.heat.max() <= 1


def test_the_reliability_diagram_is_written(cell: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(*cell)
    assert paths.reliability(*cell).read_bytes().startswith(b"\x89PNG")


def test_embeddings_are_what_the_last_layer_makes_the_logits_of(cell: tuple[str, str, str]) -> None:
    classifier, val = Classifier.load(paths.model(*cell)), list_split(paths.images("mine") / "val")
    logits, embeddings = evaluate.run_classifier(classifier, val, Runtime(progress=False))
    last_layer = classifier.network.get_submodule(last_layer_name(classifier.network))
    assert torch.allclose(last_layer(embeddings), logits, atol=1e-5)
    axes = evaluate.embeddings_figure("net", embeddings, logits, val).axes[0]
    assert len(axes.collections[-1].get_offsets()) == int((logits.argmax(1) != val.labels).sum())
    drawn = np.concatenate([points.get_offsets() for points in axes.collections[:-1]])
    assert np.allclose(drawn, Projection.of(embeddings)(embeddings))
