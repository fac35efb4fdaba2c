"""Trying settings inside the train images of the committed split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.errors import DivergedError, ProjectError
from stages.recipes.variant import Report, Row, Variant
from stages.recipes.weights import class_weights
from stages.search.tries import Try, hopeless
from stages.statistics.scores import cross_entropy
from stages.study.digests import digest, digest_of_code
from stages.study.material import Material


class HopelessError(Exception):
    """It ends a training on the way."""


@dataclass(frozen=True)
class Inside:
    material: Material
    name: str  # of the variant
    folds: int

    @cached_property
    def train(self) -> np.ndarray:
        return self.material.pool.split(0)[0]

    @cached_property
    def fold(self) -> np.ndarray:
        """For each train image the number of its fold."""
        return self.material.embeddings.part(self.train).folds(self.folds, self.material.seed)

    @cached_property
    def _code(self) -> str:
        return digest_of_code(("search", "study/material.py"))

    def check(self, recipe: Variant) -> None:
        """Raises ProjectError where it cannot be trained on what is left without a fold."""
        images, labels = paths.images(self.material.dataset), self.material.embeddings.labels[self.train]
        left = len(self.train) - int(np.bincount(self.fold).max())
        if recipe.batch_size > left:
            raise ProjectError(
                f"params.yaml: sweep: batch_size {recipe.batch_size} is more than the {left} train images of {images}"
                " that are left without a fold; lower it, or add images"
            )
        for number in range(int(self.fold.max()) + 1):
            if set(labels[self.fold != number]) != set(labels):
                raise ProjectError(
                    f"params.yaml: sweep: without a fold of the train images of {images}, in whole groups, a class has"
                    " none; add images of other groups, or lower sweep.folds"
                )
        if recipe.trainable != "head":
            self.material.networks.check(self.name, recipe, self.train)

    def digest(self, recipe: Variant) -> str:
        """Of all that a try is made of."""
        of = self.material
        precision = "float32" if recipe.trainable == "head" else of.precision
        settings = recipe.model_dump(exclude_defaults=True)
        return digest(of.given, of.code(recipe), self._code, precision, settings, self.fold.tolist())

    def tried(self, settings: dict[str, Any], recipe: Variant, before: Sequence[Try]) -> Try:
        """How the recipe, which has these settings, does; tries `before` say whether it is hopeless on the way.

        A loss that is no longer finite is no error here: such a try is the last of all.
        """
        way: dict[str, Any] = {}
        try:
            losses, right = self._held_out(recipe, before, way)
        except DivergedError:
            return Try(settings, self.digest(recipe), math.inf, 0.0, **way, stopped=True)
        except HopelessError as stopped:
            loss, accuracy = stopped.args
            return Try(settings, self.digest(recipe), loss, accuracy, **way, stopped=True)
        return Try(settings, self.digest(recipe), float(losses.mean()), float(right.mean()), **way)

    def _held_out(self, recipe: Variant, before: Sequence[Try], way: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the loss, weighted as in training, and whether it was right, of each image that was held out: all for a
        last layer, else those of the first fold."""
        of, losses, right = self.material, [], []
        networks = None if recipe.trainable == "head" else of.networks
        weights = class_weights(recipe.class_weights, of.embeddings.labels[self.train])
        report = None if networks is None else _watching(recipe, before, way)
        for number in range(1 if networks else int(self.fold.max()) + 1):
            known, asked = self.train[self.fold != number], self.train[self.fold == number]
            logits, _ = of.logits(self.name, recipe, known, asked, of.seed, networks, report)
            labels = of.embeddings.labels[asked]
            losses.append(cross_entropy(logits, labels) * weights[labels])
            right.append(logits.argmax(1) == labels)
        return np.concatenate(losses), np.concatenate(right)


def _watching(recipe: Variant, before: Sequence[Try], way: dict[str, float]) -> Report:
    """What looks at each epoch, notes the loss after a quarter and half of them, and ends what is hopeless there."""
    looks = {math.ceil(recipe.epochs / 4): "quarter", math.ceil(recipe.epochs / 2): "half"}

    def look(history: list[Row]) -> None:
        val = history[-1]
        place, loss = looks.get(int(val["epoch"])), float(val["loss"])
        if place is None or val["epoch"] == recipe.epochs:
            return
        way[place] = loss
        if hopeless(loss, [getattr(of, place) for of in before]):
            raise HopelessError(loss, float(val["accuracy"]))

    return look
