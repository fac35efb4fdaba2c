"""scripts/export.py: the files for other programs say what the model says."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from scripts import export
from scripts.using import onnx_file, pt2_file
from stages.ground.errors import ProjectError
from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from stages.preprocessing.inputs import IMAGENET_MEAN, IMAGENET_STD, to_input
from stages.preprocessing.squares import read_square
from tests.conftest import PROJECT, clean_environment
from tests.models import CLASSES, draw_foreign, draw_formats, small_model, telling_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    """The ONNX file, by the command itself, beside the model."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "scripts.export", str(model)],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    path = model.with_suffix(".onnx")
    assert done.stdout.startswith(f"{path}: within ")
    assert 'InferenceSession("small.onnx")' in path.with_suffix(".md").read_text(), "its card"
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_formats(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def images(model: Path, pictures: list[Path]) -> np.ndarray:
    look = Classifier.load(model).preprocessing
    return to_input(np.stack([read_square(path, look) for path in pictures]), look)


@pytest.fixture(scope="module")
def expected(model: Path, pictures: list[Path]) -> np.ndarray:
    classifier = Classifier.load(model)
    return np.array([list(classifier(path).probabilities.values()) for path in pictures])


def test_onnx_gives_the_classifiers_probabilities_for_any_number_of_images(
    exported: Path, images: np.ndarray, expected: np.ndarray
) -> None:
    session = onnxruntime.InferenceSession(exported)
    for count in (1, 2, len(images)):
        [given] = session.run(None, {"images": images[:count]})
        np.testing.assert_allclose(given, expected[:count], atol=1e-4)
    [taken], [gives] = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape, taken.type) == ("images", ["N", 3, 64, 64], "tensor(float)")
    assert (gives.name, gives.shape, gives.type) == ("probabilities", ["N", 3], "tensor(float)")


METADATA = {
    "network": "resnet18",
    "classes": CLASSES,
    "resize": 72,
    "crop": 64,
    "mean": list(IMAGENET_MEAN),
    "std": list(IMAGENET_STD),
    "values": None,
    "fit": "crop",
    "interpolation": "bilinear",
    "threshold": None,
    "licence": "MIT",
}


def read_metadata(properties: dict[str, str]) -> dict[str, object]:
    return {key: value if key == "network" else json.loads(value) for key, value in properties.items()}


def test_onnx_holds_classes_and_preprocessing_and_is_valid(exported: Path) -> None:
    properties = onnxruntime.InferenceSession(exported).get_modelmeta().custom_metadata_map
    assert read_metadata(properties) == METADATA
    onnx.checker.check_model(exported, full_check=True)


def test_torch_export_gives_the_classifiers_probabilities(
    model: Path, exported: Path, images: np.ndarray, expected: np.ndarray
) -> None:
    path = model.parent / "new" / "x.pt2"
    assert export.export(model, "torch.export", path) < 1e-5
    first = path.read_bytes()
    extra = {"metadata.json": ""}
    network = torch.export.load(path, extra_files=extra).module()
    for count in (1, len(images)):
        given = network(torch.from_numpy(images[:count]))
        assert list(given) == ["probabilities"]
        np.testing.assert_allclose(given["probabilities"].detach(), expected[:count], atol=1e-4)
    assert read_metadata(json.loads(extra["metadata.json"])) == METADATA

    export.export(model, "torch.export", path)
    assert path.read_bytes() == first, "the same bytes each time"
    for content in (first, exported.read_bytes()):
        assert b"site-packages" not in content, "no path of this machine"


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("telling")
    return telling_model(folder / "telling.safetensors", folder / "known")


@pytest.mark.parametrize("form", ["onnx", "torch.export"])
def test_exports_tell_what_is_none_of_the_classes_as_the_classifier_does(
    telling: Path, pictures: list[Path], form: str, tmp_path: Path
) -> None:
    classifier, path = Classifier.load(telling), tmp_path / "x"
    assert export.export(telling, form, path) < 1e-4
    files = [*pictures, draw_foreign(tmp_path / "foreign.png")]
    images = to_input(
        np.stack([read_square(file, classifier.preprocessing) for file in files]), classifier.preprocessing
    )
    expected = [classifier(file) for file in files]
    run = onnx_file.run_onnx if form == "onnx" else pt2_file.run_pt2
    for given, of in zip(run(path, [images, images[-1:]]), (expected, expected[-1:]), strict=True):
        assert list(given) == ["probabilities", "distance", "none_of_these"]
        assert given["distance"] == pytest.approx([answer.distance for answer in of], abs=1e-3)
        assert given["none_of_these"].dtype == bool
        assert given["none_of_these"].tolist() == [answer.none_of_these for answer in of]
        assert given["none_of_these"].tolist()[-1]
    threshold = export.metadata(classifier.file)["threshold"]
    assert json.loads(threshold) == classifier.file.novelty.threshold
    if form == "onnx":
        onnx.checker.check_model(path, full_check=True)
        assert onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map["threshold"] == threshold


@pytest.mark.parametrize("form", ["onnx", "torch.export"])
def test_a_distance_that_disagrees_is_refused(
    telling: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    module, name = (onnx_file, "write_onnx") if form == "onnx" else (pt2_file, "write_pt2")
    write = getattr(module, name)

    def off(file: ModelFile, *given: object) -> None:
        write(replace(file, novelty=replace(file.novelty, medians=file.novelty.medians - 0.1)), *given)

    monkeypatch.setattr(module, name, off)
    with pytest.raises(
        ProjectError, match=r"x was not written: a distance differed by [.\d]+ from that of .*; expected"
    ):
        export.export(telling, form, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["onnx", "torch.export"])
def test_what_disagrees_is_refused_and_nothing_is_left(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    module, name = (onnx_file, "write_onnx") if form == "onnx" else (pt2_file, "write_pt2")
    write = getattr(module, name)

    def off(file: ModelFile, *given: object) -> None:
        file.bias[0] += 0.01
        write(file, *given)

    monkeypatch.setattr(module, name, off)
    with pytest.raises(ProjectError, match=r"x was not written: a probability differed by 0\.002\d* from"):
        export.export(model, form, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_refused(model: Path, tmp_path: Path) -> None:
    for place in (model, tmp_path):
        with pytest.raises(ProjectError, match="is a folder, or the model itself"):
            export.export(model, "torch.export", place)
    assert Classifier.load(model)
    assert tmp_path.is_dir()
