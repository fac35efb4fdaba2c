"""Fetch a network's ImageNet weights, check them and bring them to torchvision's names.

In:  models.MODEL.urls and .sha256
Out: weights/MODEL.pt: {torchvision's name: tensor} of every layer but the last, which the new classes replace
"""

from pathlib import Path

from torch import Tensor, nn

from stages.common import paths
from stages.common.cli import run
from stages.common.errors import ProjectError
from stages.common.fetch import fetch
from stages.common.files import sha256
from stages.common.network import build, last_layer_name
from stages.common.params import known_as, load_params
from stages.common.tensors import load_tensors, save_tensors

BATCH_COUNT = "num_batches_tracked"


def main(model: str) -> None:
    params = load_params()
    settings = known_as("models", params.models, model)
    network = build(model)
    last_layer_name(network)  # refuses before anything is fetched

    def accept(file: Path) -> None:
        if not (received := sha256(file)).startswith(settings.sha256):
            raise ProjectError(f"expected sha256 {settings.sha256}, received {received} ({file.stat().st_size} bytes)")
        backbone = torchvision_names(load_state_dict(file), network)
        network.load_state_dict(backbone, strict=False)  # raises on a shape that does not fit
        save_tensors(paths.weights(model), backbone)
        print(f"{paths.weights(model)}: {len(backbone)} tensors of {model}, without its last layer")

    fetch(settings.urls, accept, params.runtime.progress)


def load_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch saved; a pickle that would run code is refused."""
    state = load_tensors(file)
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise ProjectError("expected a state dict, names to tensors")
    return state


def torchvision_names(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """`state` without the last layer and under the names that `network` gives its tensors.

    Other names than torchvision's are taken to stand in torchvision's order; shapes must agree, one by one.
    Files older than PyTorch 0.4.1, as densenet121's, lack BatchNorm's counts of batches, which nothing here reads.
    """
    last = last_layer_name(network)
    whole = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(f"{last}.")}
    uncounted = {name: tensor for name, tensor in whole.items() if not name.endswith(BATCH_COUNT)}
    expected = uncounted if len(state) in _with_or_without_last(uncounted) else whole
    if set(expected) <= set(state):
        found = {name: state[name] for name in expected}
    else:
        found = dict(zip(expected, state.values(), strict=False))
        if len(state) not in _with_or_without_last(expected):
            raise ProjectError(f"expected {len(expected)} tensors before the last layer, received {len(state)}")
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise ProjectError(
                f"{name}: expected shape {tuple(expected[name].shape)}, received {tuple(tensor.shape)};"
                f" these are not the weights of {type(network).__name__}"
            )
    return whole | {name: tensor.to(expected[name].dtype) for name, tensor in found.items()}


def _with_or_without_last(expected: dict[str, Tensor]) -> tuple[int, int]:
    """How many tensors a file may have: without the last layer, and with its weight and bias."""
    return len(expected), len(expected) + 2


if __name__ == "__main__":
    run(main)
