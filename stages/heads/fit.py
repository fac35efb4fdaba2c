"""A last layer by whatever a variant with trainable: head asks for."""

from collections.abc import Callable

import numpy as np

from stages.heads.linear import Embeddings, Head, fit_head
from stages.heads.probe import fit_probe
from stages.recipes.variant import Probe, Row, Variant
from stages.statistics.scores import score


def fit_last_layer(
    recipe: Variant | Probe,
    train: Embeddings,
    val: Embeddings,
    seed: int,
    report: Callable[[Row, Row], None] = lambda train, val: None,
) -> tuple[Head, list[Row]]:
    """The layer, and its history: of a probe a single epoch, 0, which is what it comes to.

    Raises:
        ProjectError: the loss is no longer finite.
    """
    if isinstance(recipe, Probe):
        head, _ = fit_probe(train, seed)
        rows = probe_rows(head, train, head.logits(val.embeddings), val.labels)
        report(*rows)
        return head, rows
    classes = int(train.labels.max()) + 1
    return fit_head(Head.drawn(train.embeddings.shape[1], classes, seed), train, val, recipe, seed, report)


def probe_rows(head: Head, train: Embeddings, val_logits: np.ndarray, val_labels: np.ndarray) -> list[Row]:
    """Its history: what it comes to, as epoch 0."""
    scores = {"train": score(head.logits(train.embeddings), train.labels), "val": score(val_logits, val_labels)}
    return [
        {"epoch": 0, "split": split, "loss": loss, "accuracy": accuracy, "lr": 0.0}
        for split, (loss, accuracy) in scores.items()
    ]
