"""High-dimensional points in two dimensions: principal component analysis."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Projection:
    """The plane through the points' mean along which they vary most."""

    mean: Tensor  # (D,) float64
    axes: Tensor  # (2, D) float64, of length 1
    shares: tuple[float, float]  # of the variance, along each axis

    @classmethod
    def of(cls, points: Tensor) -> "Projection":
        """(N, D) with N and D of 2 or more. An axis points to where its largest component is positive."""
        mean = points.double().mean(0)
        _, singular, axes = torch.linalg.svd(points.double() - mean, full_matrices=False)
        signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        variances = singular**2 / (singular**2).sum().clamp(min=torch.finfo(torch.float64).tiny)
        first, second = variances[:2].tolist()
        return cls(mean, (axes * signs)[:2], (first, second))

    def __call__(self, points: Tensor) -> Tensor:
        """(N, D) -> (N, 2) float64, to four decimals: what is beyond differs with the number of threads"""
        return ((points.double() - self.mean) @ self.axes.T).round(decimals=4)
