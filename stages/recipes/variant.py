"""The section variants of params.yaml: ways of training, and what follows from their settings alone."""

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from stages.ground.params import NonNegative, Pixels, Positive, Strict
from stages.ground.seeds import derived_rng

Row = dict[str, int | str | float]  # of a history: epoch, split (train, val), loss, accuracy, lr


class Augment(Strict):
    """Random changes to the training images."""

    min_scale: Annotated[float, Field(gt=0, le=1)]
    flip: bool
    crop: Pixels | None = None  # None: the network's own


class Variant(Strict):
    """One way of training."""

    trainable: Literal["head", "all"]
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    schedule: Literal["step", "linear", "cosine"]
    step_epochs: Annotated[int, Field(ge=1)] | None = None
    step_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    select: Literal["last", "best"] = "last"
    recompute_batchnorm: bool = False
    augment: Augment | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.trainable == "head" and self.augment:
            raise ValueError("augment needs trainable: all; a frozen network's features are computed once")
        if self.recompute_batchnorm and (self.trainable, self.select) != ("all", "last"):
            raise ValueError("recompute_batchnorm needs trainable: all and select: last")
        if {self.step_epochs is not None, self.step_factor is not None} != {self.schedule == "step"}:
            raise ValueError("schedule: step needs step_epochs and step_factor, and no other schedule takes them")
        return self

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

    def batches(self, images: int, seed: int, epoch: int) -> list[np.ndarray]:
        """The numbers of the images of each step of an epoch, in random order.

        Batches differ by one image at most, so that none is left with a single one, which BatchNorm cannot take.
        """
        return np.array_split(derived_rng(seed, epoch).permutation(images), self.steps(images))
