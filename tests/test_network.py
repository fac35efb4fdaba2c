"""stages/networks/network.py: where networks of many kinds end."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from stages.ground.errors import ProjectError
from stages.models.graph import Graph
from stages.models.pretrained import Pretrained
from stages.networks.network import (
    LastLayer,
    build,
    last_layer_name,
    load_pretrained,
    new_last_layer,
    set_last_layer,
    slow_depthwise_in_float32,
    tensors_of,
)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("resnet18", "fc"),
        ("mobilenet_v2", "classifier.1"),
        ("mobilenet_v3_small", "classifier.3"),
        ("efficientnet_b0", "classifier.1"),
        ("convnext_tiny", "classifier.2"),
        ("densenet121", "classifier"),
        ("vit_b_16", "heads.head"),
        ("swin_t", "head"),
    ],
)
def test_last_layers(name: str, last: str) -> None:
    with torch.device("meta"):
        assert last_layer_name(build(name)) == last


def test_a_last_layer_that_is_not_linear_is_refused() -> None:
    with (
        torch.device("meta"),
        pytest.raises(ProjectError, match=r"SqueezeNet is classifier\.1, a Conv2d; expected a Lin"),
    ):
        last_layer_name(build("squeezenet1_1"))


def test_the_last_layer_computes_in_float32_under_autocast() -> None:
    layer, embeddings = LastLayer(8, 3), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(embeddings)
    assert torch.equal(logits, nn.functional.linear(embeddings, layer.weight, layer.bias))


def pretrained(network: nn.Module) -> Pretrained:
    tensors = {name: of for name, of in tensors_of(network).items() if not name.startswith("classifier.3.")}
    return Pretrained(
        "small", "mobilenet_v3_small", "classifier.3", 1024, 64, "MIT", Graph(onnx=b"", tensors=[]), tensors
    )


def test_embeddings_and_last_layer_make_the_network() -> None:
    network = build("mobilenet_v3_small").eval()
    loaded = load_pretrained(pretrained(network)).eval()
    same = {name: torch.equal(loaded.state_dict()[name], tensor) for name, tensor in network.state_dict().items()}
    assert [name for name, is_same in same.items() if not is_same] == ["classifier.3.weight"]  # biases begin as 0

    head = new_last_layer(np.ones((5, 1024), np.float32), np.arange(5, dtype=np.float32))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        logits = set_last_layer(loaded, head)(images)
        embeddings = set_last_layer(loaded, nn.Identity())(images)
        assert torch.allclose(embeddings.sum(1, keepdim=True) + torch.arange(5), logits, atol=1e-4)


def test_weights_of_another_network_are_refused() -> None:
    other = replace(pretrained(build("mobilenet_v3_small")), network="mobilenet_v3_large")
    with pytest.raises(ProjectError, match="the weights of mobilenet_v3_large are not those"):
        load_pretrained(other)


def test_tensors_of_a_network_stay_as_they_were() -> None:
    network = nn.BatchNorm2d(2)
    tensors = tensors_of(network)
    network.weight.data += 1
    assert {name: of.tolist() for name, of in tensors.items()} == {
        "weight": [1, 1], "bias": [0, 0], "running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "slow"), [("mobilenet_v2", 4), ("resnet18", 0), ("timm/tf_efficientnet_lite0.in1k", 11)]
)
def test_depthwise_convolutions_that_are_strided_or_large_compute_in_float32_and_all_others_do_not(
    name: str, slow: int
) -> None:
    network = build(name).eval()
    names = set(network.state_dict())
    slow_depthwise_in_float32(network)
    precisions = {}
    for place, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda conv, _, output, place=place: precisions.update(
                    {place: (output.dtype, conv.groups > 1, max(conv.stride) > 1 or max(conv.kernel_size) > 3)}
                )
            )
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        network(torch.rand(1, 3, 32, 32))
    exact = [(depthwise, large) for dtype, depthwise, large in precisions.values() if dtype == torch.float32]
    assert exact == slow * [(True, True)]
    assert set(network.state_dict()) == names
