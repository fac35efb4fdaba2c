"""The accuracy by the number of images trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from stages.figures.style import GREY, PALETTE, lighten_frame

SPREAD = 1.05  # the points of one number of images lie at up to so many times that number


def draw_learning_curve(title: str, accuracies: Mapping[int, Sequence[float]], note: str) -> Figure:
    """Each draw a light point, their mean a thick line with its values; the number of images on a log scale.

    Args:
        title: of the figure.
        accuracies: {number of train images, ascending: accuracy of each draw}; the last number is that of all.
        note: what holds for all points, in small print below.
    """
    sizes = list(accuracies)
    means = [float(np.mean(draws)) for draws in accuracies.values()]
    figure = Figure(figsize=(7, 4.8), layout="constrained")
    axes = figure.subplots()
    for size, draws in accuracies.items():
        beside = size * np.geomspace(1 / SPREAD, SPREAD, len(draws))  # equal ones beside each other
        axes.plot(beside, draws, color=GREY, marker="o", markersize=4, linestyle="none", alpha=0.4)
    axes.plot(sizes, means, color=PALETTE[0], linewidth=2.5, marker="s", markersize=6)
    for size, mean in zip(sizes, means, strict=True):
        axes.annotate(
            f"{mean:.3f}", (size, mean), (8, -8), textcoords="offset points", va="top", color=PALETTE[0], fontsize=9
        )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [*map(str, sizes[:-1]), f"all {sizes[-1]}"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.1)
    axes.set_ylim(top=1.005)
    axes.set_xlabel("train images (log scale)")
    figure.supxlabel(note, fontsize=9)
    axes.set_ylabel("val accuracy (share of images)")
    lighten_frame(axes)
    figure.suptitle(title)
    return figure
