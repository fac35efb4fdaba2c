"""stages/train.py beyond what the whole graph shows in tests/test_repro.py: the data it reads, what it says."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from stages import features, train
from stages.ground import paths
from stages.ground.files import read_table, write_json
from stages.ground.runtime import Runtime
from stages.ground.seeds import derived_rng
from stages.heads.fit import start_layer
from stages.heads.linear import Embeddings
from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.networks.graph import to_graph
from stages.networks.network import build, tensors_of
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, list_split
from stages.preprocessing.squares import read_square
from stages.recipes.variant import Variant
from stages.settings import load_params
from stages.statistics.novelty import Novelty
from stages.training import whole
from stages.training.compute import Compute
from stages.training.distributed import ALONE, Team
from stages.training.examples import Images
from tests.conftest import PROJECT, to_yaml
from tests.drawing import draw_data_set
from tests.processor import processor

LOOK = Preprocessing(resize=40, crop=32)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = build("mobilenet_v2")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # its statistics are those of one batch, not the initial ones, which dwarf embeddings
    network.train()(torch.randn(8, 3, 32, 32))
    tensors = {name: of for name, of in tensors_of(network).items() if not name.startswith("classifier.1.")}
    Pretrained(
        "mobilenet_v2", "mobilenet_v2", "classifier.1", 1280, 32, "MIT", to_graph(network.eval(), 32), tensors
    ).write(folder / paths.weights("mobilenet_v2").name)
    return folder


@pytest.fixture
def project(in_folder: Path, pretrained: Path) -> Path:
    text = (PROJECT / "params.yaml").read_text()
    text = (
        text.replace("batch_size: 32", "batch_size: 16")
        .replace("resize: 256", "resize: 40")
        .replace("crop: 224", "crop: 32")
        .replace("epochs: 10", "epochs: 1")
    )
    (in_folder / "params.yaml").write_text(text)
    draw_data_set(paths.images("mine"))
    shutil.copytree(pretrained, "weights")
    return in_folder


def set_precision(precision: str) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("precision: auto", f"precision: {precision}"))


def splits() -> tuple[LabelledFiles, LabelledFiles]:
    train, val = (list_split(paths.images("mine") / split) for split in ("train", "val"))
    return train, val


def test_train_images_are_augmented_and_val_images_are_not(project: Path) -> None:
    augment = load_params().variants["unfrozen"].augment
    of_train, of_val = whole.read_splits(*splits(), LOOK, augment, 0, Runtime(progress=False), ALONE)
    some, cpu = np.arange(4), torch.device("cpu")
    assert not torch.equal(of_train.augmented(some, cpu, 1), of_train.augmented(some, cpu, 2))
    assert torch.equal(of_val.augmented(some, cpu, 1), of_val.augmented(some, cpu, 2))
    assert np.array_equal(of_val.augmented(some, cpu, 1), to_input(of_val.squares[some], LOOK))


def test_the_model_file_is_enough_to_use_the_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.main("mobilenet_v2", "mine", "unfrozen")
    said = capsys.readouterr()
    assert re.search(r"^epoch 1/1: train loss .*; 0 s to go$", said.out, re.M)
    assert re.search(r"^mobilenet_v2 mine unfrozen: accuracy [.\d]+ on 10 val images after epoch 1$", said.out, re.M)
    assert said.err == ""
    classifier = Classifier.load(paths.model("mobilenet_v2", "mine", "unfrozen"))
    assert (classifier.file.network, classifier.classes) == ("mobilenet_v2", ["discs", "squares"])
    assert classifier.preprocessing == LOOK
    last = read_table(paths.history("mobilenet_v2", "mine", "unfrozen"))[-1]
    files = list_split(paths.images("mine") / "val").files
    right = [outcome.label == path.parent.name for path, outcome in classifier.stream(files)]
    assert float(last["accuracy"]) == pytest.approx(sum(right) / len(right)), "the history is of the finished model"


def test_what_tells_none_of_the_classes_is_of_the_finished_network_and_of_whole_groups(project: Path) -> None:
    files = list_split(paths.images("mine") / "train").files
    names = {file.relative_to(paths.images("mine")).as_posix(): f"{number // 2}" for number, file in enumerate(files)}
    names |= {
        file.relative_to(paths.images("mine")).as_posix(): file.name
        for file in list_split(paths.images("mine") / "val").files
    }
    for together in (False, True):
        if together:
            write_json(paths.groups("mine"), names)
        features.main("mobilenet_v2", "mine")
        for variant in ("frozen", "unfrozen"):
            train.main("mobilenet_v2", "mine", variant)
            classifier = Classifier.load(paths.model("mobilenet_v2", "mine", variant))
            labels = np.array([classifier.classes.index(file.parent.name) for file in files])
            embeddings = classifier.embeddings(np.stack([read_square(file, LOOK) for file in files]))
            of_groups, alone = (
                Novelty.of(embeddings, labels, groups, load_params().false_alarms, derived_rng(0))
                for groups in (np.arange(len(files)) // 2, None)
            )
            novelty, expected = classifier.file.novelty, of_groups if together else alone
            assert of_groups.threshold != pytest.approx(alone.threshold, rel=1e-2)
            assert novelty.threshold == pytest.approx(expected.threshold, rel=1e-3)
            assert novelty.distances(embeddings) == pytest.approx(expected.distances(embeddings), abs=1e-2)


def test_images_of_one_group_train_a_model_that_says_nothing_of_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [path.relative_to(paths.images("mine")).as_posix() for path in paths.images("mine").rglob("*.png")]
    write_json(paths.groups("mine"), dict.fromkeys(files, "one"))
    features.main("mobilenet_v2", "mine")
    train.main("mobilenet_v2", "mine", "frozen")
    assert Classifier.load(paths.model("mobilenet_v2", "mine", "frozen")).file.novelty is None
    assert "it will not tell what is none of its classes: " in capsys.readouterr().out


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
    assert ModelFile.read(paths.model("mobilenet_v2", "mine", "unfrozen")).precision == used


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
    features.main("mobilenet_v2", "mine")
    capsys.readouterr()
    train.main("mobilenet_v2", "mine", "frozen")
    assert ModelFile.read(paths.model("mobilenet_v2", "mine", "frozen")).precision == "float32"
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_the_epochs_to_come(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.monotonic", iter([0, 8, 18, 30]).__next__)
    recipe = load_params().variants["unfrozen"].model_copy(update={"epochs": 3})
    report = whole.reporter(recipe, ("mobilenet_v2", "mine", "unfrozen"))
    for epoch in (1, 2, 3):
        row = {"epoch": epoch, "split": "val", "loss": 1.0, "accuracy": 0.5, "lr": 0.1}
        report([row] * 2 * epoch)
        assert len(read_table(paths.history("mobilenet_v2", "mine", "unfrozen"))) == 2 * epoch  # it grows
    assert re.findall(r"; (\d+) s to go", capsys.readouterr().out) == ["16", "10", "0"]


def test_keeping_the_best_epoch_is_called_optimistic(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "params.yaml"
    before, unfrozen = path.read_text().split("  unfrozen:")
    unfrozen = unfrozen.replace("select: last", "select: best").replace("recompute_batchnorm: true", "")
    path.write_text(f"{before}  unfrozen:{unfrozen.replace('    # after', '    #')}")
    train.main("mobilenet_v2", "mine", "unfrozen")
    assert "optimistic" in capsys.readouterr().out


def test_a_network_that_takes_one_size_of_images_trains_on_no_smaller_crops(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(whole, "read_splits", lambda *arguments: seen.append(arguments[3]) or 1 / 0)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["models"]["vit_b_16"] = params["models"]["mobilenet_v2"] | {"name": "vit_b_16", "resize": 256, "crop": 224}
    weights = Pretrained.read(paths.weights("mobilenet_v2"), "mobilenet_v2")
    replace(weights, model="vit_b_16", network="vit_b_16").write(paths.weights("vit_b_16"))
    Path("params.yaml").write_text(to_yaml(params))
    for model in ("vit_b_16", "mobilenet_v2"):
        with pytest.raises(ZeroDivisionError):
            train.main(model, "mine", "unfrozen")
    assert [augment.crop for augment in seen] == [None, 160]
    recipe = load_params().variants["unfrozen"].model_copy(update={"augment": None})
    assert whole.augmentation(recipe, "vit_b_16") is None


def test_memory_for_images_is_shared_by_train_and_val(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(whole, "read_images", lambda listed, look, runtime, *_: asked.append(runtime.image_cache_mib))
    whole.read_splits(*splits(), LOOK, None, 0, Runtime(), Team(0, 2, 2))
    assert asked == [4096 // 2 * 16 // 26, 4096 // 2 * 10 // 26]


class Look:
    """In the place of whole.Validation: the share that the network was blended with last."""

    share = -1.0

    def __init__(self, *_: object) -> None: ...

    def logits(self, _: object) -> float:
        return Look.share


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        ({0: 0.3, 0.25: 0.2, 0.5: 0.1, 1: 0.3}, 0.5),
        ({0: 0.1, 0.25: 0.1, 0.5: 0.2, 1: 0.3}, 0),  # equal: the start
        ({0: 0.3, 0.25: 0.1 + 1e-9, 0.5: 0.1 + 2e-9, 1: 0.1}, 1),
    ],
)
def test_the_blend_is_chosen_by_the_log_loss_on_train_images_that_were_held_out(
    monkeypatch: pytest.MonkeyPatch, losses: dict[float, float], chosen: float, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, trained_on = np.arange(50) % 2, []
    images = Images(np.arange(50)[:, None], labels, LOOK)
    rng = np.random.default_rng(0)
    embeddings = Embeddings(rng.normal(size=(50, 3)).astype(np.float32), labels, np.arange(50) // 2)
    recipe = Variant.model_validate(AUTO)

    def trained(inner: Variant, learnt: Images, asked: Images, *_: object, **__: object) -> tuple:
        trained_on.append((inner, learnt.squares[:, 0].tolist(), asked.squares[:, 0].tolist()))
        return nn.Linear(3, 2), []

    monkeypatch.setattr(whole, "trained", trained)
    monkeypatch.setattr(whole, "with_last_layer", lambda *_: nn.Linear(3, 2))
    monkeypatch.setattr(whole, "Validation", Look)
    monkeypatch.setattr(whole, "blend", lambda _, __, share: setattr(Look, "share", share))
    monkeypatch.setattr(whole, "cross_entropy", lambda share, of: np.full(len(of), losses[share]))
    compute = Compute(torch.device("cpu"), "float32")
    assert whole.chosen_share(recipe, images, None, embeddings, 0, compute) == chosen
    [(inner, learnt, asked)] = trained_on
    assert inner.blend is None
    assert sorted([*learnt, *asked]) == list(range(50))
    assert len(asked) == 10
    assert {number // 2 for number in learnt} & {number // 2 for number in asked} == set()  # groups are whole
    assert f"; {chosen:g} is taken\n" in capsys.readouterr().out


AUTO = {
    "trainable": "all", "epochs": 1, "batch_size": 4, "lr": 0.001, "momentum": 0.9, "weight_decay": 0,
    "schedule": "cosine", "start": "probe", "blend": "auto",
}  # fmt: skip


@pytest.mark.parametrize(("share", "epochs"), [(0, [0, 0]), (0.5, [0, 0, 1, 1]), (1, [0, 0, 1, 1])])
def test_what_was_chosen_is_what_the_network_becomes(
    project: Path, monkeypatch: pytest.MonkeyPatch, share: float, epochs: list[int]
) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["variants"]["auto"] = AUTO
    (project / "params.yaml").write_text(to_yaml(params))
    monkeypatch.setattr(whole, "chosen_share", lambda *_: share)
    features.main("mobilenet_v2", "mine")
    train.main("mobilenet_v2", "mine", "auto")
    assert [int(row["epoch"]) for row in read_table(paths.history("mobilenet_v2", "mine", "auto"))] == epochs
    weights = Pretrained.read(paths.weights("mobilenet_v2"), "mobilenet_v2").tensors
    trained = ModelFile.read(paths.model("mobilenet_v2", "mine", "auto")).tensors
    name = "features.0.0.weight"
    assert np.array_equal(trained[name], weights[name]) == (share == 0)


@pytest.mark.parametrize(("better", "chosen"), [("start", 0), ("end", 1)])
def test_shares_go_from_the_start_to_the_trained_network(
    monkeypatch: pytest.MonkeyPatch, better: str, chosen: float
) -> None:
    """Two networks of one layer: one answers right, the other wrong."""
    labels = np.arange(50) % 2
    points = np.eye(2, dtype=np.float32)[labels]

    def network(name: str) -> nn.Linear:
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data = 5 * torch.eye(2) * (1 if name == better else -1)
        return layer

    class LookAtPoints(Look):
        def __init__(self, asked: Images, *_: object) -> None:
            self.asked = asked

        def logits(self, network: nn.Module) -> np.ndarray:
            with torch.no_grad():
                return network(torch.from_numpy(self.asked.squares)).numpy()

    monkeypatch.setattr(whole, "trained", lambda *_, **__: (network("end"), []))
    monkeypatch.setattr(whole, "with_last_layer", lambda *_: network("start"))
    monkeypatch.setattr(whole, "Validation", LookAtPoints)
    compute = Compute(torch.device("cpu"), "float32")
    images, embeddings = Images(points, labels, LOOK), Embeddings(points, labels)
    assert whole.chosen_share(Variant.model_validate(AUTO), images, None, embeddings, 0, compute) == chosen


@pytest.mark.parametrize(("kind", "chosen"), [("none", 0), ("balanced", 1)])
def test_the_blend_is_chosen_with_the_class_weights_of_training(
    monkeypatch: pytest.MonkeyPatch, kind: str, chosen: float
) -> None:
    """What training gains is of the small class, and what it loses of the large one."""
    labels = np.arange(400) % 4 // 3  # 300 and 100
    losses = {0: np.array([1, 2]), 0.25: np.array([9, 9]), 0.5: np.array([9, 9]), 1: np.array([1.2, 1.45])}
    monkeypatch.setattr(whole, "trained", lambda *_, **__: (nn.Linear(2, 2), []))
    monkeypatch.setattr(whole, "with_last_layer", lambda *_: nn.Linear(2, 2))
    monkeypatch.setattr(whole, "Validation", Look)
    monkeypatch.setattr(whole, "blend", lambda _, __, share: setattr(Look, "share", share))
    monkeypatch.setattr(whole, "cross_entropy", lambda share, of: losses[share][of])
    points = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    images, compute = Images(points, labels, LOOK), Compute(torch.device("cpu"), "float32")
    recipe = Variant.model_validate(AUTO | {"class_weights": kind})
    assert whole.chosen_share(recipe, images, None, Embeddings(points, labels), 0, compute) == chosen


def test_a_probe_to_start_from_has_the_recipes_class_weights_and_other_settings_their_own() -> None:
    labels = np.arange(60) % 6 // 5
    points = (np.random.default_rng(0).normal(size=(60, 3)) + labels[:, None]).astype(np.float32)
    head = {"trainable": "head", "epochs": 2, "batch_size": 4, "lr": 0.1, "momentum": 0, "weight_decay": 0}
    settings = head | {"schedule": "linear"}

    def start(**changes: object) -> np.ndarray:
        recipe = Variant.model_validate(AUTO | changes)
        return start_layer(recipe, Embeddings(points, labels), 0).weight

    plain, weighted = start(), start(class_weights="balanced")
    assert not np.allclose(plain, weighted)
    own = start(start=settings), start(start=settings, class_weights="balanced")
    assert np.array_equal(*own)
    assert not np.allclose(own[0], start(start=settings | {"class_weights": "balanced"}))


@pytest.mark.parametrize(("ahead", "chosen"), [(1.5, 0), (2.5, 1)])
def test_the_start_is_left_only_for_what_is_better_by_two_standard_errors(
    monkeypatch: pytest.MonkeyPatch, ahead: float, chosen: float
) -> None:
    labels, noise = np.arange(50) % 2, np.where(np.arange(10) % 2, 1.0, -1.0)
    error = noise.std(ddof=1) / np.sqrt(10)
    losses = {0: np.full(10, 2 + ahead * error), 0.25: np.full(10, 9.0), 0.5: np.full(10, 9.0), 1: 2 + noise}
    monkeypatch.setattr(whole, "trained", lambda *_, **__: (nn.Linear(2, 2), []))
    monkeypatch.setattr(whole, "with_last_layer", lambda *_: nn.Linear(2, 2))
    monkeypatch.setattr(whole, "Validation", Look)
    monkeypatch.setattr(whole, "blend", lambda _, __, share: setattr(Look, "share", share))
    monkeypatch.setattr(whole, "cross_entropy", lambda share, _: losses[share])
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    images, compute = Images(points, labels, LOOK), Compute(torch.device("cpu"), "float32")
    recipe = Variant.model_validate(AUTO)
    assert whole.chosen_share(recipe, images, None, Embeddings(points, labels), 0, compute) == chosen


def test_last_blocks_are_trained_from_another_last_layer_and_nothing_before_them_is(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    start = {"trainable": "head", "epochs": 2, "batch_size": 4, "lr": 0.01, "momentum": 0.9, "weight_decay": 0}
    start |= {"schedule": "linear"}
    params["variants"] |= {"start": start, "blocks": AUTO | {"trainable": "last_2", "start": start, "blend": None}}
    (project / "params.yaml").write_text(to_yaml(params))
    features.main("mobilenet_v2", "mine")
    for variant in ("start", "blocks"):
        train.main("mobilenet_v2", "mine", variant)
    weights = Pretrained.read(paths.weights("mobilenet_v2"), "mobilenet_v2").tensors
    trained = ModelFile.read(paths.model("mobilenet_v2", "mine", "blocks")).tensors
    changed = {name for name, of in weights.items() if not np.array_equal(of, trained[name])}
    assert {name.split(".")[1] for name in changed} == {"17", "18"}
    history = read_table(paths.history("mobilenet_v2", "mine", "blocks"))
    alone = read_table(paths.history("mobilenet_v2", "mine", "start"))
    assert history[1]["accuracy"] == alone[-1]["accuracy"]  # epoch 0 is the other last layer
    assert float(history[1]["loss"]) == pytest.approx(float(alone[-1]["loss"]), rel=1e-3)
