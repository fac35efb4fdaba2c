"""Choosing among settings by their losses on images that were held out."""

import numpy as np

from stages.statistics.sampling import numbered


def simplest(losses: np.ndarray, errors: float = 1, groups: np.ndarray | None = None) -> int:
    """(settings, N) losses -> the number of the first setting whose mean loss is within `errors` standard errors of the
    least.

    Settings come from the simplest to the least simple. For one error this is the rule of Breiman et al.,
    "Classification and regression trees", 1984, with the error of the difference, image by image, or over whole groups,
    (N,) of whatever names them: with few images the least loss is itself a matter of luck. Losses that are not finite
    count as the greatest; of a single group nothing is known, and the first setting is taken.
    """
    finite = np.isfinite(losses).all(1)
    means = np.where(finite, np.where(finite[:, None], losses, 0).mean(1), np.inf)
    more = losses[finite] - losses[means.argmin()]
    if groups is not None:
        of_group = numbered(groups)
        count = int(of_group.max()) + 1
        more = np.array([np.bincount(of_group, row, count) for row in more]) * count / len(of_group)
    if more.shape[1] < 2:
        return int(np.flatnonzero(finite)[0])
    within = more.mean(1) <= errors * more.std(1, ddof=1) / np.sqrt(more.shape[1])
    return int(np.flatnonzero(finite)[within.argmax()])
