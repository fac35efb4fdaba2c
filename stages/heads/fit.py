"""A last layer by whatever a variant with trainable: head asks for."""

import numpy as np

from stages.heads.linear import Embeddings, Head, fit_head
from stages.heads.probe import fit_probe
from stages.recipes.variant import Probe, Report, Row, Variant
from stages.statistics.scores import score


def fit_last_layer(
    recipe: Variant | Probe,
    train: Embeddings,
    val: Embeddings,
    seed: int,
    report: Report = lambda history: None,
) -> tuple[Head, list[Row]]:
    """The layer, and its history: of a probe a single epoch, 0, which is what it comes to.

    Raises:
        ProjectError: the loss is no longer finite.
    """
    if isinstance(recipe, Probe):
        head, _ = fit_probe(train, seed, recipe.class_weights)
        rows = start_rows(head, train, head.logits(val.embeddings), val.labels)
        report(rows)
        return head, rows
    classes = int(train.labels.max()) + 1
    return fit_head(Head.drawn(train.embeddings.shape[1], classes, seed), train, val, recipe, seed, report)


def start_layer(recipe: Variant, train: Embeddings, seed: int) -> Head:
    """What a recipe that trains more, and does not start at random, begins with: what settings of its own train, or the
    probe, with the recipe's class weights.

    Raises:
        ProjectError: the images are too few; the loss is no longer finite.
    """
    if isinstance(recipe.start, Variant):
        return fit_last_layer(recipe.start, train, train, seed)[0]
    return fit_probe(train, seed, recipe.class_weights)[0]


def start_rows(head: Head, train: Embeddings, val_logits: np.ndarray, val_labels: np.ndarray) -> list[Row]:
    """The history of a layer that is there before the first epoch: what it comes to, as epoch 0."""
    scores = {"train": score(head.logits(train.embeddings), train.labels), "val": score(val_logits, val_labels)}
    return [
        {"epoch": 0, "split": split, "loss": loss, "accuracy": accuracy, "lr": 0.0}
        for split, (loss, accuracy) in scores.items()
    ]
