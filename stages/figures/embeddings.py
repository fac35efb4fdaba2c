"""Where the images lie among each other, as the frozen network sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stages.figures.style import MARKERS, PALETTE, lighten_frame

LEGEND_ROWS = 20


LOOKS: dict[str, dict[str, Any]] = {"train": {"s": 18, "alpha": 0.25}, "val": {"s": 28, "edgecolors": "black"}}


def draw_embeddings(
    title: str,
    classes: Sequence[str],
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    shares: Sequence[float],
    wrong: np.ndarray | None = None,
) -> Figure:
    """Train images light and small, val images strong, each class with a colour and a shape of its own.

    With more than ten classes, whose looks come again, each has its name at the middle of its val images.

    Args:
        title: of the figure.
        classes: names, in the order of the labels.
        points: {"train" and "val", or "val" alone: (N, 2) coordinates, (N,) labels}.
        shares: of the variance, that each of the two axes shows.
        wrong: (N,) bool, of the val images: those that get a ring.
    """
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for split, (coordinates, labels) in points.items():
        for label, name in enumerate(classes):
            x, y = coordinates[labels == label].T.tolist()
            axes.scatter(
                x,
                y,
                label=f"{name}, {split} ({len(x)})".lstrip("_"),  # matplotlib leaves out what begins with it
                color=PALETTE[label % len(PALETTE)],
                marker=MARKERS[label % len(MARKERS)],
                linewidths=0.4,
                **LOOKS[split],
            )
    if wrong is not None:
        x, y = points["val"][0][wrong].T.tolist()
        axes.scatter(x, y, s=150, facecolors="none", edgecolors="black", label=f"mistake ({len(x)})")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"first principal component ({100 * shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"second principal component ({100 * shares[1]:.0f} % of the variance)")
    if 2 * len(classes) <= LEGEND_ROWS:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    else:
        coordinates, labels = points["val"]
        for label, name in enumerate(classes):
            x, y = coordinates[labels == label].mean(0)
            axes.annotate(name, (x, y), ha="center", fontsize=8, bbox={"facecolor": "white", "alpha": 0.6, "lw": 0})
    lighten_frame(axes)
    figure.suptitle(title)
    return figure
