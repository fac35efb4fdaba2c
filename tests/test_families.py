"""Networks of many families go the whole way: published weights, a new last layer, training, a file and back."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor
from torchvision.models import list_models

from scripts.adding.network import CHECKSUM, said_by_torchvision
from stages.ground.errors import ProjectError
from stages.heads.linear import Head
from stages.models.classifier import Classifier
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.networks.finished import load_model
from stages.networks.graph import to_graph
from stages.networks.network import (
    build,
    last_layer_name,
    load_pretrained,
    new_last_layer,
    set_last_layer,
    tensors_of,
)
from stages.networks.of_torchvision import UNSUITABLE
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.recipes.variant import Variant
from stages.training.compute import Compute
from stages.training.examples import Images
from stages.training.fit import train_epoch
from stages.weights import named

NAMES = list_models(module=torchvision.models)
SIDE = 32  # pixels
RECIPE = Variant(
    trainable="all", epochs=1, batch_size=4, lr=0.01, momentum=0, weight_decay=0, schedule="linear"
)  # fmt: skip


def as_published(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under the names, and with the tensors, of files of that age."""
    if name == "densenet121":  # 2017: norm.1 for norm1, no counts of batches
        kept = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
        return {key.replace("norm1", "norm.1").replace("norm2", "norm.2"): tensor for key, tensor in kept.items()}
    return state


@pytest.mark.parametrize(
    "name",
    [
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
        "mnasnet0_5",
        "mobilenet_v3_small",
        "regnet_y_400mf",
        "resnet50",
        "shufflenet_v2_x0_5",
        "swin_t",
    ],
)
def test_a_network_goes_the_whole_way(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    published = build(name).state_dict()
    backbone = named(as_published(name, published), built := build(name))
    built.load_state_dict(backbone, strict=False)
    layer, graph = last_layer_name(built), to_graph(built, SIDE)
    width = built.get_submodule(layer).in_features
    tensors = {key: tensor.numpy() for key, tensor in backbone.items()}
    pretrained = Pretrained("own", name, layer, width, SIDE, "MIT", graph, tensors)
    network = load_pretrained(pretrained)
    head = Head.drawn(width, 3, 0)
    last = new_last_layer(head.weight, head.bias)
    set_last_layer(network, last)
    loaded = network.state_dict()
    same = [key for key, tensor in published.items() if loaded[key].shape == tensor.shape]
    assert len(published) - len(same) == 2  # the last layer's weight and bias
    assert all(torch.equal(loaded[key], published[key]) for key in same)

    preprocessing, compute = Preprocessing(SIDE, SIDE), Compute(torch.device("cpu"), "float32")
    squares = np.random.default_rng(0).integers(0, 256, (4, 3, SIDE, SIDE), np.uint8)
    images = Images(squares, np.array([0, 1, 2, 0]), preprocessing)
    first, weight = next(network.parameters()).detach().clone(), last.weight.detach().clone()
    loss, _ = train_epoch(network, images, torch.optim.SGD(network.parameters(), 0.01), RECIPE, 0, 1, compute)
    assert 0 < loss < 10
    assert not torch.equal(last.weight, weight)
    assert not torch.equal(next(network.parameters()), first)

    path = tmp_path / "model.safetensors"
    ModelFile(name, layer, graph, list("abc"), preprocessing, "float32", None, tensors_of(network)).write(path)
    again = Classifier.load(path)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(to_input(squares, preprocessing))).numpy()
    scale = np.abs(expected).max()
    assert np.allclose(again.logits(squares), expected, atol=1e-4 * scale)
    in_torch = load_model(again.file)
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in in_torch.state_dict().items())


def test_a_vits_published_names_are_brought_to_torchvisions() -> None:
    """Its layers were called linear_1 and linear_2; it takes one size of image only, so it is not trained here."""
    network = build("vit_b_32")
    state = network.state_dict()
    published = {key.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): state[key] for key in state}
    assert set(published) != set(state)
    found = named(published, network)
    assert set(state) - set(found) == {"heads.head.weight", "heads.head.bias"}
    assert all(found[key] is state[key] for key in found)


def test_the_unsuitable_are_all_that_answer_with_tuples() -> None:
    with_tuples = {"googlenet", "inception_v3"}
    sources = [Path(torchvision.models.__file__).with_name(f"{name}.py") for name in ("googlenet", "inception")]
    others = {*Path(torchvision.models.__file__).parent.glob("*.py")} - {*sources}
    assert all("aux_logits" in path.read_text() for path in sources)
    assert not any("aux_logits" in path.read_text() for path in others)
    assert set(UNSUITABLE) == with_tuples


def test_every_network_of_torchvision_has_sizes_that_params_yaml_takes() -> None:
    refused = set()
    for name in NAMES:
        try:
            told = said_by_torchvision(name)
        except ProjectError:
            refused.add(name)
            continue
        assert 32 <= told.crop <= told.resize <= 1024, name
        assert len(CHECKSUM.search(told.url)[1]) in (8, 10), name
    assert refused == {"regnet_y_128gf", "vit_h_14"}
