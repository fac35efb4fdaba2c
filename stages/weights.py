"""Fetch a network's pretrained weights, check them and bring them to the names of its library, torchvision or timm.

In:  models.MODEL.source, .name, .urls, .sha256, .licence and .crop
Out: weights/MODEL.safetensors: the tensors of every layer but the last, which the new classes replace, under
     the library's names, and the ONNX graph of those layers (see stages/models/backbone.py)

That graph is checked here, once for each network: its embeddings of drawn images are those of torch.
"""

from pathlib import Path

from torch import Tensor, nn

from stages.fetching.fetch import fetch
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import sha256
from stages.ground.params import load_entry
from stages.ground.runtime import load_runtime
from stages.models.pretrained import Pretrained
from stages.networks.graph import to_graph
from stages.networks.network import build, check_takes, last_layer_name, own_names
from stages.networks.pickles import is_safetensors, load_pickle, load_tensors
from stages.networks.settings import Model, network_of

BATCH = 32  # images; any number that BatchNorm takes
NESTED = ("model", "state_dict")  # where some files have their tensors, beside what trained them
BATCH_COUNT = "num_batches_tracked"


def main(model: str) -> None:
    settings = load_entry("models", Model, model)
    name = network_of(settings)
    network = build(name, settings.crop)
    last = last_layer_name(network)  # refuses before anything is fetched, as the next line does
    check_takes(name, BATCH, settings.crop, f"models.{model}.crop")

    def accept(file: Path) -> None:
        backbone = named(published(file, settings), network)
        network.load_state_dict(backbone, strict=False)
        width = network.get_submodule(last).get_parameter("weight").shape[1]
        graph = to_graph(network, settings.crop)
        tensors = {name: tensor.numpy() for name, tensor in backbone.items()}
        about = (model, name, last, width, settings.crop, settings.licence)
        Pretrained(*about, graph, tensors).write(paths.weights(model))
        print(f"{paths.weights(model)}: {len(backbone)} tensors of {model}, without its last layer")

    fetch(settings.urls, accept, load_runtime().progress, model)


def published(file: Path, settings: Model) -> dict[str, Tensor]:
    """All tensors of a fetched file, under its library's names if the library knows them.

    Raises:
        ProjectError: it is another file than params.yaml says, or has more than tensors.
    """
    if not (received := sha256(file)).startswith(settings.sha256):
        raise ProjectError(f"expected sha256 {settings.sha256}, received {received} ({file.stat().st_size} bytes)")
    return own_names(network_of(settings), settings.crop, load_state_dict(file))


def load_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch saved, or of safetensors; a pickle that would run code is refused."""
    state = load_tensors(file) if is_safetensors(file) else load_pickle(file)
    if len(inner := [state[key] for key in NESTED if isinstance(state.get(key), dict)]) == 1:
        state = inner[0]
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise ProjectError("expected a state dict, names to tensors")
    return state


def named(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """`state` without the last layer and under the names that `network` gives its tensors.

    Other names than the library's are taken to stand in its order; shapes must agree, one by one.
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
