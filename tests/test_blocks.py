"""stages/networks/blocks.py and stages/training/activations.py: the last blocks alone, from what comes before them."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stages.ground.errors import ProjectError
from stages.networks.blocks import blocks, check_blocks, cut, to_training, train_last_blocks
from stages.networks.network import LastLayer, build, last_layer_name, set_last_layer
from stages.preprocessing.inputs import Preprocessing
from stages.recipes.variant import Variant
from stages.training.activations import Activations, shortened
from stages.training.batchnorm import recompute_statistics
from stages.training.checkpoint import Checkpoint
from stages.training.distributed import Team
from stages.training.examples import Images
from stages.training.fit import fit
from tests.test_fit import CPU
from tests.test_fit import recipe as of_fit

SIDE = 32  # pixels


def network_of(name: str = "resnet18", trained: int | None = 1) -> nn.Module:
    torch.manual_seed(0)
    network = build(name)
    width = network.get_submodule(last_layer_name(network)).in_features
    set_last_layer(network, LastLayer(width, 3))
    if trained:
        train_last_blocks(network, trained)
    return network.to(memory_format=torch.channels_last)


def images(count: int = 6) -> Images:
    squares = np.random.default_rng(0).integers(0, 256, (count, 3, SIDE, SIDE), np.uint8)
    return Images(squares, np.arange(count) % 3, Preprocessing(SIDE, SIDE))


def recipe(**changes: object) -> Variant:
    return of_fit(**{"trainable": "last_1", "epochs": 2, "batch_size": 3, "lr": 0.05} | changes)


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("mobilenet_v2", 19, ["features.18"]),
        ("resnet18", 9, ["layer4.1"]),
        ("convnext_tiny", 22, ["features.7.2", "classifier.0"]),
        ("densenet121", 8, ["features.denseblock4", "features.norm5"]),
        ("efficientnet_b0", 18, ["features.8"]),
        ("vit_b_16", 13, ["encoder.layers.encoder_layer_11", "encoder.ln"]),
        ("alexnet", 7, ["classifier.4"]),
    ],
)
def test_blocks_are_those_that_a_networks_code_puts_into_a_row(name: str, count: int, last: list[str]) -> None:
    with torch.device("meta"):
        of = blocks(build(name))
    assert (len(of), of[-1]) == (count, last)


def test_the_last_blocks_and_the_last_layer_get_gradients_and_nothing_else_does() -> None:
    network = network_of("resnet18", 2)
    free = {name for name, of in network.named_parameters() if of.requires_grad}
    assert free == {name for name, _ in network.named_parameters() if name.startswith(("layer4.", "fc."))}


def test_more_blocks_than_there_are_is_one_line() -> None:
    check_blocks("resnet18", 64, 8, "variants.mine.trainable")
    with pytest.raises(
        ProjectError, match=r"^params.yaml: variants.mine.trainable is last_9: resnet18 has 9 blocks; expected fewer"
    ):
        check_blocks("resnet18", 64, 9, "variants.mine.trainable")


def test_what_is_not_trained_drops_nothing_out() -> None:
    network = network_of("alexnet", 1)
    to_training(network)
    modes = {name: module.training for name, module in network.named_modules()}
    assert not any(modes[name] for name in ("features", "features.0", "classifier.0", "classifier.1", "classifier.3"))
    assert all(modes[name] for name in ("classifier.4", "classifier.6"))
    to_training(whole := network_of("alexnet", None))
    assert all(module.training for module in whole.modules())


def test_dropout_before_what_is_trained_is_off_with_kept_activations_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (6, 3, 64, 64), np.uint8)
    of, ends = Images(squares, np.arange(6) % 3, Preprocessing(64, 64)), []
    for most in (2048, 0):
        monkeypatch.setattr("stages.training.activations.MOST_MIB", most)
        network = network_of("alexnet", 1)
        assert isinstance(shortened(network, of, CPU)[1], Activations) == (most > 0)
        fit(network, of, lambda _: np.zeros((6, 3)), of.labels, recipe(lr=0.01), 0, CPU)
        ends.append(network.state_dict())
    assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-4) for name in ends[0])


def test_an_interrupted_run_goes_on_with_kept_activations(tmp_path: Path) -> None:
    def train(*more: object) -> dict:
        network = network_of()
        fit(network, images(), lambda of: np.zeros((6, 3)), images().labels, recipe(), 0, CPU, *more)
        return network.state_dict()

    whole, checkpoint = train(), Checkpoint(tmp_path / "a-b.pt")

    def stop_in_second(history: list) -> None:
        if history[-1]["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stop_in_second, checkpoint)
    resumed = train(lambda history: None, checkpoint)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_several_processes_share_the_whole_network() -> None:
    network = network_of()
    assert shortened(network, images(), replace(CPU, team=Team(0, 2)))[0] is network


def test_a_network_that_cannot_be_cut_is_trained_as_it_is_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stages.training.activations.cut", lambda _: None)
    network = network_of()
    assert shortened(network, images(), CPU)[0] is network
    assert "torch.fx cannot tell them from the others" in capsys.readouterr().out


def test_what_is_not_trained_stays_as_it_is_statistics_and_all() -> None:
    network = network_of()
    before = copy.deepcopy(network.state_dict())
    fit(network, images(), lambda of: np.zeros((6, 3)), images().labels, recipe(recompute_batchnorm=True), 0, CPU)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith(("layer4.1.", "fc."))}


def test_recomputed_statistics_are_of_the_trained_blocks_alone() -> None:
    network = network_of()
    before = copy.deepcopy(network.state_dict())
    recompute_statistics(network, images(), CPU)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("layer4.1.bn") for name in changed)


@pytest.mark.parametrize(
    ("name", "trained"),
    [("resnet18", 1), ("resnet18", 3), ("mobilenet_v2", 2), ("convnext_tiny", 1), ("densenet121", 2), ("swin_t", 1)],
)
def test_both_parts_together_are_the_network(name: str, trained: int) -> None:
    network = network_of(name, trained)
    for module in network.modules():
        if hasattr(module, "p"):
            module.p = 0.0  # dropout and stochastic depth draw
    to_training(network)
    inputs = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    expected = network(inputs)
    parts = cut(network)
    assert parts is not None
    front, back = parts
    to_training(back)
    assert torch.allclose(back(front(inputs)), expected, atol=1e-5)
    assert {id(of) for of in back.parameters()} == {id(of) for of in network.parameters() if of.requires_grad}


def test_a_network_that_is_trained_as_a_whole_cannot_be_cut() -> None:
    assert cut(network_of(trained=None)) is None


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_steps_on_kept_activations_are_those_on_images(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    ends = []
    for most in (2048, 0):
        monkeypatch.setattr("stages.training.activations.MOST_MIB", most)
        network = network_of("mobilenet_v2", 2)
        network.classifier[0].p = 0.0
        stepped, of = shortened(network, images(), CPU)
        assert isinstance(of, Activations) == (stepped is not network) == (most > 0)
        unequal = replace(images(), labels=np.array([0, 0, 0, 0, 1, 2]))
        fit(network, unequal, lambda of: np.zeros((6, 3)), unequal.labels, recipe(class_weights=kind), 0, CPU)
        ends.append(network.state_dict())
    assert all(torch.allclose(ends[0][name].float(), ends[1][name].float(), atol=1e-4) for name in ends[0])


@pytest.mark.parametrize("last", [None, 1])
def test_images_that_change_are_seen_anew_in_every_epoch(last: int | None) -> None:
    of = images()
    changed = Images(of.squares, of.labels, of.preprocessing, recipe(augment={"min_scale": 1, "flip": True}).augment)
    network = network_of("resnet18", last)
    assert shortened(network, changed, CPU) == (network, changed)
