"""Pictures with more than 8 bits, from data/raw to what `predict` says: one range for all of a data set."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.ground import paths
from stages.ground.files import read_table
from stages.models.classifier import Classifier
from stages.pictures.picture import Values, open_picture
from tests.finished import MODEL, call

CELL = (MODEL, "scans", "frozen")


def draw_scans(folder: Path, count: int, level: int, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        pixels = rng.integers(level, level + 400, (40, 40)).astype(np.uint16)
        Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture
def scans(finished_project: Path) -> Path:
    """Two classes of 12-bit pictures in 16-bit files, which differ in how bright they are."""
    for split, count in (("train", 4), ("val", 3)):
        for seed, (name, level) in enumerate((("dark", 300), ("light", 3000))):
            draw_scans(paths.raw("scans") / split / name, count, level, seed + count)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"] |= {"scans": {}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    return finished_project


def test_the_range_goes_with_the_images_and_the_model(scans: Path) -> None:
    assert [call(stage) for stage in ("arrange scans", f"features {MODEL} scans", f"train {' '.join(CELL)}")] == [0] * 3
    assert json.loads(paths.values("scans").read_text()) == {"black": 0, "white": 4095}
    classifier = Classifier.load(paths.model(*CELL))
    assert classifier.preprocessing.values == Values(0, 4095)
    assert [call(f"{stage} {' '.join(CELL)}") for stage in ("evaluate", "explain")] == [0, 0]
    for row in read_table(paths.predictions(*CELL)):
        file = paths.images("scans") / row["file"]
        of_file, of_picture = classifier(file), classifier(Image.open(file))
        assert of_file.label == row["prediction"]
        assert of_file.probability == pytest.approx(float(row["probability"]), abs=1e-3)
        assert of_picture == of_file
    light = np.asarray(open_picture(paths.images("scans") / "val/light/0.png", Values(0, 4095)))
    assert light.mean() > 180  # by their 16 bits it would be 12


def test_the_entry_may_say_the_range(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"]["scans"] = {"values": [-1000, 3000.5]}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert call("arrange scans") == 0
    assert json.loads(paths.values("scans").read_text()) == {"black": -1000, "white": 3000.5}
    assert "14 pictures have more than 8 bits: of all of them, -1000 becomes black and 3000.5 white (" in (
        capsys.readouterr().out
    )
