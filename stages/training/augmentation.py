"""What training sees of an image: a random crop, perhaps mirrored, for a whole batch at once in torch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.ground.seeds import derived_rng
from stages.preprocessing.inputs import Preprocessing
from stages.recipes.variant import Augment


def to_augmented_input(
    squares: Tensor, preprocessing: Preprocessing, augment: Augment, seed: int, epoch: int, images: Sequence[int]
) -> Tensor:
    """(N, 3, S, S) uint8 -> a random crop of each, perhaps mirrored: (N, 3, side, side) float32, channels last.

    `side` is the crop of `augment`, but not above that of the preprocessing.
    What an image gets follows from (seed, epoch, its number in `images`) alone. The crops are those of
    torchvision's RandomResizedCrop; the whole batch is resampled at once, on its own device.
    """
    crops = np.stack([_crop_and_flip(derived_rng(seed, epoch, image), augment) for image in images])
    side = min(augment.crop or preprocessing.crop, preprocessing.crop)
    size = [len(squares), 3, side, side]
    grid = F.affine_grid(torch.from_numpy(crops).to(squares.device), size, align_corners=False)
    sampled = F.grid_sample(squares.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return _normalized(sampled, preprocessing)


def _crop_and_flip(rng: np.random.Generator, augment: Augment) -> np.ndarray:
    """A (2, 3) affine matrix from the output's coordinates to the square's, both -1..1."""
    area, ratio = rng.uniform(augment.min_scale, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    width, height = min(1, np.sqrt(area * ratio)), min(1, np.sqrt(area / ratio))
    if augment.min_scale == 1:
        width = height = 1
    x, y = rng.uniform(-1, 1, 2) * (1 - width, 1 - height)
    mirrored = -1 if augment.flip and rng.random() < 0.5 else 1
    return np.array([[mirrored * width, 0, x], [0, height, y]], dtype=np.float32)


def _normalized(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N, 3, H, W) in 0..255 -> the same, each channel with the mean and deviation that the network expects"""
    mean, std = (torch.tensor(values, device=images.device) for values in (preprocessing.mean, preprocessing.std))
    normalized = (images / 255 - mean[:, None, None]) / std[:, None, None]
    return normalized.contiguous(memory_format=torch.channels_last)
