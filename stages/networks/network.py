"""Networks of torchvision, taken apart at their last layer."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import MNASNet

from stages.ground.errors import ProjectError
from stages.models.pretrained import Pretrained
from stages.models.tensors import Tensors

UNSUITABLE = {
    "efficientnet_v2_l": "its published weights expect images with another mean and deviation than all others'",
    "googlenet": "in training it answers with a tuple",
    "inception_v3": "in training it answers with a tuple",
}  # tests/test_families.py looks through torchvision's registry for more


class LastLayer(nn.Linear):
    """A Linear that computes in float32 also under autocast.

    bfloat16 has three significant digits: too few for probabilities and for losses near 0.
    """

    def forward(self, embeddings: Tensor) -> Tensor:
        """(N, in_features) of any precision -> (N, out_features) float32"""
        with torch.autocast(embeddings.device.type, enabled=False):
            return super().forward(embeddings.float())


def build(name: str) -> nn.Module:
    """torchvision's network of that name with random weights, for 1,000 classes.

    Raises:
        ProjectError: it is one of the few that this project cannot train as it does the others.
    """
    if name in UNSUITABLE:
        raise ProjectError(f"{name} cannot be used: {UNSUITABLE[name]}. Choose another network in params.yaml")
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    if isinstance(network, MNASNet):  # its own way of loading wants to know which version wrote the tensors
        network._load_from_state_dict = partial(nn.Module._load_from_state_dict, network)
    return network


def check_takes(name: str, images: int, side: int, key: str) -> None:
    """See whether the network trains on so many images at once of so many pixels, without computing anything.

    Raises:
        ProjectError: it does not; names `key` of params.yaml.
    """
    try:
        with torch.device("meta"):
            build(name).train()(torch.empty(images, 3, side, side))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ProjectError(
            f"params.yaml: {key}: {name} cannot take {images} images at once of {side} pixels ({reason:.160}); try a"
            " larger number"
        ) from error


def last_layer_name(network: nn.Module) -> str:
    """The dotted name of the last layer that has weights: `fc`, `classifier.1`, …

    Raises:
        ProjectError: it is not a Linear with a bias, so that it cannot be replaced by one for other classes.
    """
    name: str = [name for name, layer in network.named_modules() if layer._parameters][-1]
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        without = " without a bias" if isinstance(layer, nn.Linear) else ""
        raise ProjectError(
            f"the last layer of {type(network).__name__} is {name}, a {type(layer).__name__}{without}; expected a"
            " Linear with a bias. Choose another network in params.yaml"
        )
    return name


def last_layer(network: nn.Module) -> nn.Module:
    return network.get_submodule(last_layer_name(network))


def new_last_layer(weight: np.ndarray, bias: np.ndarray) -> LastLayer:
    """A last layer with these (classes, in_features) and (classes,) to begin with."""
    layer = LastLayer(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return layer


def set_last_layer(network: nn.Module, layer: nn.Module) -> nn.Module:
    """Put `layer` in the last layer's place; an nn.Identity there gives embeddings, (N, in_features), for logits."""
    network.set_submodule(last_layer_name(network), layer)
    return network


def strided_depthwise_in_float32(network: nn.Module) -> None:
    """Compute the convolutions of `network` that are both strided and depthwise in float32, also under autocast.

    On processors, oneDNN's bfloat16 gradient of these takes six times as long as that in float32: in mobilenet_v2,
    where they are four of 52 convolutions, nearly half of all the time (docs/benchmark.md).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and max(module.stride) > 1:
            module.forward = partial(_in_float32, module.forward)  # type: ignore[method-assign]


def _in_float32(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return forward(images.float())


def load_pretrained(pretrained: Pretrained) -> nn.Module:
    """The network with those weights; those of its last layer are torch's random ones.

    Raises:
        ProjectError: they are another network's.
    """
    network = build(pretrained.network)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items() if not _of_last(name, network)}
    if {name: tensor.shape for name, tensor in pretrained.tensors.items()} != expected:
        raise ProjectError(f"the weights of {pretrained.network} are not those that weights@{pretrained.network} makes")
    network.load_state_dict({name: torch.from_numpy(of) for name, of in pretrained.tensors.items()}, strict=False)
    return network


def tensors_of(network: nn.Module) -> Tensors:
    """By torchvision's names, as NumPy has them; what trains later does not change them."""
    return {name: tensor.detach().cpu().contiguous().numpy().copy() for name, tensor in network.state_dict().items()}


def _of_last(name: str, network: nn.Module) -> bool:
    return name.startswith(f"{last_layer_name(network)}.")
