"""stages/training/fit.py, against the same done by hand."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional as F

from stages.ground.errors import ProjectError
from stages.ground.seeds import derived_rng
from stages.recipes.variant import Row, Variant
from stages.statistics.scores import score
from stages.training import fit as module
from stages.training.checkpoint import Checkpoint
from stages.training.compute import Compute
from stages.training.fit import fit, new_optimizer

CPU = Compute(torch.device("cpu"), "float32")
STEP = {"schedule": "step", "step_epochs": 2, "step_factor": 0.1}


def recipe(**changes: object) -> Variant:
    settings = {
        "trainable": "all", "epochs": 3, "batch_size": 4, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01,
        "schedule": "linear",
    }  # fmt: skip
    return Variant.model_validate(settings | changes)


@dataclass
class Points:
    """In the place of images: (N, 5), and what trains on them sees them as they are."""

    points: torch.Tensor
    labels: np.ndarray

    def augmented(self, of: np.ndarray, device: torch.device, epoch: int) -> torch.Tensor:
        return self.points[of]


def examples(count: int, seed: int = 0) -> Points:
    """Points of two classes that a line nearly separates."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    return Points(torch.randn(count, 5, generator=rng) + labels[:, None], labels.numpy())


@torch.no_grad()
def logits(network: nn.Module, of: Points) -> np.ndarray:
    return network.eval()(of.points).numpy()


def train_on(network: nn.Module, train: Points, val: Points, settings: Variant, seed: int, *more: object) -> list:
    return fit(network, train, lambda trained: logits(trained, val), val.labels, settings, seed, CPU, *more)


def new_layer() -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(5, 2)


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_history_agrees_with_the_same_steps_taken_by_hand(kind: str) -> None:
    """Ten examples in batches of four: 4, 3 and 3, so a mean over batches would be wrong."""
    train, val, settings = examples(10), examples(7, seed=1), recipe(**STEP, class_weights=kind)
    train.labels[:4] = 1  # of ten, eight
    trained = new_layer()
    history = train_on(trained, train, val, settings, 5)

    layer, velocity = new_layer(), {}
    weights = compute_class_weight("balanced", classes=np.arange(2), y=train.labels) if kind == "balanced" else [1, 1]
    of_images = torch.tensor(weights, dtype=torch.float32)[torch.from_numpy(train.labels)]
    expected = []
    for epoch, lr in ((1, 0.1), (2, 0.1), (3, 0.01)):
        losses, hits = [], []
        for batch in torch.from_numpy(derived_rng(5, epoch).permutation(10)).split([4, 3, 3]):
            labels = torch.from_numpy(train.labels)[batch]
            each = F.cross_entropy(layer(train.points[batch]), labels, reduction="none")
            weighted = (each * of_images[batch]).mean()
            losses += each.tolist()
            hits += (layer(train.points[batch]).argmax(1) == labels).tolist()
            for name, (parameter, gradient) in enumerate(
                zip(layer.parameters(), torch.autograd.grad(weighted, [*layer.parameters()]), strict=True)
            ):
                step = gradient + 0.01 * parameter.detach()
                velocity[name] = 0.9 * velocity[name] + step if name in velocity else step
                parameter.data -= lr * velocity[name]
        expected.append((epoch, "train", sum(losses) / 10, sum(hits) / 10, lr))
        answers = layer(val.points).log_softmax(1).detach().numpy()
        of_labels = -answers[range(7), val.labels]
        expected.append((epoch, "val", of_labels.mean(), (answers.argmax(1) == val.labels).sum() / 7, lr))
    assert [row["split"] for row in history] == [row[1] for row in expected]
    for row, right in zip(history, expected, strict=True):
        assert (row["epoch"], row["loss"], row["accuracy"], row["lr"]) == pytest.approx(
            (right[0], *right[2:]), abs=1e-6
        )
    assert torch.allclose(trained.weight, layer.weight, atol=1e-6)


