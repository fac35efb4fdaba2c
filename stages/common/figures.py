"""The figures: data in, a matplotlib Figure out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.common.files import written_whole

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")  # Okabe and Ito, for the colour-blind
GREY = "#555555"


@dataclass(frozen=True)
class Curve:
    """One split's course over the epochs, which count from 1."""

    loss: Sequence[float]
    accuracy: Sequence[float]


@dataclass(frozen=True)
class Mistake:
    image: np.ndarray  # (H, W, 3) uint8
    label: str
    prediction: str
    probability: float


def save_figure(path: Path, figure: Figure) -> None:
    with written_whole(path) as part:
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})


def draw_comparison(title: str, variants: Mapping[str, Mapping[str, Curve]], subtitles: Mapping[str, str]) -> Figure:
    """Loss above, accuracy below, one column for each variant, all on the same axes.

    Args:
        title: of the whole figure.
        variants: {variant: {"train": curve, "val": curve}}.
        subtitles: {variant: the line under its name}.
    """
    figure = Figure(figsize=(max(4.2 * len(variants), 6), 6), layout="constrained")
    axes = figure.subplots(2, len(variants), sharex=True, sharey="row", squeeze=False)
    for column, (variant, curves) in enumerate(variants.items()):
        for row, measure in enumerate(("loss", "accuracy")):
            _draw_curves(axes[row, column], curves, measure, PALETTE[column % len(PALETTE)])
        axes[0, column].set_title(f"{variant}\n{subtitles[variant]}", fontsize=10)
        axes[1, column].set_xlabel("epoch")
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
    epochs = range(1, len(val) + 1)
    axes.plot(epochs, train, color=GREY, linewidth=1, linestyle="--", marker=".")
    axes.plot(epochs, val, color=colour, linewidth=2.5, marker="o", markersize=4)
    for name, value, other, text_colour in (
        (f"train {train[-1]:.3f}\n(running)", train[-1], val[-1], GREY),
        (f"val {val[-1]:.3f}", val[-1], train[-1], colour),
    ):
        above = value > other
        axes.annotate(
            name,
            (1, value),
            xycoords=axes.get_yaxis_transform(),  # x in widths of the axes, y in data
            xytext=(4, 1 if above else -1),
            textcoords="offset points",
            va="bottom" if above else "top",
            color=text_colour,
            fontsize=9,
        )
    axes.grid(alpha=0.25)
    axes.margins(y=0.1)
    axes.spines[["top", "right"]].set_visible(False)


def draw_mistakes(mistakes: Sequence[Mistake], total: int) -> Figure:
    """A gallery of `mistakes`, six in a row at most, out of `total`; a line of text if there are none."""
    columns = min(6, max(4, len(mistakes)))
    rows = max(1, -(-len(mistakes) // columns))
    figure = Figure(figsize=(1.9 * columns, 2.4 * rows + 0.6), layout="constrained")
    if not mistakes:
        figure.text(0.5, 0.5, "No mistakes on the val images", ha="center", va="center", fontsize=14)
        return figure
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.set_axis_off()
    for axes, mistake in zip(grid.flat, mistakes, strict=False):
        axes.imshow(mistake.image)
        axes.set_title(f"is: {mistake.label}\nsaid: {mistake.prediction} ({mistake.probability:.2f})", fontsize=9)
    shown = f"The {len(mistakes)} surest of {total} mistakes" if total > len(mistakes) else f"All {total} mistakes"
    figure.suptitle(f"{shown} on the val images, with the\nprobability that the model gave its answer", fontsize=11)
    return figure
