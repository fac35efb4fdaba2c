"""What the audit says of labels, on flipped ones and on unequal classes: tables for docs/audit.md."""

from collections.abc import Sequence

import numpy as np

from scripts.measuring.planted import Table, flipped, mean, recall_at
from stages.audit import STRANGE, Pictures
from stages.faults.held_out import held_out_probabilities, whole
from stages.faults.labels import MARGIN, label_inputs, log_margins, suspect_labels
from stages.faults.outliers import strangeness
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.settings import load_params

PRECISION = 0.8
SMALL = (6, 15, 30)  # images of a small class


def labels_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    header = (
        "data set", "flipped", "recall at precision 0.8", "cleanlab: normalized margin", "… self confidence",
        "named: precision", "named: recall", "cleanlab named: precision", "… recall",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for name, pictures in sets.items():
        alike = most_alike(pictures)
        for how, to in (("at random", None), ("to the class most alike", alike)):
            found = [of_labels(pictures, *flipped(pictures.labels, seed, to)) for seed in seeds]
            rows.append((name, how, *(mean(column) for column in zip(*found, strict=True))))
    return header, rows


def first_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, pictures in sets.items():
        found = [of_labels(pictures, *flipped(pictures.labels, seed))[0] for seed in seeds]
        rows.append((name, mean(found)))
    return ("data set", "recall at precision 0.8"), rows


def answers_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    """Train and val labels are flipped, and the last layer is trained with the first variant's settings."""
    header = ("data set", "usual accuracy", "without doubtful labels", "by the true labels")
    rows: list[tuple[str, ...]] = []
    for name, pictures in sets.items():
        rows.append((name, *map(mean, zip(*(of_answers(pictures, seed) for seed in seeds), strict=True))))
    return header, rows


def of_answers(pictures: Pictures, seed: int) -> tuple[float, ...]:
    labels, _ = flipped(pictures.labels, seed)
    doubtful = np.zeros(len(labels), bool)
    doubtful[suspect_labels(pictures.embeddings, labels, pictures.groups).numbers] = True
    train, val = (np.array(pictures.splits) == split for split in ("train", "val"))
    of_train, of_val = (Embeddings(pictures.embeddings[of], labels[of]) for of in (train, val))
    head, _ = fit_last_layer(next(iter(load_params().variants.values())), of_train, of_val, seed)
    answers = head.logits(pictures.embeddings[val]).argmax(1)
    right, sure = answers == labels[val], ~doubtful[val]
    return float(right.mean()), float(right[sure].mean()), float((answers == pictures.labels[val]).mean())


def unequal_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    """How many of the only small class are called otherwise, or strange, by mistake."""
    header = (
        "data set",
        "its images",
        "doubtful labels",
        "… of other classes",
        "unlike all others",
        "… of other classes",
    )
    rows: list[tuple[str, ...]] = []
    for name, pictures in sets.items():
        for count in SMALL:
            found = [of_unequal(pictures, count, seed) for seed in seeds]
            rows.append((name, f"{count}", *map(mean, zip(*found, strict=True))))
    return header, rows


def of_unequal(pictures: Pictures, count: int, seed: int) -> tuple[float, ...]:
    rng = np.random.default_rng(seed)
    small = int(rng.integers(len(pictures.classes)))
    chosen = rng.choice(np.flatnonzero(pictures.labels == small), count, replace=False)
    kept = np.append(np.flatnonzero(pictures.labels != small), chosen)
    embeddings, labels, groups = (of[kept] for of in (pictures.embeddings, pictures.labels, pictures.groups))
    doubtful, is_small = np.zeros(len(kept), bool), labels == small
    doubtful[suspect_labels(embeddings, labels, groups).numbers] = True
    strange = strangeness(embeddings, labels) > STRANGE
    return tuple(float(of[where].mean()) for of in (doubtful, strange) for where in (is_small, ~is_small))


def most_alike(pictures: Pictures) -> np.ndarray:
    """(C,) for each class the other that its images are most probable to be"""
    probabilities = whole(
        held_out_probabilities(label_inputs(pictures.embeddings[:]), pictures.labels, pictures.groups)
    )
    classes = range(len(pictures.classes))
    mistaken = np.array([probabilities[pictures.labels == of].mean(0) for of in classes])
    np.fill_diagonal(mistaken, -1)
    alike: np.ndarray = mistaken.argmax(1)
    return alike


def of_labels(pictures: Pictures, labels: np.ndarray, wrong: np.ndarray) -> tuple[float, ...]:
    from cleanlab.filter import find_label_issues  # where `make dev` has put it
    from cleanlab.rank import get_label_quality_scores

    probabilities = whole(held_out_probabilities(label_inputs(pictures.embeddings[:]), labels, pictures.groups))
    margins, _ = log_margins(probabilities, labels)
    theirs = [
        recall_at(PRECISION, -get_label_quality_scores(labels, probabilities, method=method), wrong)
        for method in ("normalized_margin", "self_confidence")
    ]
    named, by_cleanlab = margins > MARGIN, find_label_issues(labels, probabilities)
    shares = [share for of in (named, by_cleanlab) for share in (wrong[of].mean(), wrong[of].sum() / wrong.sum())]
    return recall_at(PRECISION, margins, wrong), *theirs, *map(float, shares)
