"""The section variants of params.yaml: ways of training, and what follows from their settings alone."""

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from stages.ground.params import NonNegative, Pixels, Positive, Strict, known_as, load_section
from stages.ground.seeds import derived_rng
from stages.recipes.weights import ClassWeights

Row = dict[str, int | str | float]  # of a history: epoch, split (train, val), loss, accuracy, lr
Report = Callable[[list[Row]], None]  # is given the history so far; its last two rows are an epoch's train and val


def _trainable(text: str) -> str:
    if not re.fullmatch(r"head|all|last_[1-9]\d*", text):
        raise ValueError(f"expected head, all, or last_3 and the like; received {text!r}")
    return text


class Augment(Strict):
    """Random changes to the training images."""

    min_scale: Annotated[float, Field(gt=0, le=1)]
    flip: bool
    crop: Pixels | None = None  # None: the network's own


class Probe(Strict):
    """The last layer alone, at the optimum: stages/heads/probe.py. It has nothing to tune."""

    trainable: Literal["head"]
    solver: Literal["newton"]
    class_weights: ClassWeights = "none"


class Variant(Strict):
    """One way of training, by SGD."""

    trainable: Annotated[str, AfterValidator(_trainable)]  # head, all, or last_N: the last N blocks
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    class_weights: ClassWeights = "none"
    schedule: Literal["step", "linear", "cosine"]
    step_epochs: Annotated[int, Field(ge=1)] | None = None
    step_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    select: Literal["last", "best"] = "last"
    start: "Start" = "random"
    body_lr: Annotated[float, Field(gt=0, le=1)] = 1
    batch_norm: Literal["train", "frozen"] = "train"
    recompute_batchnorm: bool = False
    blend: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] | None = None
    augment: Augment | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.trainable == "head" and self.augment:
            raise ValueError("augment needs trainable: all or last_N; a frozen network's features are computed once")
        of_body = {"start": "random", "body_lr": 1, "batch_norm": "train", "blend": None}
        without = [key for key, usual in of_body.items() if getattr(self, key) != usual]
        if self.trainable == "head" and without:
            raise ValueError(f"{', '.join(without)}: only with trainable: all or last_N")
        if isinstance(self.start, Variant) and (self.start.trainable, self.start.select) != ("head", "last"):
            raise ValueError("start: expected random, probe, or settings with trainable: head and select: last")
        if self.blend and (self.start == "random" or self.select != "last"):
            raise ValueError("blend needs a start that is not random, which it goes back towards, and select: last")
        if self.recompute_batchnorm and self.batch_norm == "frozen":
            raise ValueError("recompute_batchnorm takes statistics anew, which batch_norm: frozen keeps; take one out")
        if self.recompute_batchnorm and (self.trainable == "head" or self.select != "last"):
            raise ValueError("recompute_batchnorm needs trainable: all or last_N, and select: last")
        if {self.step_epochs is not None, self.step_factor is not None} != {self.schedule == "step"}:
            raise ValueError("schedule: step needs step_epochs and step_factor, and no other schedule takes them")
        return self

    @property
    def last_blocks(self) -> int | None:
        """How many blocks are trained beside the last layer, of trainable: last_N; None: all."""
        return int(self.trainable.removeprefix("last_")) if self.trainable.startswith("last_") else None

    def lr_in(self, epoch: int) -> float:
        """The learning rate in `epoch`, counted from 1."""
        done = epoch - 1
        if self.step_epochs is not None and self.step_factor is not None:  # schedule: step
            return self.lr * self.step_factor ** (done // self.step_epochs)
        if self.schedule == "linear":
            return self.lr * (1 - done / self.epochs)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done / self.epochs))

    def steps(self, images: int) -> int:
        """Optimizer steps in an epoch of so many images."""
        return math.ceil(images / self.batch_size)

    def with_steps_of(self, images: int, all_images: int) -> "Variant":
        """With more epochs, so that `images` are trained on for as many steps as all would be."""
        longer = self.steps(all_images) / self.steps(images)
        epochs = {"epochs": self.epochs, "step_epochs": self.step_epochs}
        start = self.start.with_steps_of(images, all_images) if isinstance(self.start, Variant) else self.start
        stretched = {name: max(1, round(number * longer)) for name, number in epochs.items() if number is not None}
        return self.model_copy(update={**stretched, "start": start})

    def batches(self, images: int, seed: int, epoch: int) -> list[np.ndarray]:
        """The numbers of the images of each step of an epoch, in random order.

        Batches differ by one image at most, so that none is left with a single one, which BatchNorm cannot take.
        """
        return np.array_split(derived_rng(seed, epoch).permutation(images), self.steps(images))


# The last layer before the first epoch: random, the probe, or what these settings train.
Start = Annotated[
    Annotated[Literal["random", "probe"], Tag("[name]")] | Annotated[Variant, Tag("[sgd]")],
    Discriminator(lambda start: "[sgd]" if isinstance(start, dict | Variant) else "[name]"),
]
Variant.model_rebuild()


def _kind(settings: Any) -> str:
    return (
        "[newton]" if isinstance(settings, Probe) or (isinstance(settings, dict) and "solver" in settings) else "[sgd]"
    )


# Tags stand in brackets: messages leave these out.
Recipe = Annotated[Annotated[Variant, Tag("[sgd]")] | Annotated[Probe, Tag("[newton]")], Discriminator(_kind)]


def load_recipe(variant: str) -> Variant | Probe:
    """The settings of one variant of params.yaml."""
    variants: dict[str, Variant | Probe] = load_section("variants", dict[str, Recipe])
    return known_as("variants", variants, variant)
