"""Randomness that follows from what it is for, not from what was drawn before.

So the number of workers changes nothing, and neither does stopping and going on.
"""

import numpy as np
import torch


def derived_rng(seed: int, *of: int) -> np.random.Generator:
    """A generator for one purpose: of=(epoch,) for an epoch's order, of=(epoch, image) for an image's augmentation."""
    return np.random.default_rng([seed, *of])


def seed_torch(seed: int, *of: int) -> None:
    """Seed torch's own generator (initial weights, dropout) for one purpose."""
    torch.manual_seed(int(derived_rng(seed, *of).integers(2**63)))
