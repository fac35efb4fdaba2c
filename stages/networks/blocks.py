"""A network's blocks, and training the last ones alone."""

from itertools import chain

import torch
from torch import fx, nn

from stages.ground.errors import ProjectError
from stages.networks.network import LastLayer, build, last_layer_name

LISTS = (nn.Sequential, nn.ModuleList)


def blocks(network: nn.Module) -> list[list[str]]:
    """Of each block the dotted names of its parts, from the input on, without the last layer.

    A block is what the network's own code puts into a row: a residual block, an encoder's layer, a convolution. A part
    that holds more than half of all weights is looked into, and so are plain lists; normalization belongs to the block
    before it.
    """
    half, last = _size(network) / 2, last_layer_name(network)

    def within(module: nn.Module, prefix: str) -> list[str]:
        names: list[str] = []
        for name, child in module.named_children():
            inner = any(True for _ in child.children())
            if inner and (type(child) in LISTS or _size(child) > half):
                names += within(child, f"{prefix}{name}.")
            elif _size(child):
                names.append(prefix + name)
        return names

    found: list[list[str]] = []
    for name in within(network, ""):
        if found and all(of.ndim < 2 for of in network.get_submodule(name).parameters()):
            found[-1].append(name)
        elif not last.startswith(name):
            found.append([name])
    return found


def check_blocks(name: str, count: int, key: str) -> None:
    """Raises ProjectError, which names `key` of params.yaml, where torchvision's network has no more than `count`."""
    with torch.device("meta"):
        there = len(blocks(build(name)))
    if count >= there:
        raise ProjectError(
            f"params.yaml: {key} is last_{count}: {name} has {there} blocks; expected fewer than that, or all"
        )


def train_last_blocks(network: nn.Module, count: int) -> None:
    """Let gradients reach the last `count` blocks and the last layer alone."""
    network.requires_grad_(False)
    for name in (*chain(*blocks(network)[-count:]), last_layer_name(network)):
        network.get_submodule(name).requires_grad_(True)


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
        nodes = list(_Tracer().trace(network).nodes)
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
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, LastLayer) or super().is_leaf_module(module, name)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
