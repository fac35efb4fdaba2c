"""Train every layer of a network on a data set's images: from its pretrained file to a finished model."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.params import Seed, load_entry, load_section
from stages.ground.runtime import Runtime, load_runtime
from stages.heads.linear import Head
from stages.models.backbone import Backbone
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.networks.network import (
    check_takes,
    load_pretrained,
    new_last_layer,
    set_last_layer,
    strided_depthwise_in_float32,
    tensors_of,
)
from stages.networks.settings import takes_one_size
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, list_splits
from stages.recipes.history import Cell, check_enough, epoch_line, keep_history
from stages.recipes.variant import Augment, Row, Variant
from stages.training.checkpoint import Checkpoint
from stages.training.compute import Compute, choose_compute, computes_bfloat16, slowdown_of_bfloat16
from stages.training.distributed import ALONE, Team, launch
from stages.training.examples import Images, read_images
from stages.training.fit import fit

VAL_BATCH = 32  # images that are normalized at once


def train_whole(recipe: Variant, cell: Cell) -> None:
    """Write the trained model and its history, from runtime.devices processes."""
    devices = load_runtime().devices
    if devices == 1:
        train_in(ALONE, *cell)
        return
    if recipe.batch_size < devices:
        raise ProjectError(
            f"params.yaml: variants.{cell[2]}.batch_size ({recipe.batch_size}) is less than runtime.devices"
            f" ({devices}), each of which needs a share of every batch"
        )
    launch(devices, train_in, *cell)


def train_in(team: Team, model: str, dataset: str, variant: str) -> None:
    """The same in every process of the team, but that the first one reports and writes."""
    cell, runtime = (model, dataset, variant), load_runtime()
    recipe, preprocessing = load_entry("variants", Variant, variant), Preprocessing.of(model, dataset)
    seed: int = load_section("seed", Seed)
    compute = choose_compute(runtime.device, load_section("precision", Literal["auto", "bfloat16", "float32"]), team)
    splits = list_splits(paths.images(dataset))
    train_files, val_files = splits["train"], splits["val"]
    check_enough(len(train_files.files), recipe, cell)
    train, val = read_splits(train_files, val_files, preprocessing, augmentation(recipe, model), seed, runtime, team)
    pretrained = Pretrained.read(paths.weights(model), model)
    network = with_new_last_layer(pretrained, len(train_files.classes), seed, compute)
    side = train.augment.crop if train.augment and train.augment.crop else preprocessing.crop
    smallest = len(train.labels) // recipe.steps(len(train.labels)) // team.size
    key = f"variants.{variant}.augment.crop" if side < preprocessing.crop else f"models.{model}.crop"
    check_takes(model, max(1, smallest), side, f"{key}, variants.{variant}.batch_size")
    if not team.rank:
        announce(model, network, preprocessing.crop, compute)
    checkpoint = checkpoint_of(cell, recipe, (seed, compute.precision, preprocessing.resize, preprocessing.crop))
    look = Validation(val, pretrained, compute)
    report = reporter(recipe)
    history = fit(network, train, look.logits, val.labels, recipe, seed, compute, report, checkpoint)
    if team.rank:
        return
    ModelFile(
        model,
        pretrained.last_layer,
        pretrained.graph,
        train_files.classes,
        preprocessing,
        compute.precision,
        None,
        tensors_of(network),
    ).write(paths.model(*cell))
    keep_history(history, recipe, cell, len(val.labels))
    checkpoint.delete()


def augmentation(recipe: Variant, model: str) -> Augment | None:
    if recipe.augment and takes_one_size(model):
        return recipe.augment.model_copy(update={"crop": None})
    return recipe.augment


def read_splits(
    train: LabelledFiles,
    val: LabelledFiles,
    preprocessing: Preprocessing,
    augment: Augment | None,
    seed: int,
    runtime: Runtime,
    team: Team,
) -> tuple[Images, Images]:
    """Train, which `augment` changes, and val. Each process of the team reads all."""
    share, both = runtime.image_cache_mib // team.size, len(train.files) + len(val.files)
    parts = [runtime.model_copy(update={"image_cache_mib": share * len(of.files) // both}) for of in (train, val)]
    return read_images(train, preprocessing, parts[0], augment, seed), read_images(val, preprocessing, parts[1])


def with_new_last_layer(pretrained: Pretrained, classes: int, seed: int, compute: Compute) -> nn.Module:
    network = load_pretrained(pretrained)
    head = Head.drawn(pretrained.width, classes, seed)
    set_last_layer(network, new_last_layer(head.weight, head.bias))
    network.to(compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compute.device.type == "cpu":
        strided_depthwise_in_float32(network)
    return network


def announce(model: str, network: nn.Module, crop: int, compute: Compute) -> None:
    kind = compute.device.type
    if compute.precision == "bfloat16" and not computes_bfloat16(compute.device):
        print(
            f"warning: params.yaml: precision is bfloat16, which this {kind} only emulates: a step takes"
            f" about {slowdown_of_bfloat16(network, crop, compute):.2g} times as long as in float32, which"
            " precision: auto would take",
            file=sys.stderr,
        )
    print(f"training all layers of {model} on {kind} in {compute.precision}", flush=True)


@dataclass(frozen=True)
class Validation:
    """A look at the val images as the finished model will see them: by onnxruntime, in float32."""

    images: Images
    pretrained: Pretrained
    compute: Compute

    def logits(self, network: nn.Module) -> np.ndarray:
        """(N, classes) float32, of all val images; each process of the team computes a share."""
        tensors, last = tensors_of(network), self.pretrained.last_layer
        head = Head(tensors[f"{last}.weight"], tensors[f"{last}.bias"])
        backbone = Backbone(self.pretrained.graph, tensors, self.compute.device.type, torch.get_num_threads())
        mine = self.compute.team.share(np.arange(len(self.images.labels)))
        parts = [mine[start : start + VAL_BATCH] for start in range(0, len(mine), VAL_BATCH)]
        logits = [
            head.logits(backbone.embeddings(to_input(self.images.squares[part], self.images.preprocessing)))
            for part in parts
        ]
        return self.compute.team.gathered(np.concatenate([np.empty((0, len(head.bias)), np.float32), *logits]))


def reporter(recipe: Variant) -> Callable[[Row, Row], None]:
    """A function that prints an epoch's rows, and how long the rest will take at this epoch's pace."""
    ended = time.monotonic()

    def report(train: Row, val: Row) -> None:
        nonlocal ended
        before, ended = ended, time.monotonic()
        left = (recipe.epochs - int(train["epoch"])) * (ended - before)
        print(f"{epoch_line(train, val, recipe)}; {left:.0f} s to go", flush=True)

    return report


def checkpoint_of(cell: Cell, recipe: Variant, settings: tuple[object, ...]) -> Checkpoint:
    """Where this run is saved after every epoch; named for all that its result depends on."""
    model, dataset, _ = cell
    inputs = (paths.images(dataset), paths.weights(model), paths.CODE)
    return Checkpoint.of(paths.SCRATCH / "checkpoints", "-".join(cell), (*settings, recipe.model_dump()), inputs)
