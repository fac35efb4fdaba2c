"""What an image of the usual size costs, and a million of them: by core here, by GPU as others have published it.

python -m scripts.measuring.image_costs DATASET [MODEL …]

Decodes train images of DATASET as the stages do, and has networks of drawn weights embed them, and train all their
layers on them in batches of 32; each by one thread. Prints tables for docs/scale.md. Nothing else should run
meanwhile.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from scripts.measuring.comparison import machine
from scripts.results import markdown
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.params import known_as
from stages.heads.linear import Head
from stages.models.backbone import Backbone
from stages.models.pretrained import Pretrained
from stages.networks.graph import to_graph
from stages.networks.network import build, last_layer_name, tensors_of
from stages.networks.settings import network_of
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import list_splits
from stages.preprocessing.squares import read_square
from stages.recipes.variant import Variant
from stages.settings import load_params
from stages.training.compute import choose_compute
from stages.training.examples import Images
from stages.training.fit import new_optimizer, train_epoch
from stages.training.whole import with_last_layer

Result = TypeVar("Result")

IMAGES = 96
RECIPE = Variant(trainable="all", epochs=1, batch_size=32, lr=0.001, momentum=0.9, weight_decay=0, schedule="linear")
MILLION = 1_000_000
# Images a second, embedded and trained on, by AMP in the layout NHWC: the tables of pytorch-image-models, results/
# benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv and benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv.
OF_GPUS = {"mobilenet_v2": (11768, 2313), "timm/tf_efficientnet_lite0.in1k": (9765, 2135), "resnet18": (18247, 3482)}
SIDE = 224  # pixels, of the images there


@dataclass(frozen=True)
class Costs:
    """Milliseconds of one thread for an image, and images that GPUs embed and train on in a second, if known."""

    decode: float
    embed: float
    train: float
    of_gpus: tuple[int, int] | None


def main(dataset: str, models: list[str]) -> None:
    torch.set_num_threads(1)
    params = load_params()
    for name in models:
        known_as("models", params.models, name)
    costs = {name: measured(name, dataset) for name in models or params.models}
    print(f"{machine()}; {IMAGES} images of {dataset}.\n\n{core_table(costs)}\n{million_table(costs)}")


def measured(model: str, dataset: str) -> Costs:
    preprocessing = Preprocessing.of(model, dataset)
    listed = list_splits(paths.images(dataset))["train"]
    files = [listed.files[number] for number in np.linspace(0, len(listed.files) - 1, IMAGES).astype(int)]
    squares, decode = timed(lambda: np.stack([read_square(path, preprocessing) for path in files]))
    pretrained, inputs = drawn(model), to_input(squares, preprocessing)
    backbone = Backbone(pretrained.graph, pretrained.tensors, "cpu", threads=1)
    _, embed = timed(lambda: backbone.embeddings(inputs))
    compute = choose_compute("cpu", load_params().precision)
    network = with_last_layer(pretrained, Head.drawn(pretrained.width, 2, 0), compute)
    images, optimizer = Images(squares, np.arange(IMAGES) % 2, preprocessing), new_optimizer(network, RECIPE)
    _, train = timed(lambda: train_epoch(network, images, optimizer, RECIPE, 0, 0, compute))
    of_gpus = OF_GPUS.get(pretrained.network) if pretrained.crop == SIDE else None
    return Costs(decode, embed, train, of_gpus)


def drawn(model: str) -> Pretrained:
    """Random weights: the time is that of the published ones."""
    settings = load_params().models[model]
    torch.manual_seed(0)
    network = build(network_of(settings), settings.crop)
    last = last_layer_name(network)
    width, graph = network.get_submodule(last).get_parameter("weight").shape[1], to_graph(network, settings.crop)
    tensors = {name: of for name, of in tensors_of(network).items() if not name.startswith(f"{last}.")}
    return Pretrained(model, network_of(settings), last, width, settings.crop, settings.licence, graph, tensors)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the milliseconds of an image: the less of two runs, for the first warms up."""
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        result = work()
        times.append(1e3 * (time.perf_counter() - begin) / IMAGES)
    return result, min(times)


def core_table(costs: dict[str, Costs]) -> str:
    rows = [(name, *(f"{of:.1f}" for of in (cost.decode, cost.embed, cost.train))) for name, cost in costs.items()]
    return markdown(("milliseconds of a core, an image", "decoding", "features", "training all layers, an epoch"), rows)


def million_table(costs: dict[str, Costs]) -> str:
    """Hours for a million images. Processors decode, whatever embeds or trains: so many keep a GPU busy."""
    rows = []
    for name, cost in costs.items():
        cores = [MILLION * of / 3.6e6 for of in (cost.decode, cost.embed, cost.train)]
        gpus = ["not published"] * 3
        if cost.of_gpus:
            gpus = [
                *(f"{MILLION / rate / 3600:.3f}" for rate in cost.of_gpus),
                f"{cost.of_gpus[0] * cost.decode / 1e3:.0f}",
            ]
        rows.append((name, *(f"{of:.1f}" for of in cores), *gpus))
    cores_and_gpus = ("decoding, core", "features, core", "an epoch, core", "features, GPU", "an epoch, GPU")
    return markdown(("a million images: hours", *cores_and_gpus, "cores that feed it"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m scripts.measuring.image_costs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("models", metavar="MODEL", nargs="*", help="keys under models in params.yaml; else all")
    arguments = parser.parse_args()
    with one_line_errors():
        main(arguments.dataset, arguments.models)
