"""What a number of images costs, by what smaller numbers took: so much at the start, and so much for each image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Costs:
    fixed: float  # seconds, whatever the number of images
    each: float  # seconds for an image

    @classmethod
    def of(cls, images: Sequence[int], seconds: Sequence[float]) -> "Costs":
        """Of two measurements or more: the least sum of squared relative errors, with neither below 0."""
        counts, times = np.array(images, float), np.array(seconds, float)
        inputs = np.column_stack((np.ones(len(counts)), counts)) / times[:, None]
        fixed, each = np.linalg.lstsq(inputs, np.ones(len(counts)))[0]
        if fixed < 0:
            return cls(0.0, float((counts / times).sum() / ((counts / times) ** 2).sum()))
        if each < 0:
            return cls(float((1 / times).sum() / (1 / times**2).sum()), 0.0)
        return cls(float(fixed), float(each))

    def __call__(self, images: float) -> float:
        """Seconds."""
        return self.fixed + self.each * images
