"""stages/heads/linear.py, against torch's own loss, gradients and SGD."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional as F

from stages.ground.errors import ProjectError
from stages.heads.linear import Embeddings, Head, fit_head
from stages.recipes.variant import Variant
from stages.statistics.scores import log_softmax, score, softmax

CLASSES, WIDTH = 3, 12


def recipe(**changes: object) -> Variant:
    settings = {
        "trainable": "head", "epochs": 5, "batch_size": 8, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01,
        "schedule": "step", "step_epochs": 3, "step_factor": 0.1,
    }  # fmt: skip
    return Variant.model_validate(settings | changes)


def embeddings(count: int, seed: int) -> Embeddings:
    rng = np.random.default_rng(seed)
    labels = np.minimum(np.arange(count) % 5, CLASSES - 1)  # of which the last has three times as many
    return Embeddings((rng.standard_normal((count, WIDTH)) + labels[:, None] / 3).astype(np.float32), labels)


def trained_in_torch(first: Head, train: Embeddings, val: Embeddings, how: Variant, seed: int) -> tuple:
    """The layer, and for each epoch the train loss and accuracy, and those of val."""
    layer = nn.Linear(WIDTH, CLASSES)
    layer.load_state_dict({"weight": torch.from_numpy(first.weight), "bias": torch.from_numpy(first.bias)})
    sgd = torch.optim.SGD(layer.parameters(), how.lr, how.momentum, weight_decay=how.weight_decay)
    weights = np.ones(CLASSES)
    if how.class_weights == "balanced":
        weights = compute_class_weight("balanced", classes=np.arange(CLASSES), y=train.labels)
    history = []
    for epoch in range(1, how.epochs + 1):
        sgd.param_groups[0]["lr"] = how.lr_in(epoch)
        loss_sum = right = 0
        for batch in how.batches(len(train.labels), seed, epoch):
            labels = torch.from_numpy(train.labels[batch])
            logits = layer(torch.from_numpy(train.embeddings[batch]))
            each = F.cross_entropy(logits, labels, reduction="none")
            loss = each.mean()
            sgd.zero_grad()
            (each * torch.from_numpy(weights)[labels].float()).mean().backward()
            sgd.step()
            loss_sum, right = loss_sum + loss.item() * len(batch), right + (logits.argmax(1) == labels).sum().item()
        history.append((loss_sum / len(train.labels), right / len(train.labels)))
        logits, labels = layer(torch.from_numpy(val.embeddings)), torch.from_numpy(val.labels)
        accuracy = (logits.argmax(1) == labels).double().mean().item()
        history.append((F.cross_entropy(logits, labels).item(), accuracy))
    return layer, history


@pytest.mark.parametrize(
    "changes",
    [{}, {"momentum": 0, "weight_decay": 0}, {"batch_size": 50}, {"class_weights": "balanced"}],
    ids=["all", "plain", "one batch an epoch", "weighted"],
)
def test_it_is_what_torch_trains(changes: dict[str, float]) -> None:
    how, first = recipe(**changes), Head.drawn(WIDTH, CLASSES, 3)
    train, val = embeddings(50, 1), embeddings(31, 2)
    head, history = fit_head(first, train, val, how, 7)
    layer, expected = trained_in_torch(first, train, val, how, 7)
    assert np.allclose(head.weight, layer.weight.detach(), atol=1e-5)
    assert np.allclose(head.bias, layer.bias.detach(), atol=1e-5)
    assert (head.weight.dtype, head.bias.dtype) == (np.float32, np.float32)
    assert [(row["epoch"], row["split"]) for row in history] == [
        (epoch, split) for epoch in range(1, 6) for split in ("train", "val")
    ]
    for row, (loss, accuracy) in zip(history, expected, strict=True):
        assert (row["loss"], row["accuracy"]) == pytest.approx((loss, accuracy), abs=1e-5)
        assert row["lr"] == how.lr_in(row["epoch"])
    assert not np.allclose(head.weight, first.weight, atol=0.01), "or nothing was trained"


def test_weights_help_the_small_class_and_the_loss_that_is_shown_has_none() -> None:
    first, train = Head.drawn(WIDTH, CLASSES, 3), embeddings(50, 1)
    recalls, losses = {}, {}
    for kind in ("none", "balanced"):
        head, history = fit_head(first, train, train, recipe(class_weights=kind, epochs=20, batch_size=50), 7)
        right = head.logits(train.embeddings).argmax(1) == train.labels
        recalls[kind], losses[kind] = [right[train.labels == of].mean() for of in (0, 2)], history[0]["loss"]
    assert recalls["balanced"][0] > recalls["none"][0]
    assert recalls["balanced"][1] < recalls["none"][1]
    assert losses["none"] == losses["balanced"] == pytest.approx(score(first.logits(train.embeddings), train.labels)[0])


def test_the_head_that_it_begins_with_stays_as_it_was_and_the_seed_orders_the_images() -> None:
    first, train, val = Head.drawn(WIDTH, CLASSES, 0), embeddings(50, 1), embeddings(30, 2)
    before = first.weight.copy()
    heads = [fit_head(first, train, val, recipe(), seed)[0] for seed in (0, 0, 1)]
    assert np.array_equal(first.weight, before)
    assert np.array_equal(heads[0].weight, heads[1].weight)
    assert not np.array_equal(heads[0].weight, heads[2].weight)


def test_the_last_epochs_head_is_kept_and_on_demand_the_best() -> None:
    train, val, unstable = embeddings(20, 1), embeddings(31, 2), {"lr": 3.0, "epochs": 9, "batch_size": 1}
    first = Head.drawn(WIDTH, CLASSES, 0)
    last, history = fit_head(first, train, val, recipe(**unstable), 0)
    best, _ = fit_head(first, train, val, recipe(**unstable, select="best"), 0)
    accuracies = [row["accuracy"] for row in history if row["split"] == "val"]
    assert max(accuracies) > accuracies[-1]  # or the test shows nothing
    assert score(last.logits(val.embeddings), val.labels)[1] == accuracies[-1]
    assert score(best.logits(val.embeddings), val.labels)[1] == max(accuracies)


def test_a_new_head_is_drawn_as_torch_draws_it() -> None:
    head = Head.drawn(400, 50, 0)
    assert (head.weight.shape, head.bias.shape) == ((50, 400), (50,))
    for part in (head.weight, head.bias):
        assert 0.045 < np.abs(part).max() <= 0.05
        assert abs(part.mean()) < 0.01
    assert np.array_equal(Head.drawn(400, 50, 0).weight, head.weight)
    assert not np.array_equal(Head.drawn(400, 50, 1).weight, head.weight)


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_lr() -> None:
    first, train, val = Head.drawn(WIDTH, CLASSES, 0), embeddings(16, 1), embeddings(8, 2)
    train.embeddings[3] = np.inf
    with pytest.raises(ProjectError, match=r"the loss is nan in epoch 1, step \d, at lr 0\.1; lower lr"):
        fit_head(first, train, val, recipe(), 0)
    val.embeddings[0] = np.nan
    with pytest.raises(ProjectError, match=r"the val loss is nan after epoch 1, at lr 0\.1; lower lr"):
        fit_head(first, embeddings(16, 1), val, recipe(epochs=1), 0)


def test_scores_are_torchs_also_where_logits_are_large() -> None:
    logits, labels = np.array([[1000, 0, -1000], [0.5, 0.25, 0]], np.float32), np.array([1, 0])
    in_torch = torch.from_numpy(logits)
    assert np.allclose(softmax(logits), in_torch.softmax(1))
    assert np.allclose(log_softmax(logits), in_torch.log_softmax(1))
    assert score(logits, labels) == pytest.approx((F.cross_entropy(in_torch, torch.from_numpy(labels)).item(), 0.5))
