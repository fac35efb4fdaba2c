"""High-dimensional points in two dimensions: principal component analysis."""

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 4096  # points whose float64 copy is in memory at once


@dataclass(frozen=True)
class Projection:
    """The plane through the points' mean along which they vary most."""

    mean: Tensor  # (D,) float64
    axes: Tensor  # (2, D) float64, of length 1
    shares: tuple[float, float]  # of the variance, along each axis

    @classmethod
    def of(cls, points: Tensor) -> "Projection":
        """(N, D) with N and D of 2 or more. An axis points to where its largest component is positive."""
        mean = points.mean(0, dtype=torch.float64)
        covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
        for part in torch.split(points, CHUNK):
            centred = part.double() - mean
            covariance += centred.T @ centred
        variances, vectors = torch.linalg.eigh(covariance)  # ascending
        axes = vectors[:, [-1, -2]].T
        signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        first, second = (variances[[-1, -2]] / variances.sum().clamp(min=torch.finfo(torch.float64).tiny)).tolist()
        return cls(mean, axes * signs, (first, second))

    def __call__(self, points: Tensor) -> Tensor:
        """(N, D) -> (N, 2) float64, to four decimals: what is beyond may differ with the number of threads"""
        parts = [(part.double() - self.mean) @ self.axes.T for part in torch.split(points, CHUNK)]
        return torch.cat(parts).round(decimals=4)
