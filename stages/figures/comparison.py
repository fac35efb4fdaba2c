"""The courses of training of all variants of one network and data set, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures.published import NOTE
from stages.figures.style import GREY, PALETTE, lighten_frame, mark_published


@dataclass(frozen=True)
class Curve:
    """One split's course over the epochs; 0 is what training began with, if that is known."""

    epochs: Sequence[int]
    loss: Sequence[float]
    accuracy: Sequence[float]


def draw_comparison(
    title: str,
    variants: Mapping[str, Mapping[str, Curve]],
    subtitles: Mapping[str, str],
    published: Mapping[str, float] | None = None,
) -> Figure:
    """Loss above, accuracy below, one column for each variant, all on the same axes.

    Args:
        title: of the whole figure.
        variants: {variant: {"train": curve, "val": curve}}.
        subtitles: {variant: the lines under its name}.
        published: {variant: the original's accuracy}, of those that have one.
    """
    figure = Figure(figsize=(max(4.2 * len(variants), 6), 6), layout="constrained")
    axes = figure.subplots(2, len(variants), sharex=True, sharey="row", squeeze=False)
    for column, (variant, curves) in enumerate(variants.items()):
        for row, measure in enumerate(("loss", "accuracy")):
            _draw_curves(axes[row, column], curves, measure, PALETTE[column % len(PALETTE)])
        axes[0, column].set_title(f"{variant}\n{subtitles[variant]}", fontsize=10)
        axes[1, column].set_xlabel("epoch")
        if published and variant in published:
            _mark_published(axes[1, column], published[variant])
    axes[0, 0].set_ylabel("loss (mean cross-entropy, nats)")
    axes[0, 0].set_ylim(bottom=0)
    axes[1, 0].set_ylabel("accuracy (share of images)")
    axes[1, 0].set_ylim(top=1.005)
    axes[1, 0].xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    return figure


def _draw_curves(axes: Axes, curves: Mapping[str, Curve], measure: str, colour: str) -> None:
    """Train thin, grey and dashed, val thick and coloured, each with its name and last value beside its end."""
    train, val = (getattr(curves[split], measure) for split in ("train", "val"))
    axes.plot(curves["train"].epochs, train, color=GREY, linewidth=1, linestyle="--", marker=".")
    axes.plot(curves["val"].epochs, val, color=colour, linewidth=2.5, marker="o", markersize=4)
    if len(val) == 1:  # an optimum, which has no course
        axes.axhline(train[0], color=GREY, linewidth=1, linestyle="--")
        axes.axhline(val[0], color=colour, linewidth=2.5)
    running = "" if len(val) == 1 else "\n(running)"
    for name, value, above, text_colour in (
        (f"train {train[-1]:.3f}{running}", train[-1], train[-1] > val[-1], GREY),
        (f"val {val[-1]:.3f}", val[-1], val[-1] >= train[-1], colour),
    ):
        axes.annotate(
            name,
            (1, value),
            xycoords=axes.get_yaxis_transform(),  # x in widths of the axes, y in data
            xytext=(9, 1 if above else -1),
            textcoords="offset points",
            va="bottom" if above else "top",
            color=text_colour,
            fontsize=9,
        )
    axes.margins(y=0.1)
    lighten_frame(axes)


def _mark_published(axes: Axes, accuracy: float) -> None:
    """A diamond at the right edge, since it is of a later epoch than any here, and its meaning in the corner."""
    mark = mark_published(axes, 1, accuracy, axes.get_yaxis_transform())
    axes.legend([mark], [f"published: {accuracy:.3f}\n{NOTE}"], loc="lower right", fontsize=8, frameon=False)
