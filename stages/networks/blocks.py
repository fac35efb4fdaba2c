"""A network's blocks, and training the last ones alone."""

import inspect
from collections.abc import Callable, Collection
from itertools import chain
from typing import Any

import torch
from torch import fx, nn

from stages.ground.errors import ProjectError
from stages.networks.network import LastLayer, build, last_layer_name, of_timm

LISTS = (nn.Sequential, nn.ModuleList)


def blocks(network: nn.Module) -> list[list[str]]:
    """Of each block the dotted names of its parts, modules or parameters, from the input on, without the last layer.

    Of timm's networks they are those that timm says. Of torchvision's, a block is what the network's own code puts
    into a row: a residual block, an encoder's layer, a convolution; a part that holds more than half of all weights is
    looked into, and so are plain lists. Normalization belongs to the block before it.
    """
    last = last_layer_name(network)
    if of_timm(network):
        from stages.networks.of_timm import groups

        parts = groups(network)
    else:
        parts = [[name] for name in _in_a_row(network)]
    found: list[list[str]] = []
    for names in parts:
        kept = [name for name in names if not f"{last}.".startswith(f"{name}.") and not name.startswith(f"{last}.")]
        if found and all(of.ndim < 2 for _, of in _within(network, kept)):
            found[-1] += kept
        elif kept:
            found.append(kept)
    return found


def check_blocks(network: str, crop: int, count: int, key: str) -> None:
    """Raises ProjectError, which names `key` of params.yaml, where the network has no more than `count`."""
    with torch.device("meta"):
        there = len(blocks(build(network, crop)))
    if count >= there:
        raise ProjectError(
            f"params.yaml: {key} is last_{count}: {network} has {there} blocks; expected fewer than that, or all"
        )


def train_last_blocks(network: nn.Module, count: int) -> None:
    """Let gradients reach the last `count` blocks and the last layer alone."""
    network.requires_grad_(False)
    for _, parameter in _within(network, [*chain(*blocks(network)[-count:]), last_layer_name(network)]):
        parameter.requires_grad_(True)


def to_training(network: nn.Module) -> None:
    """Train mode, but for what gets no gradient: that stays as it is, statistics and all, and drops nothing out."""
    network.train()
    before = True
    for module in network.modules():
        parameters = list(module.parameters())
        if any(of.requires_grad for of in module.parameters(recurse=False)):
            before = False
        elif not any(of.requires_grad for of in parameters) and (parameters or before):
            module.eval()


def cut(network: nn.Module) -> tuple[nn.Module, nn.Module] | None:
    """The network, in train mode, as two: what comes before anything that gets a gradient, and the rest.

    Both have the network's own layers. None where nothing comes before, more than one tensor goes across, or torch.fx
    cannot follow the network.
    """
    try:
        nodes = list(_Tracer(*_not_traced(network)).trace(network, _left_out(network)).nodes)
    except Exception:  # it fails in many ways, each at what a network's code does and symbols cannot
        return None
    free = {name for name, of in network.named_parameters() if of.requires_grad}
    first = next(
        number
        for number, node in enumerate(nodes)
        if node.op in ("call_module", "get_attr") and any(f"{name}.".startswith(f"{node.target}.") for name in free)
    )
    before = set(nodes[:first])
    across = {used for node in nodes[first:] for used in node.all_input_nodes if used in before}
    if len(across) != 1 or (crossing := across.pop()).op == "placeholder":
        return None
    front, kept = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes[:first]:
        kept[node] = front.node_copy(node, kept.__getitem__)
    front.output(kept[crossing])
    back = fx.Graph()
    kept = {crossing: back.placeholder("activations")}
    for node in nodes[first:]:
        kept[node] = back.node_copy(node, kept.__getitem__)
    return fx.GraphModule(network, front).eval(), fx.GraphModule(network, back)


class _Tracer(fx.Tracer):
    """What a library says that symbols cannot go through is run as it is."""

    def __init__(self, leaves: Collection[type], functions: Collection[Callable[..., Any]]) -> None:
        super().__init__(autowrap_functions=tuple(functions))
        self.leaves = (LastLayer, *leaves)

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, self.leaves) or super().is_leaf_module(module, name)


def _left_out(network: nn.Module) -> dict[str, Any]:
    """What nobody passes to it beside images."""
    _, *others = inspect.signature(network.forward).parameters.values()
    return {of.name: of.default for of in others}


def _not_traced(network: nn.Module) -> tuple[Collection[type], Collection[Callable[..., Any]]]:
    if not of_timm(network):
        return (), ()
    from stages.networks.of_timm import not_traced

    return not_traced()


def _in_a_row(network: nn.Module) -> list[str]:
    half = _size(network) / 2

    def within(module: nn.Module, prefix: str) -> list[str]:
        names: list[str] = []
        for name, child in module.named_children():
            inner = any(True for _ in child.children())
            if inner and (type(child) in LISTS or _size(child) > half):
                names += within(child, f"{prefix}{name}.")
            elif _size(child):
                names.append(prefix + name)
        return names

    return within(network, "")


def _within(network: nn.Module, names: Collection[str]) -> list[tuple[str, nn.Parameter]]:
    """The parameters of these names, and of modules of these names."""
    prefixes = tuple(f"{name}." for name in names)
    return [(name, of) for name, of in network.named_parameters() if f"{name}.".startswith(prefixes)]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
