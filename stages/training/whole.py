"""Train all layers of a network, or its last blocks, on a data set's images: from its pretrained file to a finished
model."""

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import write_table
from stages.ground.params import Precision, Seed, load_section
from stages.ground.runtime import Runtime, load_runtime
from stages.ground.seeds import derived_rng
from stages.heads.fit import start_layer, start_rows
from stages.heads.linear import Embeddings, Head
from stages.heads.novelty import novelty_of
from stages.heads.probe import FOLDS
from stages.models.backbone import Backbone
from stages.models.features import Features
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.models.tensors import Tensors
from stages.networks.blocks import check_blocks, train_last_blocks
from stages.networks.network import (
    check_takes,
    load_pretrained,
    new_last_layer,
    set_last_layer,
    slow_depthwise_in_float32,
    takes_one_size,
    tensors_of,
)
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, groups_of, list_splits
from stages.recipes.history import Cell, check_enough, epoch_line, keep_history
from stages.recipes.variant import Augment, Report, Row, Variant, load_recipe
from stages.recipes.weights import class_weights
from stages.statistics.novelty import kept_images
from stages.statistics.scores import cross_entropy
from stages.statistics.selection import simplest
from stages.training.checkpoint import Checkpoint
from stages.training.compute import Compute, choose_compute, computes_bfloat16, slowdown_of_bfloat16
from stages.training.distributed import ALONE, Team, join, launch
from stages.training.examples import Images, read_images
from stages.training.fit import blend, fit
from stages.training.surroundings import surroundings

SHARES = (0.0, 0.25, 0.5, 1.0)  # that blend: auto chooses from; see docs/tuning.md for why there is none between
SURE = 2  # standard errors by which it must be better to go further from the start
VAL_BATCH = 32  # images that are normalized at once


def train_whole(recipe: Variant, cell: Cell) -> None:
    """Write the trained model and its history, from runtime.devices processes, or as one of those that the surroundings
    tell of."""
    devices, around = load_runtime().devices, surroundings()
    size, named = (around.size, "WORLD_SIZE") if around else (devices, "runtime.devices")
    if around and devices > 1:
        raise ProjectError(
            f"params.yaml: runtime.devices is {devices}, and WORLD_SIZE in the environment {size}: either starts the"
            " processes, not both; set runtime.devices to 1"
        )
    if recipe.batch_size < size:
        raise ProjectError(
            f"params.yaml: variants.{cell[2]}.batch_size ({recipe.batch_size}) is less than {named} ({size}): each"
            " process needs a share of every batch"
        )
    if around:
        join(around, train_in, *cell)
    elif devices > 1:
        launch(devices, train_in, *cell)
    else:
        train_in(ALONE, *cell)


def train_in(team: Team, model: str, dataset: str, variant: str) -> None:
    """The same in every process of the team, but that the first one reports and writes."""
    cell, runtime = (model, dataset, variant), load_runtime()
    recipe, preprocessing = load_recipe(variant), Preprocessing.of(model, dataset)
    assert isinstance(recipe, Variant)  # a probe trains no whole network
    seed: int = load_section("seed", Seed)
    compute = choose_compute(runtime.device, load_section("precision", Precision), team)
    splits = list_splits(paths.images(dataset))
    train_files, val_files = splits["train"], splits["val"]
    check_enough(len(train_files.files), recipe, cell)
    pretrained = Pretrained.read(paths.weights(model), model)
    checkpoint = checkpoint_of(cell, recipe, (seed, compute.precision, str(preprocessing)))
    team.check_alike({"device": compute.device.type, "precision": compute.precision, **checkpoint.parts})
    augment = augmentation(recipe, pretrained.network)
    train, val = read_splits(train_files, val_files, preprocessing, augment, seed, runtime, team)
    check_batches(recipe, train, pretrained, variant)
    if not team.rank:
        announce(load_pretrained(pretrained), preprocessing.crop, compute, model, recipe)
    embeddings = kept_embeddings(model, dataset) if recipe.start != "random" else None
    network, history = trained(
        recipe, train, val, pretrained, embeddings, seed, compute, reporter(recipe, cell), checkpoint
    )
    known = known_images(network, train, train_files, dataset, pretrained, seed, compute)
    if team.rank:
        return
    ModelFile(
        pretrained.network,
        pretrained.last_layer,
        pretrained.graph,
        train_files.classes,
        preprocessing,
        compute.precision,
        None,
        tensors_of(network),
        novelty_of(known, seed),
        pretrained.licence,
    ).write(paths.model(*cell))
    keep_history(history, recipe, cell, len(val.labels))
    checkpoint.delete()


