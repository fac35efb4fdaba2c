"""Networks of timm, by the same calls as those of torchvision."""

import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn

from scripts.adding.network import said_by_timm
from stages.ground.errors import ProjectError
from stages.networks.blocks import blocks, cut, train_last_blocks
from stages.networks.network import build, check_takes, last_layer_name, own_names, set_last_layer, takes_one_size
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.squares import read_square
from stages.weights import named
from tests.conftest import PROJECT, clean_environment

FAMILIES = {  # name: the last layer, how many blocks, a part of the last one
    "timm/resnet18.tv_in1k": ("fc", 9, "layer4.1.bn2.weight"),
    "timm/mobilenetv4_conv_small.e2400_r224_in1k": ("classifier", 19, "conv_head.weight"),
    "timm/efficientnet_b0.ra_in1k": ("classifier", 17, "conv_head.weight"),
    "timm/convnext_atto.d2_in1k": ("head.fc", 13, "head.norm.weight"),
    "timm/vit_small_patch14_dinov2.lvd142m": ("head", 13, "norm.weight"),
    "timm/regnety_002.pycls_in1k": ("head.fc", 14, "s4.b7.conv3.bn.weight"),
    "timm/deit_tiny_patch16_224.fb_in1k": ("head", 13, "norm.weight"),
    "timm/tf_efficientnet_lite0.in1k": ("classifier", 17, "conv_head.weight"),
}
SAME_PADDING = "timm/tf_efficientnet_lite0.in1k"
DINO = "timm/vit_small_patch14_dinov2.lvd142m"


@pytest.mark.parametrize("name", FAMILIES)
def test_last_layer_and_blocks_are_those_that_timm_says(name: str) -> None:
    with torch.device("meta"):
        network = build(name, 224)
    of = blocks(network)
    last, count, part = FAMILIES[name]
    assert (last_layer_name(network), len(of)) == (last, count)
    assert part in of[-1]
    assert sorted(chain(*of)) == sorted(key for key, _ in network.named_parameters() if not key.startswith(f"{last}."))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_embedding_is_what_timm_calls_pre_logits(name: str) -> None:
    network, images = build(name, 224).eval(), torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
        assert torch.equal(set_last_layer(network, nn.Identity())(images), expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_blocks_are_cut_off_and_the_halves_are_the_whole(name: str) -> None:
    network, images = build(name, 224), torch.randn(2, 3, 224, 224)
    train_last_blocks(network, 1)
    halves = cut(network.eval())
    assert halves is not None
    front, back = halves
    with torch.inference_mode():
        assert torch.allclose(back.eval()(front(images)), network(images), atol=1e-5)


@pytest.mark.parametrize(("width", "height"), [(300, 200), (211, 333), (224, 224), (97, 97), (1000, 231)])
@pytest.mark.parametrize("name", [SAME_PADDING, DINO, "timm/deit_tiny_patch16_224.fb_in1k", "timm/resnet18.tv_in1k"])
def test_images_are_those_of_timms_own_transform_to_the_pixel(
    tmp_path: Path, name: str, width: int, height: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = Image.fromarray(noise)
    picture.save(tmp_path / "a.png")
    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name.removeprefix("timm/")).to_dict())
    expected = create_transform(**config, is_training=False)(picture).numpy()
    told = said_by_timm(name)
    look = Preprocessing(told.resize, told.crop, told.mean, told.std, fit=told.fit, interpolation=told.interpolation)
    seen = to_input(read_square(tmp_path / "a.png", look)[None], look)[0]
    assert np.allclose(seen, expected, atol=1e-6)  # a step of a pixel is 0.0078 or more
    other = replace(look, interpolation={"bicubic": "bilinear", "bilinear": "bicubic"}[look.interpolation])
    if (width, height) != (224, 224):
        assert not np.allclose(to_input(read_square(tmp_path / "a.png", other)[None], other)[0], expected, atol=1e-6)


def state_of(name: str, crop: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return timm.create_model(name.removeprefix("timm/"), **({"img_size": crop} if crop else {})).state_dict()


def test_published_names_and_sizes_are_brought_to_timms() -> None:
    """DINOv2's file is for 518 pixels, has no last layer, and a token that timm does not know."""
    state = state_of(DINO)
    published = {**state, "mask_token": torch.zeros(1, 384)}
    network = build(DINO, 224)
    found = named(own_names(DINO, 224, published), network)
    assert found["pos_embed"].shape == (1, 257, 384) != state["pos_embed"].shape
    assert torch.equal(found["blocks.3.mlp.fc1.weight"], state["blocks.3.mlp.fc1.weight"])
    assert set(network.state_dict()) - set(found) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("with_last", [True, False])
@pytest.mark.parametrize("foreign", [True, False])
def test_foreign_names_are_taken_in_timms_order(foreign: bool, with_last: bool) -> None:
    state = state_of(SAME_PADDING)
    given = {name: of for name, of in state.items() if with_last or not name.startswith("classifier.")}
    if foreign:
        given = {f"module.{number}": of for number, of in enumerate(given.values())}
    found = named(own_names(SAME_PADDING, 224, given), build(SAME_PADDING, 224))
    assert all(torch.equal(found[name], state[name]) for name in found)
    assert set(state) - set(found) == {"classifier.weight", "classifier.bias"}


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"expected .* tensors before the last layer, received|expected shape"):
        named(own_names(SAME_PADDING, 224, state_of("timm/resnet18")), build(SAME_PADDING, 224))


def test_networks_of_one_size_are_those_that_timm_says() -> None:
    assert [takes_one_size(name) for name in (DINO, SAME_PADDING, "vit_b_16", "resnet18")] == [True, False, True, False]
    check_takes(DINO, 2, 98, "x")
    with pytest.raises(ProjectError, match=r"^params\.yaml: x: timm/vit_small_.* cannot take 2 images at once of 160"):
        check_takes(DINO, 2, 160, "x", crop=224)


@pytest.mark.parametrize(("network", "not_loaded"), [("resnet18", "timm"), ("timm/resnet18.tv_in1k", None)])
def test_timm_is_imported_where_a_network_of_it_is_used(network: str, not_loaded: str | None) -> None:
    code = f"import sys; from stages.networks.network import build; build({network!r}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert ("timm" in loaded) == (not_loaded is None)
