"""The accuracies of all variants of one network and data set with their intervals: a forest plot."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from stages.figures.published import NOTE
from stages.figures.style import MARKERS, PALETTE, lighten_frame, mark_published


@dataclass(frozen=True)
class Accuracy:
    """A share of images with its 95 % interval."""

    value: float
    low: float
    high: float
    mistakes: int
    also: str = ""  # what follows it


def draw_accuracy(title: str, variants: Mapping[str, Accuracy], published: Mapping[str, float] | None = None) -> Figure:
    """A row for each variant, the first on top: a dot, its interval and both in numbers; published values as diamonds.

    Args:
        title: of the figure.
        variants: {variant: its accuracy}.
        published: {variant: the original's accuracy}, of those that have one.
    """
    published = published or {}
    figure = Figure(figsize=(8, 1.5 + 0.5 * len(variants)), layout="constrained")
    axes = figure.subplots()
    for row, (variant, accuracy) in enumerate(variants.items()):
        axes.errorbar(
            accuracy.value,
            row,
            xerr=[[accuracy.value - accuracy.low], [accuracy.high - accuracy.value]],
            color=PALETTE[row % len(PALETTE)],
            marker=MARKERS[row % len(MARKERS)],
            markersize=7,
            capsize=4,
            linewidth=2,
        )
        interval = f"{accuracy.low:.3f} to {accuracy.high:.3f}"
        numbers = f"{accuracy.value:.4f} ({interval}), {accuracy.mistakes} wrong{accuracy.also}"
        place = axes.get_yaxis_transform()  # x in widths of the axes, y in data
        axes.text(1.02, row, numbers, transform=place, va="center", fontsize=9)
        if variant in published:
            mark = mark_published(axes, published[variant], row + 0.25)  # below the row
    if published:
        figure.legend([mark], [f"published, {NOTE}"], loc="outside lower center", fontsize=9, frameon=False)
    axes.set_yticks(range(len(variants)), list(variants))
    axes.set_ylim(len(variants) - 0.5, -0.5)  # the first on top
    axes.set_xlabel("val accuracy (share of images) with its 95 % interval")
    lighten_frame(axes)
    axes.grid(visible=False, axis="y")
    figure.suptitle(title)
    return figure
