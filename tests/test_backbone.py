"""stages/networks/graph.py and stages/models/backbone.py: a network's graph computes what the network does in torch."""

import numpy as np
import pytest
import torch
from torch import nn

from stages.models.backbone import BATCH, Backbone
from stages.models.graph import Graph
from stages.networks.graph import to_graph
from stages.networks.network import build, set_last_layer, tensors_of

CROP = 64  # pixels


def network_of(name: str, seed: int) -> nn.Module:
    """Drawn, with BatchNorm's statistics not those that it begins with."""
    torch.manual_seed(seed)
    network = build(name).train()
    with torch.no_grad():
        network(torch.randn(4, 3, CROP, CROP))
    return set_last_layer(network, nn.Identity()).eval()


def embeddings_in_torch(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(images)).numpy()


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    names = ("mobilenet_v2", "resnet18", "densenet121", "mobilenet_v3_small")
    torch.manual_seed(0)
    return {name: to_graph(build(name), CROP) for name in names}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((BATCH + 3, 3, CROP, CROP), np.float32)


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "densenet121", "mobilenet_v3_small"])
def test_one_graph_serves_all_weights_of_a_network(graphs: dict[str, Graph], images: np.ndarray, name: str) -> None:
    for seed in (1, 2):
        network = network_of(name, seed)
        backbone, expected = Backbone(graphs[name], tensors_of(network)), embeddings_in_torch(network, images)
        given = backbone.embeddings(images)
        assert (given.shape, given.dtype) == (expected.shape, np.float32)
        assert np.allclose(given, expected, atol=1e-4 * np.abs(expected).max())
        assert backbone.has_places == (name != "mobilenet_v3_small"), "its end is a Linear and a Hardswish more"
        if backbone.has_places:
            mean = backbone.places(images).mean((2, 3))
            assert np.allclose(mean, expected, atol=1e-4 * np.abs(expected).max())


def test_an_embedding_does_not_depend_on_the_batch(graphs: dict[str, Graph], images: np.ndarray) -> None:
    backbone = Backbone(graphs["mobilenet_v2"], tensors_of(network_of("mobilenet_v2", 1)))
    together = backbone.embeddings(images)
    alone = np.concatenate([backbone.embeddings(image[None]) for image in images])
    assert np.array_equal(together, alone)
    other = Backbone(graphs["mobilenet_v2"], tensors_of(network_of("mobilenet_v2", 1)), threads=2)
    assert np.array_equal(other.embeddings(images), together), "nor on the number of threads"


def test_the_graph_is_the_same_each_time_and_holds_no_weights(graphs: dict[str, Graph]) -> None:
    for name, seed in (("mobilenet_v2", 5), ("resnet18", 6)):
        torch.manual_seed(seed)
        network = build(name)
        assert to_graph(network, CROP) == graphs[name]
        assert len(graphs[name].onnx) < 200_000
        named = {key for key in network.state_dict() if not key.startswith(("fc.", "classifier."))}
        assert set(graphs[name].tensors) == {key for key in named if not key.endswith("num_batches_tracked")}


def test_making_a_graph_leaves_the_network_as_it_was() -> None:
    network = build("resnet18").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    to_graph(network, CROP)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_of_tokens_has_a_graph_without_places() -> None:
    torch.manual_seed(0)
    network = build("vit_b_32")
    network.image_size, network.conv_proj = 64, network.conv_proj
    network.encoder.pos_embedding = nn.Parameter(network.encoder.pos_embedding[:, :5])
    for layer in list(network.encoder.layers)[1:]:
        network.encoder.layers.remove(layer) if hasattr(network.encoder.layers, "remove") else None
    backbone = Backbone(to_graph(network, 64), tensors_of(network))
    assert not backbone.has_places