def test_the_last_epochs_weights_are_kept_and_on_demand_the_best() -> None:
    train, val = examples(10), examples(9, seed=1)
    unstable = {"lr": 0.5, "epochs": 7, "batch_size": 1}
    last, best = new_layer(), new_layer()
    history = train_on(last, train, val, recipe(**unstable), 0)
    train_on(best, train, val, recipe(**unstable, select="best"), 0)
    accuracies = [row["accuracy"] for row in history if row["split"] == "val"]
    assert max(accuracies) > accuracies[-1]  # or the test shows nothing
    assert score(logits(last, val), val.labels)[1] == accuracies[-1]
    assert score(logits(best, val), val.labels)[1] == max(accuracies)


def test_training_is_the_same_whatever_was_drawn_before() -> None:
    first, second = new_layer(), new_layer()
    train_on(first, examples(10), examples(4), recipe(), 0)
    torch.rand(100)
    train_on(second, examples(10), examples(4), recipe(), 0)
    assert torch.equal(first.weight, second.weight)
    third = new_layer()
    train_on(third, examples(10), examples(4), recipe(), 1)
    assert not torch.equal(first.weight, third.weight)


def test_dropout_follows_from_seed_and_epoch() -> None:
    def train(seed: int) -> torch.Tensor:
        layer = new_layer()
        train_on(nn.Sequential(nn.Dropout(0.5), layer), examples(8), examples(4), recipe(batch_size=8), seed)
        return layer.weight

    first = train(0)
    torch.rand(100)
    assert torch.equal(first, train(0))


@pytest.mark.parametrize(
    ("settings", "factors"),
    [
        ({**STEP, "epochs": 5}, [1, 1, 0.1, 0.1, 0.01]),
        ({"schedule": "linear", "epochs": 4}, [1, 0.75, 0.5, 0.25]),
        ({"schedule": "cosine", "epochs": 4}, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
    ids=["step", "linear", "cosine"],
)
def test_schedules(settings: dict, factors: list[float]) -> None:
    chosen = recipe(**settings)
    assert [chosen.lr_in(epoch) / chosen.lr for epoch in range(1, chosen.epochs + 1)] == pytest.approx(factors)


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_lr() -> None:
    train = examples(8)
    train.points[3] = torch.inf
    with pytest.raises(ProjectError, match=r"the loss is nan in epoch 1, step \d, at lr 0\.1; lower lr"):
        train_on(new_layer(), train, examples(4), recipe(), 0)


def test_a_loss_that_is_not_finite_after_the_last_step_stops_too() -> None:
    """No step comes after it that would find out."""
    val = examples(4)
    val.points[0] = torch.nan
    with pytest.raises(ProjectError, match=r"the val loss is nan after epoch 1, at lr 0\.1; lower lr"):
        train_on(new_layer(), examples(8), val, recipe(epochs=1), 0)


def test_no_batch_is_left_with_a_single_example() -> None:
    """BatchNorm cannot train on one; nine examples in batches of four would leave it one."""
    sizes = []

    class Watched(Points):
        def augmented(self, of, device, epoch):
            sizes.append(len(of))
            return super().augmented(of, device, epoch)

    plain = examples(9)
    train_on(new_layer(), Watched(plain.points, plain.labels), plain, recipe(epochs=1), 0)
    assert sizes == [3, 3, 3]


@pytest.mark.parametrize(
    ("recompute", "expected"), [(True, ["looked", "recomputed", "looked"]), (False, ["looked", "looked"])]
)
def test_batchnorms_statistics_are_those_of_the_images_as_they_are_before_the_last_look(
    monkeypatch: pytest.MonkeyPatch, recompute: bool, expected: list[str]
) -> None:
    done = []
    monkeypatch.setattr("stages.training.fit.recompute_statistics", lambda *_: done.append("recomputed"))
    fit(
        new_layer(), examples(8), lambda network: done.append("looked") or logits(network, examples(4)),
        examples(4).labels, recipe(epochs=2, recompute_batchnorm=recompute), 0, CPU,
    )  # fmt: skip
    assert done == expected


def test_the_body_learns_at_its_share_of_the_rate() -> None:
    train = examples(10)
    network = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 2))
    optimizer = new_optimizer(network, recipe(body_lr=0.1))
    shares = {id(parameter): group["share"] for group in optimizer.param_groups for parameter in group["params"]}
    assert [shares[id(parameter)] for parameter in network.parameters()] == [0.1, 0.1, 1, 1]
    moved = {}
    for share in (1, 0.01):
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 2))
        before = [parameter.detach().clone() for parameter in network.parameters()]
        train_on(network, train, train, recipe(body_lr=share, epochs=1, weight_decay=0, momentum=0), 5)
        moved[share] = [
            (after - first).abs().max().item() for after, first in zip(network.parameters(), before, strict=True)
        ]
    assert moved[0.01][0] < 0.05 * moved[1][0]
    assert moved[0.01][3] > 0.5 * moved[1][3]


