"""What training goes through: images, or a frozen network's embeddings of them."""

import math
import os
import tempfile
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stages.common import paths
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
    side = preprocessing.resize
    squares, filled = _empty((len(listed.files), 3, side, side), runtime.image_cache_mib), 0
    for batch in read_squares(listed.files, side, READ_BATCH, runtime.workers, runtime.progress):
        squares[filled : filled + len(batch)] = batch
        filled += len(batch)
    return Images(squares, listed.labels, preprocessing, augment, seed)


def _empty(shape: tuple[int, ...], cache_mib: int) -> Tensor:
    """uint8, in memory or, above `cache_mib`, in a nameless file of work/, of which memory holds what it can."""
    size = math.prod(shape)
    if size <= cache_mib << 20:
        return torch.empty(shape, dtype=torch.uint8)
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=paths.SCRATCH) as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and would be a crash later
        return torch.from_numpy(np.memmap(file, np.uint8, "r+", shape=shape))
