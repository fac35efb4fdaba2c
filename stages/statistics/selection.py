"""Choosing among settings by their losses on images that were held out."""

import numpy as np


def simplest(losses: np.ndarray) -> int:
    """(settings, N) losses -> the number of the first setting whose mean loss is within a standard error of the least.

    Settings come from the simplest to the least simple. The one-standard-error rule of Breiman et al., "Classification
    and regression trees", 1984, with the error of the difference, image by image: with few images the least loss is
    itself a matter of luck. Losses that are not finite count as the greatest.
    """
    finite = np.isfinite(losses).all(1)
    means = np.where(finite, np.where(finite[:, None], losses, 0).mean(1), np.inf)
    more = losses[finite] - losses[means.argmin()]
    within = more.mean(1) <= more.std(1, ddof=1) / np.sqrt(losses.shape[1])
    return int(np.flatnonzero(finite)[within.argmax()])