def test_frozen_batchnorm_keeps_its_statistics_and_uses_them() -> None:
    train = examples(12)

    def statistics(**changes: object) -> torch.Tensor:
        torch.manual_seed(3)
        network = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 2))
        train_on(network, train, train, recipe(**changes), 5)
        return network[0].running_mean

    assert statistics(batch_norm="frozen").abs().max() == 0
    assert statistics(batch_norm="train").abs().max() > 0


def test_blend_has_a_share_of_the_statistics_that_were_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recompute_statistics", lambda network, *_: network[0].running_mean.fill_(1))
    train, network = examples(12), nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 2))
    train_on(network, train, train, recipe(start="probe", recompute_batchnorm=True, blend=0.25), 5)
    assert network[0].running_mean.tolist() == [0.25] * 5


def test_blend_lies_between_the_start_and_what_training_made_of_it() -> None:
    train, val = examples(10), examples(7, seed=1)
    first, trained, blended = new_layer(), new_layer(), new_layer()
    train_on(trained, train, val, recipe(start="probe"), 5)
    history = train_on(blended, train, val, recipe(start="probe", blend=0.25), 5)
    assert torch.allclose(blended.weight, 0.75 * first.weight + 0.25 * trained.weight, atol=1e-6)
    assert history[-1]["loss"] == pytest.approx(score(logits(blended, val), val.labels)[0])


def test_an_interrupted_run_blends_with_where_it_began(tmp_path: Path) -> None:
    train, val, settings = examples(10), examples(7, seed=1), recipe(start="probe", blend=0.25)
    whole = new_layer()
    train_on(whole, train, val, settings, 5)
    checkpoint = Checkpoint(tmp_path / "a-b.pt")

    def stop(history: list[Row]) -> None:
        if history[-1]["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on(new_layer(), train, val, settings, 5, stop, checkpoint)
    resumed = new_layer()
    train_on(resumed, train, val, settings, 5, lambda *_: None, checkpoint)
    assert torch.equal(resumed.weight, whole.weight)


def test_rows_of_before_come_first_and_count_as_no_epoch() -> None:
    before = [{"epoch": 0, "split": split, "loss": 1.0, "accuracy": 0.5, "lr": 0.0} for split in ("train", "val")]
    train = examples(10)
    history = train_on(new_layer(), train, train, recipe(), 5, lambda *_: None, None, before)
    assert [row["epoch"] for row in history] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert history[2:] == train_on(new_layer(), train, train, recipe(), 5)


def test_only_the_last_epoch_is_looked_at_where_that_is_all_that_is_asked_for() -> None:
    train, looks = examples(10), []

    def look(network: nn.Module) -> np.ndarray:
        looks.append(1)
        return logits(network, train)

    rest = (lambda *_: None, None, (), False)
    history = fit(new_layer(), train, look, train.labels, recipe(), 5, CPU, *rest)
    assert ([row["epoch"] for row in history], len(looks)) == ([3, 3], 1)
    assert history == train_on(new_layer(), train, train, recipe(), 5)[-2:]
    looks.clear()
    fit(new_layer(), train, look, train.labels, recipe(select="best"), 5, CPU, *rest)
    assert len(looks) == 3
