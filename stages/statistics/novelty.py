"""Telling pictures of something else than the trained classes, by two distances of a network's embeddings.

Both are of directions, embeddings brought to length 1. One is that to the nearest train images (Sun et al.,
"Out-of-distribution detection with deep nearest neighbors", ICML 2022): it tells what is entirely different. The other
is that to the nearest class's centre within the plane in which the classes differ (linear discriminant analysis, with a
shrunk covariance): what lies between the classes there, or beyond them, is mostly a class that was not trained. How far
is usual is asked of train images that were held out, so that the two can be compared; the greater one counts.
docs/none_of_these.md has what else was tried, and how well it tells.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist

from stages.statistics.groups import connected
from stages.statistics.neighbours import directions, nearest
from stages.statistics.sampling import folds, numbered, stratified

LIMIT = 2000  # train images that are kept: 5 MB at 1,280 numbers each
FOLDS = 10
NEIGHBOURS = 3
SHRINKAGE = 0.7  # of the covariance, towards the same variance in all directions
USUAL = 0.95  # the share of held-out train images whose distances are 1 at most, on either scale
TINY = 1e-9
CHUNK = 1 << 12  # embeddings that are copied at once


def kept_images(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The numbers of the train images that are looked at: all, or LIMIT of them, each class by its share."""
    return stratified(labels, LIMIT, rng)


@dataclass(frozen=True)
class Known:
    """What the train images are like."""

    directions: np.ndarray  # (M, D) float16
    axes: np.ndarray  # (C - 1, D) float32, of the plane in which the classes differ
    centres: np.ndarray  # (C, C - 1) float32, of the classes in it

    @classmethod
    def of(cls, embeddings: np.ndarray, labels: np.ndarray) -> Self:
        """(M, D), (M,) -> of the classes that there are among them"""
        along = directions(embeddings)
        of_class = numbered(labels)
        means = np.stack([along[of_class == label].mean(0, dtype=np.float64) for label in range(of_class.max() + 1)])
        axes = discriminating(along - means[of_class].astype(np.float32), means - along.mean(0, dtype=np.float64))
        return cls(along.astype(np.float16), axes.astype(np.float32), (means @ axes.T).astype(np.float32))

    def distances(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, 2): the mean to the nearest images, and that to the nearest centre in the plane"""
        along = directions(embeddings)
        of_images = nearest(along, self.directions.astype(np.float32), NEIGHBOURS).distances.mean(1)
        return np.column_stack((of_images, cdist(along @ self.axes.T, self.centres).min(1)))


def discriminating(residuals: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(C - 1, D) axes, along which distances are those by the covariance of the residuals, but only between classes.

    Args:
        residuals: (M, D) of images, from their classes' means.
        centres: (C, D), the classes' means, from that of all images.
    """
    width = residuals.shape[1]
    covariance = (residuals.T @ residuals).astype(np.float64) / max(1, len(residuals) - len(centres))
    variance = np.trace(covariance) / width
    shrunk = (1 - SHRINKAGE) * covariance + (SHRINKAGE * variance + TINY) * np.eye(width)
    weights = np.linalg.solve(shrunk, centres.T)
    squares, rotation = np.linalg.eigh(centres @ weights)  # ascending; the first is 0, since the centres' mean is
    axes: np.ndarray = (weights @ rotation[:, 1:] / np.sqrt(squares[1:].clip(TINY))).T
    return axes


@dataclass(frozen=True)
class Novelty:
    """How unlike the train images an image is: 0 is usual among those that were held out, 1 hardly is."""

    known: Known
    medians: np.ndarray  # (2,) float32, of the distances of held-out train images
    spans: np.ndarray  # (2,) float32, from there to what USUAL of them keep within
    threshold: float  # what is above it is none of the classes
    false_alarms: float  # the share of images of the classes that may be above it

    @classmethod
    def of(
        cls,
        embeddings: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray | None,
        false_alarms: float,
        rng: np.random.Generator,
    ) -> Self | None:
        """Of train images, (M, D), (M,) and, where there are groups, (M,).

        The threshold is that of conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic learning in a random
        world", 2005): of the distances of M held-out images, the one with (M + 1) x `false_alarms` - 1 above it; with
        too few images for that, the greatest. None where no image can be held out: all are of one group, or each class
        is.
        """
        apart = held_out_distances(embeddings, labels, groups, rng)
        if not len(apart):
            return None
        medians, most = np.quantile(apart, [0.5, USUAL], axis=0).astype(np.float32)
        known, spans = Known.of(embeddings, labels), (most - medians).clip(np.float32(TINY))
        ordered = np.sort(((apart - medians) / spans).max(1))
        place = min(len(ordered), int(np.ceil((len(ordered) + 1) * (1 - false_alarms) - TINY)))
        return cls(known, medians, spans, float(np.float32(ordered[place - 1])), false_alarms)

    def distances(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,) float32"""
        parts = [embeddings[begin : begin + CHUNK] for begin in range(0, max(1, len(embeddings)), CHUNK)]
        found = [((self.known.distances(part) - self.medians) / self.spans).max(1) for part in parts]
        distances: np.ndarray = np.concatenate(found).astype(np.float32)
        return distances


def held_out_distances(
    embeddings: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """(n, 2) of each image, by those of other folds; of images alone whose class is there too.

    An image's own group is in its fold, and so is every copy of it: beside these, any image would look known.
    """
    found = [np.empty((0, 2))]
    fold = folds(numbered(labels), together(embeddings, groups), FOLDS, rng)
    for number in np.unique(fold):
        rest = fold != number
        asked = ~rest & np.isin(labels, labels[rest])
        if asked.any():
            found.append(Known.of(embeddings[rest], labels[rest]).distances(embeddings[asked]))
    return np.concatenate(found)


def together(embeddings: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(N,) numbers from 0 of what is connected by groups, or by embeddings that are the same to the last digit."""
    copies = np.unique(embeddings, axis=0, return_inverse=True)[1].ravel()
    if groups is None:
        return copies
    links = np.column_stack((copies, copies.max() + 1 + groups))
    return numbered(connected(links)[copies])
