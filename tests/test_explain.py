"""stages/explain.py: mistakes with where the network looked, and a check of evaluate's answers on the images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from stages import explain
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, write_table
from stages.models.classifier import Classifier
from tests.finished import DATA, MODEL
from tests.models import small_model

CELL = (MODEL, DATA, "frozen")


def predictions() -> list[dict[str, str]]:
    return read_table(paths.predictions(*CELL))


def mistaken(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """With labels that make every answer a mistake."""
    other = {"discs": "squares", "squares": "discs"}
    return [row | {"label": other[row["prediction"]]} for row in rows]


def test_the_surest_mistakes_come_first_each_with_its_pictures(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "SHOWN", 4)
    write_table(paths.predictions(*CELL), mistaken(predictions()))
    explain.main(*CELL)
    folder = paths.mistakes(*CELL)
    rows = read_table(folder / "mistakes.tsv", ("number", *explain.COLUMNS))
    assert [row["number"] for row in rows] == list("1234")
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[-1] >= sorted(float(row["probability"]) for row in predictions())[-4]
    assert {path.name for path in folder.iterdir()} == {
        "mistakes.tsv", *(f"{number}{kind}.png" for number in "1234" for kind in ("", "-heat"))
    }  # fmt: skip
    look = transforms.Compose([transforms.Resize(36), transforms.CenterCrop(32)])
    with Image.open(folder / "1.png") as seen, Image.open(paths.images(DATA) / rows[0]["file"]) as image:
        assert np.array_equal(np.asarray(seen), np.asarray(look(image.convert("RGB"))))
    with Image.open(folder / "1-heat.png") as heat:
        assert heat.mode == "L"
        assert max(heat.size) < 32


def test_no_mistakes_are_an_empty_table(finished_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(paths.predictions(*CELL), [row | {"label": row["prediction"]} for row in predictions()])
    explain.main(*CELL)
    assert [path.name for path in paths.mistakes(*CELL).iterdir()] == ["mistakes.tsv"]
    assert read_table(paths.mistakes(*CELL) / "mistakes.tsv", explain.COLUMNS, may_be_empty=True) == []
    assert "0 mistakes shown, 6 answers checked on images" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [True, False], ids=["of a mistake", "of a right answer"])
def test_an_answer_that_the_network_does_not_give_is_refused(finished_project: Path, wrong: bool) -> None:
    rows = mistaken(predictions()) if wrong else [row | {"label": row["prediction"]} for row in predictions()]
    rows[0]["probability"] = str(float(rows[0]["probability"]) - 0.01)
    write_table(paths.predictions(*CELL), rows)
    before = {path: path.read_bytes() for path in paths.mistakes(*CELL).iterdir()}
    with pytest.raises(ProjectError, match=rf"^{rows[0]['file']}: the network gives .* and evaluate gave"):
        explain.main(*CELL)
    assert {path: path.read_bytes() for path in paths.mistakes(*CELL).iterdir()} == before


def test_with_and_without_torch_the_network_looked_at_the_same_places(tmp_path: Path) -> None:
    classifier = Classifier.load(small_model(tmp_path / "model.safetensors"))
    square = np.random.default_rng(0).integers(0, 256, (3, 72, 72), np.uint8)
    assert classifier.backbone.has_places
    without = explain.looker(classifier)(square, 1)
    classifier.backbone.has_places = False
    with_torch = explain.looker(classifier)(square, 1)
    assert with_torch.shape == without.shape == (2, 2)
    assert np.allclose(with_torch, without, atol=1e-4)
