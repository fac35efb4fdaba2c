"""stages/common/gradcam.py: by hand where that can be done, and on networks that end in several ways."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from stages.common.gradcam import look
from stages.common.network import build


def two_channels() -> nn.Module:
    """Class 0's logit is the mean of red, class 1's of green less that of red."""
    convolution, linear = nn.Conv2d(3, 2, 1, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None])
        linear.weight.copy_(torch.tensor([[1.0, 0], [-1.0, 1.0]]))
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


def test_heat_is_what_speaks_for_the_class_over_its_maximum() -> None:
    image = torch.zeros(3, 2, 2)
    image[0] = torch.tensor([[4.0, 1.0], [0.0, 0.0]])
    image[1] = torch.tensor([[2.0, 3.0], [1.0, 0.0]])
    assert look(two_channels(), image, 0).tolist() == [[1, 0.25], [0, 0]]
    assert look(two_channels(), image, 1).tolist() == [[0, 1], [0.5, 0]]  # where red is stronger: against it


def test_where_nothing_speaks_for_the_class_the_heat_is_zero() -> None:
    assert look(two_channels(), torch.full((3, 2, 2), -1.0), 0).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_heat_is_that_of_the_last_activation_before_pooling(name: str) -> None:
    """Written out for both; in densenet that is one that no module gives, but a function changes in place."""
    torch.manual_seed(0)
    network, image = build(name).eval(), torch.randn(3, 64, 64)
    with torch.no_grad():
        if name == "resnet18":
            body = nn.Sequential(*list(network.children())[:-2])(image[None])
            last = network.fc
        else:
            body = F.relu(network.features(image[None]))
            last = network.classifier
    answer = 7
    heat = (last.weight[answer, :, None, None] * body[0]).sum(0).relu()  # pooling and a Linear: the gradient's mean
    heat = F.interpolate(heat[None, None], (64, 64), mode="bilinear")[0, 0]
    assert heat.max() > 0
    assert torch.allclose(look(network, image, answer), heat.detach() / heat.max().detach(), atol=0.02)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "swin_t", "vgg11"])
def test_networks_of_many_kinds_give_a_map_and_stay_as_they_were(name: str) -> None:
    torch.manual_seed(0)
    network, image = build(name).eval(), torch.randn(3, 64, 96)
    first = look(network, image, 3)
    assert (first.shape, first.dtype, first.requires_grad) == ((64, 96), torch.float32, False)
    assert first.min() >= 0
    assert first.max() in (0, 1)
    assert torch.equal(look(network, image, 3), first)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert not image.requires_grad


def test_a_network_of_tokens_has_no_map() -> None:
    vit = VisionTransformer(image_size=32, patch_size=16, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8).eval()
    assert look(vit, torch.randn(3, 32, 32), 0) is None
