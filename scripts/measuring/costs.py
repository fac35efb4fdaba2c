"""What a number of images costs, by what smaller numbers took: so much at the start, and so much for each image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True)
class Costs:
    fixed: float  # seconds, whatever the number of images
    each: float  # seconds for an image

    @classmethod
    def of(cls, images: Sequence[int], seconds: Sequence[float]) -> "Costs":
        """Of two measurements or more: the least sum of squared relative errors, with neither below 0."""
        counts = np.array(images, float)
        (fixed, each), _ = nnls(np.column_stack((np.ones(len(counts)), counts)) / np.array(seconds)[:, None], counts**0)
        return cls(float(fixed), float(each))

    def __call__(self, images: float) -> float:
        """Seconds."""
        return self.fixed + self.each * images
