"""stages/networks/gradcam.py: by hand where that can be done, and on networks that end in several ways."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from stages.networks.gradcam import look
from stages.networks.network import build


def two_channels() -> nn.Module:
    """Class 0's logit is the mean of red, class 1's of green less that of red."""
    convolution, linear = nn.Conv2d(3, 2, 1, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None])
        linear.weight.copy_(torch.tensor([[1.0, 0], [-1.0, 1.0]]))
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


def test_heat_is_what_speaks_for_the_class_over_its_maximum() -> None:
    image = np.zeros((3, 2, 2), np.float32)
    image[0] = [[4, 1], [0, 0]]
    image[1] = [[2, 3], [1, 0]]
    assert look(two_channels(), image, 0).tolist() == [[1, 0.25], [0, 0]]
    assert look(two_channels(), image, 1).tolist() == [[0, 1], [0.5, 0]]  # where red is stronger: against it


def test_where_nothing_speaks_for_the_class_the_heat_is_zero() -> None:
    assert look(two_channels(), np.full((3, 2, 2), -1, np.float32), 0).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_heat_is_that_of_the_last_activation_before_pooling(name: str) -> None:
    """Written out for both; in densenet that is one that no module gives, but a function changes in place."""
    torch.manual_seed(0)
    network, image = build(name).eval(), np.random.default_rng(0).standard_normal((3, 64, 64), np.float32)
    with torch.no_grad():
        if name == "resnet18":
            body = nn.Sequential(*list(network.children())[:-2])(torch.from_numpy(image)[None])
            last = network.fc
        else:
            body = F.relu(network.features(torch.from_numpy(image)[None]))
            last = network.classifier
    answer = 7
    heat = (last.weight[answer, :, None, None] * body[0]).sum(0).relu()  # pooling and a Linear: the gradient's mean
    assert heat.max() > 0
    assert np.allclose(look(network, image, answer), heat.detach() / heat.max().detach(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "shape"), [("mobilenet_v3_small", (2, 3)), ("swin_t", (2, 3)), ("vgg11", (7, 7))]
)  # vgg11 pools to 7 x 7 whatever there is
def test_networks_of_many_kinds_give_a_map_and_stay_as_they_were(name: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network, image = build(name).eval(), np.random.default_rng(0).standard_normal((3, 64, 96), np.float32)
    first = look(network, image, 3)
    assert (first.shape, first.dtype) == (shape, np.float32)
    assert first.min() >= 0
    assert first.max() in (0, 1)
    assert np.array_equal(look(network, image, 3), first)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_of_tokens_has_the_map_of_the_last_whose_places_count() -> None:
    """Behind the last attention only the class token does: it is what goes into that attention, written out here."""
    torch.manual_seed(0)
    vit = VisionTransformer(image_size=64, patch_size=16, num_layers=2, num_heads=1, hidden_dim=8, mlp_dim=8).eval()
    nn.init.normal_(vit.heads.head.weight)
    kept: list[Tensor] = []
    hook = vit.encoder.layers.encoder_layer_1.ln_1.register_forward_hook(lambda _, __, output: kept.append(output))
    image = np.random.default_rng(0).standard_normal((3, 64, 64), np.float32)
    logits = vit(torch.from_numpy(image)[None])
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, 3], kept[0])
    places, slope = kept[0][0, 1:].detach(), gradient[0, 1:]
    heat = (places * slope.mean(0)).sum(1).relu().reshape(4, 4)
    assert heat.max() > 0
    assert np.allclose(look(vit, image, 3), heat / heat.max(), atol=1e-5)


def test_where_channels_come_last_places_are_places() -> None:
    """timm's Swin; its map is that of torchvision's kind, (h, w)."""
    torch.manual_seed(0)
    network = build("timm/swin_tiny_patch4_window7_224.ms_in1k", 224).eval()
    heat = look(network, np.random.default_rng(0).standard_normal((3, 224, 224), np.float32), 3)
    assert heat.shape == (7, 7)


def test_a_network_without_places_has_no_map() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    assert look(network, np.zeros((3, 32, 32), np.float32), 0) is None