def trained(
    recipe: Variant,
    train: Images,
    val: Images,
    pretrained: Pretrained,
    embeddings: Embeddings | None,
    seed: int,
    compute: Compute,
    report: Report = lambda history: None,
    checkpoint: Checkpoint | None = None,
    every_epoch: bool = True,
) -> tuple[nn.Module, list[Row]]:
    """The trained network, and its history; see fit().

    `embeddings` are of the train images, for recipes that start from a layer trained on these, whose own rows are those
    of epoch 0.
    """
    look, before = Validation(val, pretrained, compute), list[Row]()
    if embeddings is None or recipe.start == "random":
        head = Head.drawn(pretrained.width, int(train.labels.max()) + 1, seed)
    else:
        head = start_layer(recipe, embeddings, seed)
    network = with_last_layer(pretrained, head, compute)
    if recipe.last_blocks:
        train_last_blocks(network, recipe.last_blocks)
    if embeddings is not None:
        before = start_rows(head, embeddings, look.logits(network), val.labels)
        if recipe.blend == "auto":
            share = chosen_share(recipe, train, pretrained, embeddings, seed, compute)
            if share == 0:
                return network, before
            recipe = recipe.model_copy(update={"blend": share if share < 1 else None})
    history = fit(
        network, train, look.logits, val.labels, recipe, seed, compute, report, checkpoint, before, every_epoch
    )
    return network, history


def chosen_share(
    recipe: Variant, train: Images, pretrained: Pretrained, embeddings: Embeddings, seed: int, compute: Compute
) -> float:
    """Which of SHARES suits these images, by the log loss, weighted as in training, on a fifth of the train images,
    after training on the others.

    WiSE-FT's weight, chosen without a look at the val images: 0 is the start, 1 is the network as it was trained. The
    least loss is taken, if that of the start is more than SURE standard errors above it; else the start.

    Raises:
        ProjectError: there are too few groups.
    """
    held_out = embeddings.folds(FOLDS, seed) == 0
    known, asked = embeddings.part(~held_out), train.part(np.flatnonzero(held_out))
    if set(known.labels) != set(embeddings.labels):
        raise ProjectError(
            "blend: auto cannot be chosen: without a fifth of the train images, in whole groups, a class has none; add"
            " images of other groups, or name the blend in params.yaml"
        )
    if not compute.team.rank:
        print(f"first without {len(asked.labels)} of the train images, to choose the blend on these", flush=True)
    inner, learnt = recipe.model_copy(update={"blend": None}), train.part(np.flatnonzero(~held_out))
    network, _ = trained(inner, learnt, asked, pretrained, known, seed, compute, every_epoch=False)
    start = with_last_layer(pretrained, start_layer(recipe, known, seed), compute).state_dict()
    end, look = copy.deepcopy(network.state_dict()), Validation(asked, pretrained, compute)
    weights, losses = class_weights(recipe.class_weights, embeddings.labels)[asked.labels], []
    for share in SHARES:
        network.load_state_dict(end)
        blend(network, start, share)
        losses.append(cross_entropy(look.logits(network), asked.labels) * weights)
    least = int(np.nan_to_num(np.mean(losses, axis=1), nan=np.inf).argmin())
    best = (
        SHARES[least]
        if simplest(np.array([losses[0], losses[least]]), SURE, embeddings.part(held_out).groups)
        else SHARES[0]
    )
    if not compute.team.rank:
        shown = ", ".join(f"{share:g}: {of.mean():.4f}" for share, of in zip(SHARES, losses, strict=True))
        print(f"share of what training made of the network, and log loss: {shown}; {best:g} is taken", flush=True)
    return best


def known_images(
    network: nn.Module,
    train: Images,
    listed: LabelledFiles,
    dataset: str,
    pretrained: Pretrained,
    seed: int,
    compute: Compute,
) -> Embeddings:
    """The finished network's embeddings of the train images that novelty_of looks at, as they are used: not augmented,
    in float32."""
    kept, folder = kept_images(train.labels, derived_rng(seed)), paths.images(dataset)
    embeddings = Validation(train.part(kept), pretrained, compute).embeddings(network)
    groups = groups_of(dataset, [path.relative_to(folder).as_posix() for path in listed.files])
    return Embeddings(embeddings, train.labels[kept], None if groups is None else groups[kept])


def kept_embeddings(model: str, dataset: str) -> Embeddings:
    return Embeddings.of(Features.read(paths.features(model, dataset)).splits["train"])


