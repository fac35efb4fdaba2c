"""Randomness that follows from what it is for, not from what was drawn before.

So the number of workers changes nothing, and neither does stopping and going on.
"""

import numpy as np


def derived_rng(seed: int, *of: int) -> np.random.Generator:
    """A generator for one purpose: of=(epoch,) for an epoch's order, of=(epoch, image) for an image's augmentation."""
    return np.random.default_rng([seed, *of])
