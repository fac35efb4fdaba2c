"""Whether a network sees images as it expects them: how many it calls rightly by the classes that it came with.

python -m scripts.measuring.own_classes MODEL DATASET CLASS=NUMBERS …    as: mobilenet_v2 ants_bees ants=310 bees=309

A wrong preprocessing is no error, and costs points silently. Here the network has its own last layer back, and images
whose class is among the published ones, under NUMBERS (one, or several as 281,282; of ImageNet's thousand: 310 is ant),
go through it as params.yaml has it, and with one setting changed at a time, or more. A changed row well above the first
says that the entry is wrong. `--as NETWORK` takes another of the same tensors: tf_… of timm are padded otherwise.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from stages.fetching.fetch import fetch
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.params import known_as
from stages.networks.network import build, last_layer_name
from stages.networks.settings import Model, network_of
from stages.preprocessing.inputs import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, to_input
from stages.preprocessing.splits import list_split
from stages.preprocessing.squares import read_squares
from stages.settings import load_params
from stages.statistics.inference import wilson_interval
from stages.weights import named, published

BATCH = 16  # images
HALF = (0.5, 0.5, 0.5)
CHANGED: dict[str, dict[str, Any]] = {
    "as params.yaml has it": {},
    "bilinear": {"interpolation": "bilinear"},
    "bicubic": {"interpolation": "bicubic"},
    "ImageNet's mean and std": {"mean": IMAGENET_MEAN, "std": IMAGENET_STD},
    "mean and std 0.5": {"mean": HALF, "std": HALF},
    "fit: squash": {"fit": "squash"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.measuring.own_classes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("classes", metavar="CLASS=NUMBERS", nargs="+", type=numbered)
    parser.add_argument("--as", metavar="NETWORK", dest="network", help="another network of the same tensors")
    arguments = parser.parse_args()
    with one_line_errors():
        params = load_params()
        settings = known_as("models", params.models, arguments.model)
        if arguments.network:
            source, _, name = arguments.network.rpartition("/")
            settings = settings.model_copy(update={"source": source or "torchvision", "name": name})
        files, right = asked(paths.images(arguments.dataset) / "val", dict(arguments.classes))
        network = whole(settings, arguments.model)
        print("| images seen | called rightly | 95 % interval |\n| --- | --- | --- |")
        look = Preprocessing.of(arguments.model, arguments.dataset)
        for name, change in CHANGED.items():
            changed = replace(look, **change)
            if change and changed == look:
                continue
            count = called_rightly(network, files, right, changed, params.runtime.workers)
            low, high = wilson_interval(count, len(files))
            print(f"| {name} | {count / len(files):.3f} of {len(files)} | {low:.3f} to {high:.3f} |", flush=True)


def numbered(text: str) -> tuple[str, list[int]]:
    name, _, numbers = text.rpartition("=")
    if not name or not all(number.isdigit() for number in numbers.split(",")):
        raise argparse.ArgumentTypeError(f"expected CLASS=NUMBER or CLASS=NUMBER,NUMBER; received {text!r}")
    return name, [int(number) for number in numbers.split(",")]


def asked(folder: Path, classes: dict[str, list[int]]) -> tuple[list[Path], list[list[int]]]:
    """The images of these classes, and the numbers that are right for each."""
    listed = list_split(folder)
    if unknown := set(classes) - set(listed.classes):
        raise ProjectError(f"{folder} has no class {min(unknown)}; it has: {', '.join(listed.classes)}")
    of = [(file, listed.classes[label]) for file, label in zip(listed.files, listed.labels, strict=True)]
    kept = [(file, classes[name]) for file, name in of if name in classes]
    return [file for file, _ in kept], [numbers for _, numbers in kept]


def whole(settings: Model, model: str) -> nn.Module:
    """The network as it was published, last layer and all, in eval mode.

    Raises:
        ProjectError: its file has no last layer.
    """
    network = build(network_of(settings), settings.crop)
    last = last_layer_name(network)

    def accept(file: Path) -> None:
        state = published(file, settings)
        backbone = named(state, network)
        by_name = [state.get(f"{last}.{part}") for part in ("weight", "bias")]
        weight, bias = by_name if by_name[0] is not None else list(state.values())[-2:]
        own = network.get_submodule(last)
        if weight is None or bias is None or (weight.shape, bias.shape) != (own.weight.shape, own.bias.shape):
            raise ProjectError("its last layer is not in it, so that it has no classes of its own")
        network.load_state_dict({**backbone, f"{last}.weight": weight, f"{last}.bias": bias})

    fetch(settings.urls, accept, entry=model)
    return network.eval()


@torch.inference_mode()
def called_rightly(
    network: nn.Module, files: list[Path], right: list[list[int]], look: Preprocessing, workers: int
) -> int:
    """How many images get an answer that is among the right ones."""
    squares = read_squares(files, look, BATCH, workers, progress=False)
    answers = [network(torch.from_numpy(to_input(batch, look))).argmax(1).numpy() for batch in squares]
    return sum(answer in numbers for answer, numbers in zip(np.concatenate(answers).tolist(), right, strict=True))


if __name__ == "__main__":
    main()