def check_batches(recipe: Variant, train: Images, pretrained: Pretrained, variant: str) -> None:
    """Raises ProjectError where the network cannot take the smallest batch of the smallest images, or has no such
    blocks."""
    network, crop = pretrained.network, pretrained.crop
    if recipe.last_blocks:
        check_blocks(network, crop, recipe.last_blocks, f"variants.{variant}.trainable")
    side = train.augment.crop if train.augment and train.augment.crop else crop
    smallest = len(train.labels) // recipe.steps(len(train.labels))
    key = f"variants.{variant}.augment.crop" if side < crop else f"models.{pretrained.model}.crop"
    check_takes(network, smallest, side, f"{key}, variants.{variant}.batch_size", crop)


def augmentation(recipe: Variant, network: str) -> Augment | None:
    if recipe.augment and takes_one_size(network):
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
    share, both = runtime.image_cache_mib // team.local_size, len(train.files) + len(val.files)
    parts = [runtime.model_copy(update={"image_cache_mib": share * len(of.files) // both}) for of in (train, val)]
    return read_images(train, preprocessing, parts[0], augment, seed), read_images(val, preprocessing, parts[1])


def with_last_layer(pretrained: Pretrained, head: Head, compute: Compute) -> nn.Module:
    network = load_pretrained(pretrained)
    set_last_layer(network, new_last_layer(head.weight, head.bias))
    network.to(compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compute.device.type == "cpu":
        slow_depthwise_in_float32(network)
    return network


def announce(network: nn.Module, crop: int, compute: Compute, model: str, recipe: Variant) -> None:
    kind = compute.device.type
    if compute.precision == "bfloat16" and not computes_bfloat16(compute.device):
        print(
            f"warning: params.yaml: precision is bfloat16, which this {kind} only emulates: a step takes"
            f" about {slowdown_of_bfloat16(network, crop, compute):.2g} times as long as in float32, which"
            " precision: auto would take",
            file=sys.stderr,
        )
    what = f"the last {recipe.last_blocks} blocks" if recipe.last_blocks else "all layers"
    print(f"training {what} of {model} on {kind} in {compute.precision}", flush=True)


@dataclass(frozen=True)
class Validation:
    """A look at images as the finished model will see them: by onnxruntime, in float32."""

    images: Images
    pretrained: Pretrained
    compute: Compute

    def logits(self, network: nn.Module) -> np.ndarray:
        """(N, classes) float32, of all images; each process of the team computes a share."""
        tensors, last = tensors_of(network), self.pretrained.last_layer
        head = Head(tensors[f"{last}.weight"], tensors[f"{last}.bias"])
        return self._gathered(tensors, head.logits, len(head.bias))

    def embeddings(self, network: nn.Module) -> np.ndarray:
        """(N, D) float32, the same way."""
        return self._gathered(tensors_of(network), lambda embeddings: embeddings, self.pretrained.width)

    def _gathered(self, tensors: Tensors, answer: Callable[[np.ndarray], np.ndarray], width: int) -> np.ndarray:
        """(N, width), what `answer` makes of the embeddings of one batch after another."""
        backbone = Backbone(self.pretrained.graph, tensors, self.compute.device.type, torch.get_num_threads())
        mine = self.compute.team.share(np.arange(len(self.images.labels)))
        parts = [mine[start : start + VAL_BATCH] for start in range(0, len(mine), VAL_BATCH)]
        answers = [
            answer(backbone.embeddings(to_input(self.images.squares[part], self.images.preprocessing)))
            for part in parts
        ]
        return self.compute.team.gathered(np.concatenate([np.empty((0, width), np.float32), *answers]))


def reporter(recipe: Variant, cell: Cell) -> Report:
    """A function that prints an epoch's rows, and how long the rest will take at this epoch's pace; and writes all that
    there are, so that plots follow the training."""
    ended = time.monotonic()

    def report(history: list[Row]) -> None:
        nonlocal ended
        train, val = history[-2:]
        before, ended = ended, time.monotonic()
        left = (recipe.epochs - int(train["epoch"])) * (ended - before)
        print(f"{epoch_line(train, val, recipe)}; {left:.0f} s to go", flush=True)
        write_table(paths.history(*cell), history)

    return report


def checkpoint_of(cell: Cell, recipe: Variant, settings: tuple[object, ...]) -> Checkpoint:
    """Where this run is saved after every epoch; named for all that its result depends on."""
    model, dataset, _ = cell
    inputs = (paths.images(dataset), paths.weights(model), paths.CODE)
    return Checkpoint.of(paths.SCRATCH / "checkpoints", "-".join(cell), (*settings, recipe.model_dump()), inputs)
