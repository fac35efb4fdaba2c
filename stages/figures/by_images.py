"""The accuracy of several ways of training by the number of images trained on: where does one overtake another?"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from stages.figures.style import MARKERS, PALETTE, lighten_frame


def draw_by_images(title: str, accuracies: Mapping[str, Mapping[int, Sequence[float]]], sentences: list[str]) -> Figure:
    """A line of means for each way of training, in a band that holds 95 % of its trials; images on a log scale.

    Args:
        title: of the figure.
        accuracies: {way of training: {number of train images, ascending: accuracy of each trial}}; all come last.
        sentences: what that comes to.
    """
    wrapped = "\n".join(textwrap.fill(f"{line}.", 90, subsequent_indent="   ") for line in sentences)
    figure = Figure(figsize=(7.5, 5 + 0.2 * wrapped.count("\n")), layout="constrained")
    axes = figure.subplots()
    for number, (name, by_images) in enumerate(accuracies.items()):
        colour, images = PALETTE[number % len(PALETTE)], list(by_images)
        low, high = np.array([np.quantile(of, [0.025, 0.975]) for of in by_images.values()]).T
        axes.fill_between(images, low, high, color=colour, alpha=0.15, linewidth=0)
        means = [float(np.mean(of)) for of in by_images.values()]
        axes.plot(images, means, color=colour, marker=MARKERS[number % len(MARKERS)], linewidth=2, label=name)
    sizes = sorted({images for of in accuracies.values() for images in of})
    axes.set_xscale("log")
    axes.set_xticks(sizes, [*map(str, sizes[:-1]), f"all {sizes[-1]}"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("train images (log scale)")
    axes.set_ylabel("val accuracy; mean, and where 95 % of trials lie")
    axes.set_ylim(top=1.005)
    axes.legend(frameon=False, loc="lower right")
    lighten_frame(axes)
    figure.suptitle(title)
    figure.supxlabel(wrapped, fontsize=9, ha="left", x=0.01)
    return figure
