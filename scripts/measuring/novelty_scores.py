"""How strange an image is, by what was tried beside stages/statistics/novelty.py: greater is stranger.

Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution examples", ICLR 2017 (greatest
probability); Hendrycks et al., "Scaling out-of-distribution detection for real-world settings", ICML 2022 (greatest
logit); Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020; Lee et al., "A simple unified framework
for detecting out-of-distribution samples", NeurIPS 2018 (Mahalanobis); Ren et al., "A simple fix to Mahalanobis
distance", 2021 (relative); Wang et al., "ViM: out-of-distribution with virtual-logit matching", CVPR 2022.
"""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import rankdata

from stages.heads.linear import Embeddings, Head
from stages.statistics.neighbours import directions, nearest
from stages.statistics.novelty import SHRINKAGE, Novelty
from stages.statistics.scores import softmax

Scores = dict[str, np.ndarray]
SHIPPED = "the greater of images and plane"
BASELINE = "greatest probability"
DIMENSIONS = 50  # of the subspace beyond which ViM and the residual look


def auroc(known: np.ndarray, foreign: np.ndarray) -> float:
    """The probability that a foreign image is stranger than a known one; ties count half."""
    ranks = rankdata(np.concatenate((known, foreign)))
    pairs = len(known) * len(foreign)
    return float((ranks[len(known) :].sum() - len(foreign) * (len(foreign) + 1) / 2) / pairs)


def scores(train: Embeddings, head: Head, novelty: Novelty, embeddings: np.ndarray) -> Scores:
    """{what was tried: (N,)} of embeddings (N, D)."""
    logits, along, known = head.logits(embeddings), directions(embeddings), directions(train.embeddings)
    scaled = (novelty.known.distances(embeddings) - novelty.medians) / novelty.spans
    near = {f"{k} nearest images": nearest(along, known, k).distances.mean(1) for k in (1, 3, 5)}
    return {
        BASELINE: -softmax(logits).max(1),
        "greatest logit": -logits.max(1),
        "energy": -logsumexp(logits, axis=1),
        **near,
        **by_covariance(along, known, train.labels),
        **beyond_subspace(embeddings, train.embeddings, head),
        "nearest centre in the plane": scaled[:, 1],
        "sum of images and plane": scaled.sum(1),
        SHIPPED: scaled.max(1),
    }


def by_covariance(along: np.ndarray, known: np.ndarray, labels: np.ndarray) -> Scores:
    """Of directions; covariances are shrunk as the shipped one's."""
    means, middle = np.stack([known[labels == label].mean(0) for label in np.unique(labels)]), known.mean(0)
    within = squares(along[:, None] - means, known - means[labels]).min(1)
    overall = squares(along - middle, known - middle)
    centres = np.linalg.norm(along[:, None] - means, axis=2).min(1)
    return {"nearest centre": centres, "Mahalanobis": within, "relative Mahalanobis": within - overall}


def squares(differences: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """(…, D) -> (…) squared distances, by the shrunk covariance of the residuals."""
    covariance, width = np.cov(residuals.T, bias=True), residuals.shape[1]
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / width * np.eye(width)
    found: np.ndarray = np.einsum("...d,...d->...", differences @ np.linalg.inv(shrunk), differences)
    return found


def beyond_subspace(embeddings: np.ndarray, known: np.ndarray, head: Head) -> Scores:
    origin = -np.linalg.pinv(head.weight) @ head.bias
    axes = np.linalg.svd(known - origin, full_matrices=False)[2][:DIMENSIONS]

    def residual(of: np.ndarray) -> np.ndarray:
        from_origin = of - origin
        length: np.ndarray = np.linalg.norm(from_origin - from_origin @ axes.T @ axes, axis=1)
        return length

    scale = head.logits(known).max(1).mean() / residual(known).mean()
    beyond = residual(embeddings)
    return {"residual": beyond, "ViM": scale * beyond - logsumexp(head.logits(embeddings), axis=1)}
