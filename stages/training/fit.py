"""The training loop of a whole network."""

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from stages.ground.errors import ProjectError
from stages.recipes.variant import Row, Variant
from stages.statistics.scores import score
from stages.training.batchnorm import recompute_statistics
from stages.training.checkpoint import Checkpoint
from stages.training.compute import Compute
from stages.training.examples import Images
from stages.training.seeds import seed_torch


def fit(
    network: nn.Module,
    train: Images,
    val_logits: Callable[[nn.Module], np.ndarray],
    val_labels: np.ndarray,
    recipe: Variant,
    seed: int,
    compute: Compute,
    report: Callable[[Row, Row], None] = lambda train, val: None,
    checkpoint: Checkpoint | None = None,
) -> list[Row]:
    """Train `network` in place; every one of its parameters that requires a gradient is trained.

    The train row of an epoch is the running one: means over the images as they were seen, augmented and
    while the weights moved. The val row is of the network at the epoch's end, whose (N, classes) logits of the val
    images `val_logits` gives; at the last one's, after BatchNorm's statistics were recomputed, if the recipe says so.

    Raises:
        ProjectError: the loss is no longer finite.
    """
    optimizer = new_optimizer(network, recipe)
    joined, first = compute.team.joined(network), compute.team.rank == 0
    history: list[Row] = []
    best_accuracy, best_state = -1.0, None
    if checkpoint and (saved := checkpoint.load()):
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        history, best_accuracy, best_state = saved["history"], saved["best_accuracy"], saved["best_state"]
        if first:
            print(f"going on after epoch {len(history) // 2}, from {checkpoint.path}")

    for epoch in range(len(history) // 2 + 1, recipe.epochs + 1):
        lr = optimizer.param_groups[0]["lr"] = recipe.lr_in(epoch)
        loss, accuracy = train_epoch(joined, train, optimizer, recipe, seed, epoch, compute)
        rows: list[Row] = [{"epoch": epoch, "split": "train", "loss": loss, "accuracy": accuracy, "lr": lr}]
        compute.team.synchronize(network)
        if recipe.recompute_batchnorm and epoch == recipe.epochs:
            recompute_statistics(network, train, compute)
        loss, accuracy = score(val_logits(network), val_labels)
        if not math.isfinite(loss):
            raise ProjectError(f"the val loss is {loss} after epoch {epoch}, at lr {lr:g}; lower lr")
        rows += [{"epoch": epoch, "split": "val", "loss": loss, "accuracy": accuracy, "lr": lr}]
        if first:
            report(*rows)
        history += rows
        if recipe.select == "best" and accuracy > best_accuracy:
            best_accuracy, best_state = accuracy, copy.deepcopy(network.state_dict())
        if checkpoint and first:
            checkpoint.save(
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "history": history,
                    "best_accuracy": best_accuracy,
                    "best_state": best_state,
                }
            )
    if best_state is not None:
        network.load_state_dict(best_state)
    return history


def new_optimizer(network: nn.Module, recipe: Variant) -> torch.optim.Optimizer:
    """Of every parameter that requires a gradient."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.SGD(parameters, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)


def train_epoch(
    network: nn.Module,
    images: Images,
    optimizer: torch.optim.Optimizer,
    recipe: Variant,
    seed: int,
    epoch: int,
    compute: Compute,
) -> tuple[float, float]:
    """One pass over all images in random order: their mean loss and accuracy."""
    network.train()
    rank, count = compute.team.rank, len(images.labels)
    seed_torch(seed, epoch, *([rank] if rank else []))  # dropout, which is to differ within a batch
    loss_sum, correct = 0.0, 0
    for step, batch in enumerate(recipe.batches(count, seed, epoch), start=1):
        share = compute.team.share(batch)
        labels = torch.from_numpy(images.labels[share]).to(compute.device)
        with compute.autocast():
            logits = network(images.augmented(share, compute.device, epoch))
        loss = F.cross_entropy(logits, labels, reduction="sum") / len(batch)
        if not math.isfinite(loss.item()):
            lr = optimizer.param_groups[0]["lr"]
            raise ProjectError(f"the loss is {loss.item()} in epoch {epoch}, step {step}, at lr {lr:g}; lower lr")
        optimizer.zero_grad()
        (loss * compute.team.size).backward()  # type: ignore[no-untyped-call]  # gradients are averaged over the team
        optimizer.step()
        loss_sum += loss.item() * len(batch)  # batches differ in size: the mean is over images
        correct += int((logits.argmax(1) == labels).sum())
    loss_sum, correct = compute.team.gathered(np.array([[loss_sum, correct]])).sum(0).tolist()
    return loss_sum / count, correct / count
