"""Train one variant of a network on a data set.

In:  variants.VARIANT, seed, precision, models.MODEL.resize and .crop, weights/MODEL.pt, and
     features/MODEL/DATASET.pt (trainable: head) or data/DATASET/ (trainable: all)
Out: models/MODEL/DATASET/VARIANT.pt, the finished network (see stages/common/classifier.py)
     plots/MODEL/DATASET/VARIANT/history.tsv: epoch, split, loss, accuracy, lr
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from stages.common import paths
from stages.common.checkpoint import Checkpoint
from stages.common.classifier import Classifier
from stages.common.cli import run
from stages.common.compute import choose_compute, computes_bfloat16, slowdown_of_bfloat16
from stages.common.distributed import ALONE, Team, launch
from stages.common.errors import ProjectError
from stages.common.examples import Embeddings, Examples, read_images
from stages.common.files import write_table
from stages.common.fit import Row, fit
from stages.common.images import Preprocessing, list_split
from stages.common.network import (
    load_pretrained,
    new_last_layer,
    set_last_layer,
    strided_depthwise_in_float32,
)
from stages.common.params import Augment, Params, Variant, known_as, load_params, takes_one_size
from stages.common.seeds import seed_torch
from stages.common.tensors import load_tensors


def main(model: str, dataset: str, variant: str) -> None:
    params = load_params()
    recipe = known_as("variants", params.variants, variant)
    if recipe.trainable == "all" and params.runtime.devices > 1:
        if recipe.batch_size < params.runtime.devices:
            raise ProjectError(
                f"params.yaml: variants.{variant}.batch_size ({recipe.batch_size}) is less than runtime.devices"
                f" ({params.runtime.devices}), each of which needs a share of every batch"
            )
        launch(params.runtime.devices, train_variant, model, dataset, variant)
    else:
        train_variant(ALONE, model, dataset, variant)


def train_variant(team: Team, model: str, dataset: str, variant: str) -> None:
    """The same in every process of the team, but that the first one reports and writes."""
    params = load_params()
    recipe = params.variants[variant]
    settings = known_as("models", params.models, model)
    preprocessing = Preprocessing(settings.resize, settings.crop)
    precision = params.precision if recipe.trainable == "all" else "float32"
    compute = choose_compute(params.runtime.device, precision, team)
    if recipe.trainable == "head":
        classes, train, val = read_embeddings(paths.features(model, dataset))
    else:
        augment = recipe.augment
        if augment and takes_one_size(model):
            augment = augment.model_copy(update={"small_crop": None})
        classes, train, val = read_splits(paths.images(dataset), preprocessing, params, augment, team)

    check_enough(len(train.labels), recipe, variant, dataset)

    network = load_pretrained(model, paths.weights(model))
    seed_torch(params.seed)
    last_layer = new_last_layer(network, len(classes))
    set_last_layer(network, last_layer)
    network.to(compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compute.device.type == "cpu":
        strided_depthwise_in_float32(network)
    if compute.precision == "bfloat16" and not computes_bfloat16(compute.device) and not team.rank:
        print(
            f"warning: params.yaml: precision is bfloat16, which this {compute.device.type} only emulates: a step takes"
            f" about {slowdown_of_bfloat16(network, settings.crop, compute):.2g} times as long as in float32, which"
            " precision: auto would take",
            file=sys.stderr,
        )
    if recipe.trainable == "all" and not team.rank:
        print(f"training all layers of {model} on {compute.device.type} in {compute.precision}", flush=True)
    trained: nn.Module = last_layer if recipe.trainable == "head" else network

    # A last layer on features is trained again in a second.
    to_resume = recipe.trainable == "all"
    checkpoint = checkpoint_of(model, dataset, variant, compute.precision, params) if to_resume else None
    history = fit(trained, train, val, recipe, params.seed, compute, reporter(recipe, settings.crop), checkpoint)
    if team.rank:
        return
    *_, last = history
    at_its_end = f"accuracy {last['accuracy']:.4f} on {len(val.labels)} val images after epoch {last['epoch']}"
    print(f"{model} {dataset} {variant}: {at_its_end}")
    if recipe.select == "best":
        print("kept: the epoch that was best on the val images; its accuracy on them is optimistic")
    Classifier(network, model, classes, preprocessing, compute.precision).save(paths.model(model, dataset, variant))
    write_table(paths.history(model, dataset, variant), history)
    if checkpoint:
        checkpoint.delete()


def reporter(recipe: Variant, crop: int) -> Callable[[Row, Row], None]:
    """A function that prints an epoch's rows and, of all layers, how long the rest will take at this epoch's pace."""
    ended = time.monotonic()

    def pixels(epoch: int) -> int:
        return (recipe.augment.crop(epoch, crop) if recipe.augment else crop) ** 2

    def report(train: Row, val: Row) -> None:
        nonlocal ended
        epoch, before, ended = int(train["epoch"]), ended, time.monotonic()
        rest = sum(map(pixels, range(epoch + 1, recipe.epochs + 1))) / pixels(epoch)
        left = f"; {rest * (ended - before):.0f} s to go" if recipe.trainable == "all" else ""
        print(
            f"epoch {epoch}/{recipe.epochs}: train loss {train['loss']:.4f}, accuracy {train['accuracy']:.4f} (running)"
            f"; val loss {val['loss']:.4f}, accuracy {val['accuracy']:.4f}{left}",
            flush=True,
        )

    return report


def checkpoint_of(model: str, dataset: str, variant: str, precision: str, params: Params) -> Checkpoint:
    """Where this run is saved after every epoch; named for all that its result depends on."""
    settings = params.models[model]
    sizes = (settings.resize, settings.crop)
    depends_on = (params.seed, precision, *sizes, params.variants[variant].model_dump())
    inputs = (paths.images(dataset), paths.weights(model), paths.CODE)
    return Checkpoint.of(paths.SCRATCH / "checkpoints", f"{model}-{dataset}-{variant}", depends_on, inputs)


def check_enough(images: int, recipe: Variant, variant: str, dataset: str) -> None:
    if images < recipe.batch_size:
        raise ProjectError(
            f"{paths.images(dataset) / 'train'} has {images} images, fewer than variants.{variant}.batch_size"
            f" ({recipe.batch_size}) in params.yaml: lower that, or add images"
        )


def read_embeddings(path: Path) -> tuple[list[str], Examples, Examples]:
    """Class names, train and val of a file of features@MODEL-DATASET."""
    features = load_tensors(path, ("classes", "train", "val"))
    return features["classes"], Embeddings(**features["train"]), Embeddings(**features["val"])


def read_splits(
    folder: Path, preprocessing: Preprocessing, params: Params, augment: Augment | None, team: Team
) -> tuple[list[str], Examples, Examples]:
    """Class names, train (augmented so) and val of data/DATASET/. Each process of the team reads all."""
    train, val = list_split(folder / "train"), list_split(folder / "val")
    share, both = params.runtime.image_cache_mib // team.size, len(train.files) + len(val.files)
    parts = [
        params.runtime.model_copy(update={"image_cache_mib": share * len(of.files) // both}) for of in (train, val)
    ]
    return (
        train.classes,
        read_images(train, preprocessing, parts[0], augment, params.seed),
        read_images(val, preprocessing, parts[1]),
    )


if __name__ == "__main__":
    run(main)
