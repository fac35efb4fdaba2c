"""What training goes through: images, or a frozen network's embeddings of them."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from stages.common.images import LabelledFiles, Preprocessing, read_squares, to_augmented_input, to_input
from stages.common.params import Augment, Runtime

READ_BATCH = 50  # images decoded ahead


class Examples(Protocol):
    """Labelled inputs of a network."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64"""

    def inputs(self, of: Tensor, device: torch.device, epoch: int | None = None) -> Tensor:
        """What the network gets for the examples numbered `of`; with an epoch, augmented for that epoch."""


@dataclass(frozen=True)
class Embeddings:
    """A frozen network's embeddings of images, which do not change from epoch to epoch."""

    embeddings: Tensor  # (N, D) float32
    labels: Tensor  # (N,) int64

    def inputs(self, of: Tensor, device: torch.device, epoch: int | None = None) -> Tensor:
        """(n,) -> (n, D)"""
        return self.embeddings[of].to(device)


@dataclass(frozen=True)
class Images:
    """Images, decoded and resized once: 196 KB an image at S = 256."""

    squares: Tensor  # (N, 3, S, S) uint8
    labels: Tensor  # (N,) int64
    preprocessing: Preprocessing
    augment: Augment | None = None
    seed: int = 0

    def inputs(self, of: Tensor, device: torch.device, epoch: int | None = None) -> Tensor:
        """(n,) -> (n, 3, crop, crop) float32"""
        squares = self.squares[of].to(device)
        if epoch is None or self.augment is None:
            return to_input(squares, self.preprocessing)
        return to_augmented_input(squares, self.preprocessing, self.augment, self.seed, epoch, of.tolist())


def read_images(
    listed: LabelledFiles, preprocessing: Preprocessing, runtime: Runtime, augment: Augment | None = None, seed: int = 0
) -> Images:
    batches = read_squares(listed.files, preprocessing.resize, READ_BATCH, runtime.workers, runtime.progress)
    return Images(torch.cat(list(batches)), listed.labels, preprocessing, augment, seed)
