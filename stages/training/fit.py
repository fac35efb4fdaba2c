"""The training loop of a whole network."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from stages.ground.errors import DivergedError, ProjectError
from stages.networks.blocks import to_training
from stages.networks.network import last_layer
from stages.recipes.variant import Report, Row, Variant
from stages.recipes.weights import class_weights
from stages.statistics.scores import score
from stages.training.activations import Activations, shortened
from stages.training.batchnorm import recompute_statistics
from stages.training.checkpoint import Checkpoint
from stages.training.compute import Compute
from stages.training.examples import Images
from stages.training.seeds import seed_torch
from stages.training.together import together


def fit(
    network: nn.Module,
    train: Images,
    val_logits: Callable[[nn.Module], np.ndarray],
    val_labels: np.ndarray,
    recipe: Variant,
    seed: int,
    compute: Compute,
    report: Report = lambda history: None,
    checkpoint: Checkpoint | None = None,
    before: Sequence[Row] = (),
    every_epoch: bool = True,
) -> list[Row]:
    """Train `network` in place; every one of its parameters that requires a gradient is trained.

    The train row of an epoch is the running one: means over the images as they were seen, augmented and
    while the weights moved; its loss is without class weights, as all that are shown. The val row is of the network
    at the epoch's end, whose (N, classes) logits of the val images `val_logits` gives; at the last one's, after
    BatchNorm's statistics were recomputed, and the network was blended with what it was at the start, if the recipe
    says so. Rows of `before` come first. Without `every_epoch`, and where the recipe does not choose an epoch by
    them, only the last epoch has rows.

    Raises:
        DivergedError: the loss is no longer finite.
        ProjectError: some batch has no share for each of several processes.
    """
    smallest = len(train.labels) // recipe.steps(len(train.labels))
    if smallest < compute.team.size:
        raise ProjectError(
            f"params.yaml: batch_size {recipe.batch_size} makes batches of {smallest} of {len(train.labels)} images,"
            f" too few for {compute.team.size} processes; try a larger number"
        )
    optimizer = new_optimizer(network, recipe)
    stepped, examples = shortened(network, train, compute)
    joined, first = compute.team.joined(stepped), compute.team.rank == 0
    history = list(before)
    start = copy.deepcopy(network.state_dict()) if recipe.blend else {}
    best_accuracy, best_state = -1.0, None
    if checkpoint and (saved := compute.team.from_first(checkpoint.load)):
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        history, best_accuracy, best_state = saved["history"], saved["best_accuracy"], saved["best_state"]
        if first:
            print(f"going on after epoch {history[-1]['epoch']}, from {checkpoint.path}")

    for epoch in range(int(history[-1]["epoch"]) + 1 if history else 1, recipe.epochs + 1):
        lr = recipe.lr_in(epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["share"]
        loss, accuracy = train_epoch(joined, examples, optimizer, recipe, seed, epoch, compute)
        rows: list[Row] = [{"epoch": epoch, "split": "train", "loss": loss, "accuracy": accuracy, "lr": lr}]
        compute.team.synchronize(network)
        if epoch == recipe.epochs:
            if recipe.recompute_batchnorm:
                recompute_statistics(network, train, compute)
            if isinstance(recipe.blend, float):
                blend(network, start, recipe.blend)
        if not every_epoch and recipe.select == "last" and epoch < recipe.epochs:
            continue
        loss, accuracy = score(val_logits(network), val_labels)
        if not math.isfinite(loss):
            raise DivergedError(f"the val loss is {loss} after epoch {epoch}, at lr {lr:g}; lower lr")
        rows += [{"epoch": epoch, "split": "val", "loss": loss, "accuracy": accuracy, "lr": lr}]
        history += rows
        if first:
            report(history)
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
    """Of every parameter that requires a gradient; a group's `share` is of the recipe's learning rate."""
    last = {id(parameter) for parameter in last_layer(network).parameters()}
    head: list[nn.Parameter] = []
    body: list[nn.Parameter] = []
    for parameter in network.parameters():
        if parameter.requires_grad:
            (head if id(parameter) in last else body).append(parameter)
    groups = [{"params": body, "share": recipe.body_lr}, {"params": head, "share": 1.0}]
    return torch.optim.SGD(
        [group for group in groups if group["params"]], recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay
    )


@torch.no_grad()
def blend(network: nn.Module, start: Mapping[str, Tensor], share: float) -> None:
    """Set every tensor to (1 - share) x what it was at the start + share x what training made of it.

    WiSE-FT: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    state = network.state_dict()
    blended = {name: torch.lerp(start[name], of, share) for name, of in state.items() if of.is_floating_point()}
    network.load_state_dict(state | blended)


def train_epoch(
    network: nn.Module,
    images: Images | Activations,
    optimizer: torch.optim.Optimizer,
    recipe: Variant,
    seed: int,
    epoch: int,
    compute: Compute,
) -> tuple[float, float]:
    """One pass over all images in random order: their mean loss, without weights, and accuracy.

    What a step lowers is the plain mean of the batch's weighted losses: over all batches its gradient is that of the
    weighted loss over all images. CrossEntropyLoss divides by the sum of the batch's weights instead: an image would
    then count for less beside one of a small class, and a batch of one class alone would know no weights.
    """
    to_training(network)
    if recipe.batch_norm == "frozen":
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    count = len(images.labels)
    weights = torch.from_numpy(class_weights(recipe.class_weights, images.labels)).to(compute.device)
    seed_torch(seed, epoch)  # dropout
    loss_sum, correct = 0.0, 0
    for step, batch in enumerate(recipe.batches(count, seed, epoch), start=1):
        share = compute.team.share(batch)
        labels = torch.from_numpy(images.labels[share]).to(compute.device)
        with compute.autocast():
            inputs = images.augmented(share, compute.device, epoch)
            with together(compute.team, len(batch)):
                logits = network(inputs)
        loss = F.cross_entropy(logits, labels, weights, reduction="sum") / len(batch)
        if not math.isfinite(loss.item()):
            lr = optimizer.param_groups[-1]["lr"]
            raise DivergedError(f"the loss is {loss.item()} in epoch {epoch}, step {step}, at lr {lr:g}; lower lr")
        optimizer.zero_grad()
        (loss * compute.team.size).backward()  # type: ignore[no-untyped-call]  # gradients are averaged over the team
        optimizer.step()
        shown = F.cross_entropy(logits.detach(), labels, reduction="sum") / len(batch)
        loss_sum += shown.item() * len(batch)  # batches differ in size: the mean is over images
        correct += int((logits.argmax(1) == labels).sum())
    loss_sum, correct = compute.team.gathered(np.array([[loss_sum, correct]])).sum(0).tolist()
    return loss_sum / count, correct / count
