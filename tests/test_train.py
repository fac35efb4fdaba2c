"""stages/train.py beyond what the whole graph shows in tests/test_repro.py: the data it reads, what it says."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from stages import train
from stages.common import paths
from stages.common.classifier import Classifier
from stages.common.distributed import ALONE, Team
from stages.common.images import Preprocessing
from stages.common.network import build, last_layer_name
from stages.common.params import load_params
from tests.conftest import PROJECT
from tests.drawing import draw_data_set
from tests.processor import processor

LOOK = Preprocessing(resize=40, crop=32)


@pytest.fixture
def project(in_folder: Path) -> Path:
    text = (PROJECT / "params.yaml").read_text()
    text = (
        text.replace("batch_size: 32", "batch_size: 16")
        .replace("resize: 256", "resize: 40")
        .replace("crop: 224", "crop: 32")
        .replace("epochs: 10", "epochs: 1")
    )
    (in_folder / "params.yaml").write_text(text)
    draw_data_set(paths.images("mine"))
    network = build("mobilenet_v2")
    last = last_layer_name(network)
    weights = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(last)}
    paths.weights("mobilenet_v2").parent.mkdir()
    torch.save(weights, paths.weights("mobilenet_v2"))
    return in_folder


def set_precision(precision: str) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("precision: auto", f"precision: {precision}"))


def test_train_images_are_augmented_and_val_images_are_not(project: Path) -> None:
    params = load_params()
    augment = params.variants["unfrozen"].augment
    classes, of_train, of_val = train.read_splits(paths.images("mine"), LOOK, params, augment, ALONE)
    some, cpu = torch.arange(4), torch.device("cpu")
    assert classes == ["discs", "squares"]
    assert not torch.equal(of_train.inputs(some, cpu, epoch=1), of_train.inputs(some, cpu, epoch=2))
    assert torch.equal(of_val.inputs(some, cpu, epoch=1), of_val.inputs(some, cpu))


def test_the_model_file_is_enough_to_use_the_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.main("mobilenet_v2", "mine", "unfrozen")
    said = capsys.readouterr()
    assert re.search(r"^epoch 1/1: train loss .*; 0 s to go$", said.out, re.M)
    assert re.search(r"^mobilenet_v2 mine unfrozen: accuracy [.\d]+ on 10 val images after epoch 1$", said.out, re.M)
    assert said.err == ""
    classifier = Classifier.load(paths.model("mobilenet_v2", "mine", "unfrozen"))
    assert (classifier.name, classifier.classes) == ("mobilenet_v2", ["discs", "squares"])
    assert classifier.preprocessing == LOOK
    assert not classifier.network.training


@pytest.mark.parametrize(
    ("native", "setting", "used"),
    [
        (True, "auto", "bfloat16"),
        (False, "auto", "float32"),
        (True, "float32", "float32"),
        (True, "bfloat16", "bfloat16"),
    ],
)
def test_the_precision_that_was_used_is_said_and_stands_in_the_model(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    native: bool,
    setting: str,
    used: str,
) -> None:
    processor(monkeypatch, avx512_bf16=native)
    set_precision(setting)
    train.main("mobilenet_v2", "mine", "unfrozen")
    said = capsys.readouterr()
    assert f"training all layers of mobilenet_v2 on cpu in {used}\n" in said.out
    assert said.err == ""
    assert Classifier.load(paths.model("mobilenet_v2", "mine", "unfrozen")).precision == used


def test_forcing_bfloat16_where_it_is_emulated_says_how_slow_that_is(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch)
    set_precision("bfloat16")
    train.main("mobilenet_v2", "mine", "unfrozen")
    line = r"warning: params\.yaml: precision is bfloat16, .* a step takes about \d+(\.\d+)? times as long as .*\n"
    assert re.fullmatch(line, capsys.readouterr().err)


def test_a_last_layer_is_trained_in_float32_whatever_the_setting(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch)
    set_precision("bfloat16")
    split = {"embeddings": torch.randn(16, 1280), "labels": torch.arange(16) % 2}
    paths.features("mobilenet_v2", "mine").parent.mkdir(parents=True)
    torch.save({"classes": ["a", "b"], "train": split, "val": split}, paths.features("mobilenet_v2", "mine"))
    train.main("mobilenet_v2", "mine", "frozen")
    assert Classifier.load(paths.model("mobilenet_v2", "mine", "frozen")).precision == "float32"
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_the_epochs_to_come_by_their_pixels(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", iter([0, 8, 16, 32]).__next__)
    recipe = load_params().variants["unfrozen"].model_copy(update={"epochs": 3})
    recipe = recipe.model_copy(update={"augment": recipe.augment.model_copy(update={"small_epochs": 2})})
    report = train.reporter(recipe, crop=320)
    for epoch in (1, 2, 3):
        row = {"epoch": epoch, "loss": 1.0, "accuracy": 0.5}
        report(row, row)
    left = re.findall(r"; (\d+) s to go", capsys.readouterr().out)
    assert left == ["40", "32", "0"], "crops of 160 and, in the last epoch, of 320 pixels"


def test_keeping_the_best_epoch_is_called_optimistic(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "params.yaml"
    before, unfrozen = path.read_text().split("  unfrozen:")
    path.write_text(f"{before}  unfrozen:{unfrozen.replace('select: last', 'select: best')}")
    train.main("mobilenet_v2", "mine", "unfrozen")
    assert "optimistic" in capsys.readouterr().out


def test_a_network_that_takes_one_size_of_images_trains_on_no_smaller_crops(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(train, "read_splits", lambda *arguments: seen.append(arguments[3]) or 1 / 0)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["models"]["vit_b_16"] = params["models"]["mobilenet_v2"] | {"resize": 256, "crop": 224}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for model in ("vit_b_16", "mobilenet_v2"):
        with pytest.raises(ZeroDivisionError):
            train.main(model, "mine", "unfrozen")
    assert [augment.small_crop for augment in seen] == [None, 160]


def test_memory_for_images_is_shared_by_train_and_val(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(train, "read_images", lambda listed, look, runtime, *_: asked.append(runtime.image_cache_mib))
    params = load_params()
    train.read_splits(paths.images("mine"), LOOK, params, None, Team(0, 2))
    assert asked == [4096 // 2 * 16 // 26, 4096 // 2 * 10 // 26]
