"""stages/heads/probe.py, against scikit-learn's logistic regression."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from stages.ground.errors import ProjectError
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.heads.probe import BIAS_INPUT, PENALTIES, Reduced, fit_probe, fold_losses, optimum, path
from stages.recipes.variant import Probe
from stages.recipes.weights import class_weights
from stages.statistics.scores import cross_entropy, score


def drawn(count: int, width: int, classes: int = 3, seed: int = 0, apart: float = 1.0) -> Embeddings:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    middles = np.random.default_rng(99).normal(size=(classes, width)) * apart
    return Embeddings((rng.normal(size=(count, width)) + middles[labels] + 5).astype(np.float32), labels)


def inputs_of(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, D + 1): of length 1, and what the bias is a weight of"""
    lengths = np.linalg.norm(embeddings.astype(float), axis=1, keepdims=True)
    return np.column_stack((embeddings / lengths, np.full(len(embeddings), BIAS_INPUT)))


@pytest.mark.parametrize(("count", "width"), [(60, 200), (200, 12)], ids=["fewer images than numbers", "more"])
@pytest.mark.parametrize(
    ("penalty", "kind"), [(0.1, "none"), (0.00316, "none"), (1e-05, "none"), (0.1, "balanced"), (0.00316, "balanced")]
)
def test_the_layer_is_the_optimum_that_scikit_learn_finds(count: int, width: int, penalty: float, kind: str) -> None:
    train, new = drawn(count, width), drawn(50, width, seed=1)
    train.labels[::6] = 1  # of the other two classes, one has half as many
    layers = path(Reduced.of(train.embeddings), train.labels, 3, kind)
    head = next(layer.head for layer in layers if layer.penalty == penalty)
    weights = "balanced" if kind == "balanced" else None
    theirs = LogisticRegression(
        C=1 / (penalty * count), tol=1e-8, max_iter=10_000, fit_intercept=False, class_weight=weights
    )
    theirs.fit(inputs_of(train.embeddings), train.labels)
    mean_length = np.linalg.norm(train.embeddings.astype(float), axis=1).mean()
    new_inputs = np.column_stack((new.embeddings / mean_length, np.full(len(new.labels), BIAS_INPUT)))
    expected = theirs.decision_function(new_inputs)
    ours = head.logits(new.embeddings)
    assert ours - ours.mean(1, keepdims=True) == pytest.approx(
        expected - expected.mean(1, keepdims=True), rel=2e-3, abs=2e-3
    )


def test_weights_count_where_the_penalty_is_chosen_as_well() -> None:
    train = drawn(60, 20, apart=0.3)
    few = train.part((train.labels > 0) | (np.arange(60) < 30))
    held_out = np.arange(len(few.labels)) % 5 == 0
    plain, weighted = (fold_losses(few, held_out, kind)[0] for kind in ("none", "balanced"))
    of_class = class_weights("balanced", few.labels)[few.labels[held_out]]
    layers = path(Reduced.of(few.part(~held_out).embeddings), few.part(~held_out).labels, 3, "balanced")
    of_images = cross_entropy(next(layers).head.logits(few.part(held_out).embeddings), few.labels[held_out])
    assert weighted == pytest.approx(of_images * of_class)
    assert not np.allclose(weighted, plain)
    assert fit_probe(few, 0, "balanced")[0].weight != pytest.approx(fit_probe(few, 0)[0].weight)


def test_a_recipe_says_the_class_weights_and_the_loss_that_is_shown_has_none() -> None:
    train = drawn(60, 20, apart=0.3)
    few = train.part((train.labels > 0) | (np.arange(60) < 30))
    recipe = Probe(trainable="head", solver="newton", class_weights="balanced")
    head, history = fit_last_layer(recipe, few, train, 0)
    assert np.array_equal(head.weight, fit_probe(few, 0, "balanced")[0].weight)
    assert history[0]["loss"] == score(head.logits(few.embeddings), few.labels)[0]


def test_fewer_dimensions_lose_nothing() -> None:
    train = drawn(40, 100)
    reduced = Reduced.of(train.embeddings)
    assert reduced.points.shape[1] <= 40
    assert reduced.points @ reduced.axes == pytest.approx(inputs_of(train.embeddings), abs=1e-6)


def test_an_embeddings_length_says_nothing_of_its_class() -> None:
    train = drawn(60, 50, apart=0.3)
    longer = Embeddings(train.embeddings * np.where(train.labels == 0, 4, 1)[:, None].astype(np.float32), train.labels)
    first, second = (next(path(Reduced.of(of.embeddings), of.labels, 3)).head.weight for of in (train, longer))
    by_length = np.linalg.norm(longer.embeddings, axis=1).mean() / np.linalg.norm(train.embeddings, axis=1).mean()
    assert second * by_length == pytest.approx(first, rel=1e-4, abs=1e-4)


def test_an_embedding_of_nothing_is_no_error() -> None:
    train = drawn(60, 5, apart=2)
    train.embeddings[0] = 0
    assert np.isfinite(fit_probe(train, 0)[0].weight).all()


def test_the_penalty_does_not_depend_on_how_large_embeddings_are() -> None:
    train = drawn(60, 20, apart=0.3)
    larger = Embeddings(train.embeddings * 1000, train.labels)
    assert fit_probe(train, 0)[1] == fit_probe(larger, 0)[1]


def test_the_weaker_classes_are_apart_the_stronger_the_penalty() -> None:
    assert fit_probe(drawn(60, 50, apart=0.1), 0)[1] > fit_probe(drawn(60, 50, apart=2), 0)[1]


def test_it_is_better_on_new_images_than_hardly_any_penalty() -> None:
    train, new = drawn(60, 50, apart=0.15), drawn(2000, 50, apart=0.15, seed=1)
    head, _ = fit_probe(train, 0)
    *_, loosest = path(Reduced.of(train.embeddings), train.labels, 3)
    assert score(head.logits(new.embeddings), new.labels)[0] < score(loosest.head.logits(new.embeddings), new.labels)[0]


def test_images_of_one_group_are_in_one_fold() -> None:
    """Copies of an image in other folds say that hardly any penalty is best; kept together they do not."""
    of = drawn(20, 50, apart=0.1)
    train = Embeddings(np.tile(of.embeddings, (6, 1)), np.tile(of.labels, 6))
    assert fit_probe(replace(train, groups=np.tile(np.arange(20), 6)), 0)[1] > fit_probe(train, 0)[1]


def test_images_of_one_group_are_refused() -> None:
    train = replace(drawn(20, 5), groups=np.zeros(20, int))
    with pytest.raises(
        ProjectError,
        match=r"^20 train images, in whole groups, are too few to choose a setting on"
        r" some of them: add images",
    ):
        fit_probe(train, 0)


def test_few_groups_are_fewer_folds() -> None:
    head, _ = fit_probe(replace(drawn(60, 5, apart=2), groups=np.arange(60) // 20), 0)
    new = drawn(60, 5, apart=2, seed=1)
    assert score(head.logits(new.embeddings), new.labels)[1] > 0.9


def test_warm_starts_change_nothing_but_the_time() -> None:
    train = drawn(60, 20)
    points = Reduced.of(train.embeddings).points
    cold = optimum(points, train.labels, np.ones(60), PENALTIES[6], np.zeros((3, points.shape[1])))
    *_, warm = [layer for layer in path(Reduced.of(train.embeddings), train.labels, 3) if layer.penalty >= PENALTIES[6]]
    head = Reduced.of(train.embeddings).head(cold)
    assert warm.head.logits(train.embeddings) == pytest.approx(head.logits(train.embeddings), abs=1e-2)
