"""The training loop: one for a last layer on embeddings and for a whole network on images."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.common.checkpoint import Checkpoint
from stages.common.compute import Compute
from stages.common.errors import ProjectError
from stages.common.examples import Examples
from stages.common.params import Variant
from stages.common.seeds import derived_rng, seed_torch

EVAL_BATCH = 50  # examples

Row = dict[str, int | str | float]  # epoch, split (train, val), loss, accuracy, lr


def fit(
    network: nn.Module,
    train: Examples,
    val: Examples,
    recipe: Variant,
    seed: int,
    compute: Compute,
    report: Callable[[Row, Row], None] = lambda train, val: None,
    checkpoint: Checkpoint | None = None,
) -> list[Row]:
    """Train `network` in place; every one of its parameters that requires a gradient is trained.

    The train row of an epoch is the running one: means over the images as they were seen, augmented and
    while the weights moved. The val row is of the network at the epoch's end.

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
        lr = optimizer.param_groups[0]["lr"] = recipe.lr * lr_factor(recipe, epoch)
        loss, accuracy = train_epoch(joined, train, optimizer, recipe.batch_size, seed, epoch, compute)
        rows: list[Row] = [{"epoch": epoch, "split": "train", "loss": loss, "accuracy": accuracy, "lr": lr}]
        compute.team.synchronize(network)
        loss, accuracy = score(predict(network, val, compute), val.labels)
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


def lr_factor(recipe: Variant, epoch: int) -> float:
    """What the learning rate is multiplied by in `epoch`, counted from 1."""
    done = epoch - 1
    if recipe.step_epochs is not None and recipe.step_factor is not None:  # schedule: step
        return recipe.step_factor ** (done // recipe.step_epochs)
    if recipe.schedule == "linear":
        return 1 - done / recipe.epochs
    return 0.5 * (1 + math.cos(math.pi * done / recipe.epochs))


def train_epoch(
    network: nn.Module,
    examples: Examples,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    seed: int,
    epoch: int,
    compute: Compute,
) -> tuple[float, float]:
    """One pass over all examples in random order: their mean loss and accuracy.

    Batches differ by one example at most, so that none is left with a single one, which BatchNorm cannot take.
    """
    network.train()
    rank = compute.team.rank
    seed_torch(seed, epoch, *([rank] if rank else []))  # dropout, which is to differ within a batch
    order = torch.from_numpy(derived_rng(seed, epoch).permutation(len(examples.labels)))
    loss_sum, correct = 0.0, 0
    for step, batch in enumerate(order.tensor_split(math.ceil(len(order) / batch_size)), start=1):
        share = compute.team.share(batch)
        labels = examples.labels[share].to(compute.device)
        with compute.autocast():
            logits = network(examples.inputs(share, compute.device, epoch))
        loss = F.cross_entropy(logits, labels, reduction="sum") / len(batch)
        if not math.isfinite(loss.item()):
            lr = optimizer.param_groups[0]["lr"]
            raise ProjectError(f"the loss is {loss.item()} in epoch {epoch}, step {step}, at lr {lr:g}; lower lr")
        optimizer.zero_grad()
        (loss * compute.team.size).backward()  # type: ignore[no-untyped-call]  # gradients are averaged over the team
        optimizer.step()
        loss_sum += loss.item() * len(batch)  # batches differ in size: the mean is over images
        correct += int((logits.argmax(1) == labels).sum())
    loss_sum, correct = compute.team.gathered(torch.tensor([[loss_sum, correct]], dtype=torch.float64)).sum(0).tolist()
    return loss_sum / len(order), correct / len(order)


@torch.inference_mode()
def predict(network: nn.Module, examples: Examples, compute: Compute) -> Tensor:
    """The network's logits of all examples, not augmented, in their order: (N, classes) float32, on the CPU."""
    network.eval()
    logits = []
    for batch in torch.split(compute.team.share(torch.arange(len(examples.labels))), EVAL_BATCH):
        with compute.autocast():
            logits.append(network(examples.inputs(batch, compute.device)).float().cpu())
    return compute.team.gathered(torch.cat(logits))


def score(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """(N, classes), (N,) -> mean cross-entropy in nats, accuracy"""
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()
