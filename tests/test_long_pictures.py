"""`fit` of a network, on pictures five times as wide as high: what lies at their ends gets through all stages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scripts.using.explanation import explain as shown
from stages import evaluate, explain, features, train
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_json
from stages.ground.runtime import Runtime
from stages.heads.linear import Embeddings
from stages.heads.probe import fit_probe
from stages.models.backbone import Backbone
from stages.models.classifier import Classifier
from stages.models.features import Features
from stages.models.model_file import ModelFile
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import list_split
from stages.preprocessing.squares import read_square, read_squares
from stages.training.examples import read_images
from tests.drawing import KINDS
from tests.finished import DATA, MODEL
from tests.models import small_model
from tests.test_serve import pixels

CELL = (MODEL, DATA, "frozen")


def draw_ends(folder: Path, count: int) -> None:
    """Noise of 400 x 80 pixels: at both ends a light disc, or a dark square; in the middle nothing."""
    for kind in KINDS:
        for number in range(count):
            noise = np.random.default_rng([KINDS.index(kind), number]).integers(80, 170, (80, 400, 3), dtype=np.uint8)
            image = Image.fromarray(noise)
            draw = ImageDraw.Draw(image)
            for left in (10, 330):
                if kind == "discs":
                    draw.ellipse((left, 10, left + 60, 70), fill=(240, 240, 200))
                else:
                    draw.rectangle((left, 10, left + 60, 70), fill=(20, 20, 60))
            (folder / kind).mkdir(parents=True, exist_ok=True)
            image.save(folder / kind / f"{kind}.{number}.png")


def test_classes_that_differ_at_the_ends_are_told_apart_where_these_are_seen(tmp_path: Path) -> None:
    """A network of drawn weights is enough for that."""
    draw_ends(tmp_path / "ends", 40)
    listed, file = list_split(tmp_path / "ends"), ModelFile.read(small_model(tmp_path / "model"))
    backbone, accuracies = Backbone(file.graph, file.tensors, "cpu", 1), {}
    for fit in ("crop", "pad", "squash"):
        look = Preprocessing(72, 64, fit=fit)
        (squares,) = read_squares(listed.files, look, 80, 2, progress=False)
        of = Embeddings(backbone.embeddings(to_input(squares, look)), listed.labels)
        odd = np.arange(80) % 2 == 1
        head, _ = fit_probe(of.part(odd), 0)
        accuracies[fit] = (head.logits(of.embeddings[~odd]).argmax(1) == listed.labels[~odd]).mean()
    assert 0.3 < accuracies["crop"] < 0.7
    assert (accuracies["pad"], accuracies["squash"]) == (1, 1)


def test_what_trains_whole_networks_has_the_same_squares(tmp_path: Path) -> None:
    draw_ends(tmp_path, 2)
    listed = list_split(tmp_path)
    for fit, side in (("crop", 40), ("pad", 32), ("squash", 32)):
        look = Preprocessing(40, 32, fit=fit)
        images = read_images(listed, look, Runtime(progress=False))
        assert images.squares.shape == (4, 3, side, side)
        assert np.array_equal(images.squares, np.stack([read_square(path, look) for path in listed.files]))


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_every_stage_sees_what_the_setting_says(finished_project: Path, fit: str) -> None:
    before = Features.read(paths.features(MODEL, DATA)).splits["val"].embeddings
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("fit: crop", f"fit: {fit}"))
    with pytest.raises(ProjectError, match=rf"safetensors is of .*; expected .* {fit}; run dvc repro$"):
        train.main(*CELL)
    features.main(MODEL, DATA)
    of = Features.read(paths.features(MODEL, DATA)).splits["val"]
    assert not np.allclose(of.embeddings, before, rtol=1e-6, atol=0)
    train.main(*CELL)
    file = ModelFile.read(paths.model(*CELL))
    assert file.preprocessing == Preprocessing(36, 32, fit=fit)
    evaluate.main(*CELL)
    explain.main(*CELL)  # which checks evaluate's answers on the pictures
    assert read_json(paths.metrics(*CELL))["images"] == 6
    for picture in paths.mistakes(*CELL).glob("[0-9].png"):
        with Image.open(picture) as seen:
            assert seen.size == (32, 32)


def test_the_page_that_serves_shows_all_that_was_seen(tmp_path: Path) -> None:
    draw_ends(tmp_path, 1)
    picture = tmp_path / "discs/discs.0.png"
    loaded = Classifier.load(small_model(tmp_path / "model"))
    for fit in ("pad", "squash"):
        look = Preprocessing(72, 64, fit=fit)
        classifier = Classifier(replace(loaded.file, preprocessing=look), loaded.backbone)
        seen = pixels(shown(classifier, classifier.look, picture.read_bytes())["seen"])
        assert np.array_equal(seen, read_square(picture, look).transpose(1, 2, 0))
        assert seen.shape == (64, 64, 3)
