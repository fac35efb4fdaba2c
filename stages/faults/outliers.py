"""Pictures that are like no other of the set, also where several of them are like each other."""

import numpy as np

from stages.faults import rows
from stages.faults.cells import Cells
from stages.faults.rows import Points, Stacked, points_of
from stages.statistics.neighbours import BLOCK, directions

POWER = 1.5  # of features before directions are compared: what is in a picture, more than what it is like all over
CROWD = 0.15  # of all pictures: that many are hardly foreign ones that keep each other company
USUAL = 0.9  # of each class, the nearest to their crowd, which others are compared with
NEIGHBOURS = 5
FEWEST = 20  # pictures, of which any can be told to be strange
SAMPLE = 5000  # of more than FEW pictures, those that the crowd's distance is asked of


def strangeness(embeddings: np.ndarray | Stacked, labels: np.ndarray) -> np.ndarray:
    """(N, D), (N,) -> (N,) robust z-scores: how far a picture is from its nearest neighbours, beside all others.

    Neighbours are sought among the usual ones alone: those of each class that have many pictures, of any class, not too
    far away. Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets", 2000, has
    the distance to the k-th; that to the nearest of all fails as soon as there are several foreign pictures
    (docs/audit.md).
    """
    if len(embeddings) < FEWEST:
        return np.zeros(len(embeddings))
    points = points_of(embeddings, outlier_inputs)
    crowd = distance_to_crowd(points)
    usual = np.zeros(len(points), bool)
    for label in np.unique(labels):
        usual |= (labels == label) & (crowd <= np.quantile(crowd[labels == label], USUAL))
    distances = np.empty(len(points))
    inside, outside = np.flatnonzero(usual), np.flatnonzero(~usual)
    cells = Cells(points, inside)
    for of in (inside, outside):
        found = cells.nearest(of, NEIGHBOURS + 1)
        others = np.where(found.numbers == of[:, None], np.inf, found.distances)
        distances[of] = np.sort(others, axis=1)[:, :NEIGHBOURS].clip(max=2).mean(1)
    middle, upper = np.quantile(distances, [0.5, 0.75])
    spread = (upper - middle) / 0.6745  # a normal distribution's standard deviation, by the half that outliers are on
    robust: np.ndarray = (distances - middle) / (spread or 1)
    return robust


def outlier_inputs(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) directions of the powers"""
    return directions(np.sign(embeddings) * np.abs(embeddings) ** POWER)


def distance_to_crowd(points: Points) -> np.ndarray:
    """(N,) the distance to the neighbour that so many are nearer than; of many points, among SAMPLE of them"""
    others = points[_sample(len(points))] if len(points) > rows.FEW else points[:]
    rank, size = max(1, round(CROWD * (len(others) - 1))), max(1, BLOCK // len(others))
    found = []
    for begin in range(0, len(points), size):
        similarities = points[begin : begin + size] @ others.T
        found.append(-np.partition(-similarities, rank, axis=1)[:, rank])  # itself is its nearest
    distances: np.ndarray = np.sqrt((2 - 2 * np.concatenate(found)).clip(0))
    return distances


def _sample(count: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(count, min(SAMPLE, count), replace=False))
