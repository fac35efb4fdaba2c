"""The images that a whole network is trained on, decoded once."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stages.ground.room import filled
from stages.ground.runtime import Runtime
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles
from stages.preprocessing.squares import read_squares
from stages.recipes.variant import Augment
from stages.training.augmentation import to_augmented_input

READ_BATCH = 50  # images


@dataclass(frozen=True)
class Images:
    """Images, decoded and resized once: 196 KB an image at S = 256."""

    squares: np.ndarray  # (N, 3, S, S) uint8
    labels: np.ndarray  # (N,) int64
    preprocessing: Preprocessing
    augment: Augment | None = None
    seed: int = 0

    def part(self, of: np.ndarray) -> "Images":
        """Those numbered `of`."""
        return replace(self, squares=self.squares[of], labels=self.labels[of])

    def augmented(self, of: np.ndarray, device: torch.device, epoch: int) -> Tensor:
        """The images numbered `of`, (n,), as `epoch` trains on them: (n, 3, side, side) float32"""
        if self.augment is None:
            inputs = torch.from_numpy(to_input(self.squares[of], self.preprocessing))
            return inputs.to(device, memory_format=torch.channels_last)
        squares = torch.from_numpy(self.squares[of]).to(device)
        return to_augmented_input(squares, self.preprocessing, self.augment, self.seed, epoch, of.tolist())


def read_images(
    listed: LabelledFiles, preprocessing: Preprocessing, runtime: Runtime, augment: Augment | None = None, seed: int = 0
) -> Images:
    side = preprocessing.side
    batches = read_squares(listed.files, preprocessing, READ_BATCH, runtime.workers, runtime.progress)
    squares = filled((len(listed.files), 3, side, side), np.uint8, batches, runtime.image_cache_mib << 20)
    return Images(squares, listed.labels, preprocessing, augment, seed)
