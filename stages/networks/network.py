"""Networks of torchvision and timm, taken apart at their last layer.

What both must tell is little: how a network is built, which layer is its last, and which blocks it has
(stages/networks/blocks.py). Either library is imported only where a network of it is used.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from stages.ground.errors import ProjectError
from stages.models.pretrained import Pretrained
from stages.models.tensors import Tensors
from stages.networks.names import OF_TIMM


class LastLayer(nn.Linear):
    """A Linear that computes in float32 also under autocast.

    bfloat16 has three significant digits: too few for probabilities and for losses near 0.
    """

    def forward(self, embeddings: Tensor) -> Tensor:
        """(N, in_features) of any precision -> (N, out_features) float32"""
        with torch.autocast(embeddings.device.type, enabled=False):
            return super().forward(embeddings.float())


def build(network: str, crop: int | None = None) -> nn.Module:
    """The network with random weights, and as many classes as it was published with.

    Args:
        network: its name, as network_of in settings.py gives it.
        crop: the side of its images, for those that take one size only: else timm's are of their usual one.

    Raises:
        ProjectError: there is none, or it cannot be trained here as the others are.
    """
    if not network.startswith(OF_TIMM):
        from stages.networks.of_torchvision import build as of_torchvision

        return of_torchvision(network)
    from stages.networks.of_timm import build as of_timm

    return of_timm(network.removeprefix(OF_TIMM), crop)


def own_names(network: str, crop: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state`, of a published file, as the library that the network is of brings it to its names and shapes."""
    if not network.startswith(OF_TIMM):
        return dict(state)
    from stages.networks.of_timm import own_names as of_timm

    return of_timm(network.removeprefix(OF_TIMM), crop, state)


def check_takes(network: str, images: int, side: int, key: str, crop: int | None = None) -> None:
    """See whether the network, built for images of `crop` pixels or else of `side`, trains on so many images at once of
    `side` pixels, and gives embeddings without its last layer, without computing anything.

    Raises:
        ProjectError: it does not; names `key` of params.yaml.
    """
    try:
        with torch.device("meta"):
            built = build(network, crop or side).train()
            width = last_layer(built).in_features
            embeddings = set_last_layer(built, nn.Identity())(torch.empty(images, 3, side, side))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ProjectError(
            f"params.yaml: {key}: {network} cannot take {images} images at once of {side} pixels ({reason:.160}); try a"
            " larger number"
        ) from error
    if not isinstance(embeddings, Tensor) or embeddings.shape != (images, width):
        raise ProjectError(
            f"{network} cannot be used: before its last layer it does not give {width} numbers for each image. Choose"
            " another network in params.yaml"
        )


def last_layer_name(network: nn.Module) -> str:
    """The dotted name of the last layer: what timm calls the classifier, else the last that has weights: `fc`, …

    Raises:
        ProjectError: it is not a Linear with a bias, so that it cannot be replaced by one for other classes.
    """
    if of_timm(network):
        from stages.networks.of_timm import last_layer as classifier

        found = classifier(network)
        name = next((name for name, layer in network.named_modules() if layer is found), "")
        if not name:
            raise ProjectError(
                f"{type(network).__name__} has no last layer, or several; expected one Linear with a bias. Choose"
                " another network in params.yaml"
            )
    else:
        name = [name for name, layer in network.named_modules() if layer._parameters][-1]
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        without = " without a bias" if isinstance(layer, nn.Linear) else ""
        raise ProjectError(
            f"the last layer of {type(network).__name__} is {name}, a {type(layer).__name__}{without}; expected a"
            " Linear with a bias. Choose another network in params.yaml"
        )
    return name


def of_timm(network: nn.Module) -> bool:
    return hasattr(network, "get_classifier")  # which torchvision's have not


def takes_one_size(network: str) -> bool:
    """Whether it takes images of no other size than the one that it was built for."""
    if not network.startswith(OF_TIMM):
        return network.startswith("vit_")
    from stages.networks.of_timm import published

    return bool(published(network.removeprefix(OF_TIMM)).fixed_input_size)


def last_layer(network: nn.Module) -> nn.Linear:
    layer = network.get_submodule(last_layer_name(network))
    assert isinstance(layer, nn.Linear)
    return layer


def new_last_layer(weight: np.ndarray, bias: np.ndarray) -> LastLayer:
    """A last layer with these (classes, in_features) and (classes,) to begin with."""
    layer = LastLayer(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return layer


def set_last_layer(network: nn.Module, layer: nn.Module) -> nn.Module:
    """Put `layer` in the last layer's place; an nn.Identity there gives embeddings, (N, in_features), for logits."""
    network.set_submodule(last_layer_name(network), layer)
    return network


def slow_depthwise_in_float32(network: nn.Module) -> None:
    """Compute the depthwise convolutions of `network` that are strided, or larger than 3 pixels, in float32, also under
    autocast.

    On processors, oneDNN's bfloat16 gradient of these takes up to twelve times as long as that in float32: in
    mobilenet_v2, where they are four of 52 convolutions, nearly half of all the time (docs/benchmark.md).
    """
    for module in network.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.groups == module.in_channels > 1
            and (max(module.stride) > 1 or max(module.kernel_size) > 3)
        ):
            module.forward = partial(_in_float32, module.forward)  # type: ignore[method-assign]


def _in_float32(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, enabled=False):
        return forward(images.float())


def load_pretrained(pretrained: Pretrained) -> nn.Module:
    """The network with those weights; those of its last layer are torch's random ones.

    Raises:
        ProjectError: they are another network's.
    """
    network = build(pretrained.network, pretrained.crop)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items() if not _of_last(name, network)}
    if {name: tensor.shape for name, tensor in pretrained.tensors.items()} != expected:
        raise ProjectError(f"the weights of {pretrained.network} are not those that weights@{pretrained.network} makes")
    network.load_state_dict({name: torch.from_numpy(of) for name, of in pretrained.tensors.items()}, strict=False)
    return network


def tensors_of(network: nn.Module) -> Tensors:
    """By the network's own names, as NumPy has them; what trains later does not change them."""
    return {name: tensor.detach().cpu().contiguous().numpy().copy() for name, tensor in network.state_dict().items()}


def _of_last(name: str, network: nn.Module) -> bool:
    return name.startswith(f"{last_layer_name(network)}.")
