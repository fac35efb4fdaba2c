"""What a number of images costs, by what other numbers took: so much at the start, and so much for each image.

Where neighbours are looked for, an image costs more the more there are: by the square root of their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls


@dataclass(frozen=True)
class Costs:
    fixed: float  # seconds, whatever the number of images
    each: float  # seconds for an image
    growing: float = 0.0  # seconds for an image, times the square root of their number

    @classmethod
    def of(cls, images: Sequence[int], seconds: Sequence[float], grows: bool = False) -> "Costs":
        """The least sum of squared relative errors, with none below 0."""
        terms = _terms(np.array(images, float)) / np.array(seconds, float)
        found, _ = nnls(terms[: 3 if grows else 2].T, np.ones(len(images)))
        return cls(*map(float, found))

    def __call__(self, images: float) -> float:
        """Seconds."""
        return float(np.array([self.fixed, self.each, self.growing]) @ _terms(np.array(images, float)))


def _terms(images: np.ndarray) -> np.ndarray:
    """(…) numbers -> (3, …)"""
    return np.stack((np.ones_like(images), images, images**1.5))
