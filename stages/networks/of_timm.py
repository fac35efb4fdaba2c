"""timm's networks, by what timm itself says of them; their weights come from a file that is there, never from a hub."""

from collections.abc import Callable, Mapping
from typing import Any

import timm
from timm.layers import get_notrace_functions, get_notrace_modules
from timm.models import PretrainedCfg, group_parameters
from torch import Tensor, nn

from stages.ground.errors import ProjectError

CLASSES = 1000  # of a network that is published without a last layer


def published(name: str) -> PretrainedCfg:
    """What timm says of the weights of that name.

    Raises:
        ProjectError: it has no such network, or no such weights of it.
    """
    try:
        found: PretrainedCfg | None = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise ProjectError(f"{name}: {error}; expected timm's ARCHITECTURE.TAG") from error
    if found is None:
        raise ProjectError(f"{name}: timm has no weights of that name; expected its ARCHITECTURE.TAG")
    return found


def build(name: str, crop: int | None) -> nn.Module:
    """The network with random weights; one of a fixed input size for images of `crop` pixels, else of its own size.

    Raises:
        ProjectError: there is none of that name, or not for images of that size.
    """
    return _created(name, published(name).num_classes or CLASSES, crop)


def own_names(name: str, crop: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state`, of a published file, under the names and in the shapes of the network for images of `crop` pixels.

    That is timm's own way: what it has renamed since is renamed, and places are resampled to their number in these
    images. What timm does not know comes back as it is.
    """
    cfg, network, whole = published(name), build(name, crop), dict(state)
    for key, tensor in network.state_dict().items():
        if cfg.num_classes and key.startswith(f"{cfg.classifier}."):
            whole.setdefault(key, tensor)  # of a file without a last layer
    try:
        loaded = _created(name, cfg.num_classes, crop, pretrained=True, pretrained_cfg_overlay={"state_dict": whole})
    except Exception:  # it fails in many ways on names and shapes that are not its own
        return dict(state)
    return {**network.state_dict(), **loaded.state_dict()}


def last_layer(network: nn.Module) -> nn.Module | None:
    """What timm calls the classifier; None where that is more than one layer."""
    found = network.get_classifier()  # type: ignore[operator]
    return found if isinstance(found, nn.Module) else None


def groups(network: nn.Module) -> list[list[str]]:
    """The parameters of each block, from the input on, as timm groups them to give each block a rate of its own."""
    matcher = network.group_matcher(coarse=False)  # type: ignore[operator]
    return list(group_parameters(network, matcher).values())


def not_traced() -> tuple[list[type], list[Callable[..., Any]]]:
    """Kinds of modules, and functions, that torch.fx is to run as they are."""
    return get_notrace_modules(), get_notrace_functions()


def _created(name: str, classes: int, crop: int | None, **more: Any) -> nn.Module:
    cfg = published(name)
    size = {"img_size": crop} if crop and cfg.fixed_input_size and crop != cfg.input_size[-1] else {}
    try:
        network: nn.Module = timm.create_model(name, num_classes=classes, **size, **more)
    except (AssertionError, TypeError) as error:
        if not size:
            raise
        raise ProjectError(
            f"{name} takes images of {cfg.input_size[-1]} pixels only, not {crop} ({error}); set crop so in params.yaml"
        ) from error
    return network
