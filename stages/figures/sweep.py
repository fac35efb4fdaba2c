"""A search for settings: how losses lie over two of them, and what came of the best on images that had no say."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures.style import GREY, PALETTE, lighten_frame

BINS = 5  # of a setting that was drawn from a range


@dataclass(frozen=True)
class Axis:
    """One setting of all tries."""

    name: str
    values: Sequence[float | str]  # of each try
    is_range: bool  # drawn from a range of numbers

    def binned(self) -> tuple[np.ndarray, list[str]]:
        """For each try the number of its bin, and what the bins are called."""
        if not self.is_range:
            values = sorted(set(self.values), key=_in_order)
            return np.array([values.index(of) for of in self.values]), [f"{of}" for of in values]
        logs = np.log([float(of) for of in self.values])
        low, high = logs.min(), max(logs.max(), logs.min() + 1e-9)
        ends = [f"{math.exp(edge):.2g}" for edge in np.linspace(low, high, BINS + 1)]
        bins = np.clip(np.floor((logs - low) / (high - low) * BINS + 1e-9).astype(int), 0, BINS - 1)
        return bins, [f"{of} to {to}" for of, to in pairwise(ends)]


def _in_order(value: Any) -> tuple[bool, float, str]:
    """Numbers by their size, before words."""
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if is_number else 0.0, str(value)


def draw_sweep(
    title: str,
    losses: Sequence[float],
    axes: Sequence[Axis],
    inside: float,
    confirmed: tuple[float, float, float],
    sentence: str,
) -> Figure:
    """Left the least loss by two settings, or one; right how far the best were ahead, inside the search and outside.

    Args:
        title: of the figure.
        losses: of each try, on images that were held out; infinite where training failed.
        axes: one or two settings of each try.
        inside: by how much the best were ahead of the present settings inside the search, in accuracy.
        confirmed: the same on the val images, with its 95 % interval: difference, low, high.
        sentence: what that comes to.
    """
    wrapped = textwrap.fill(f"{sentence}.", 100, subsequent_indent="   ")
    figure = Figure(figsize=(10, 4.6 + 0.2 * wrapped.count("\n")), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _heat_map(left, np.asarray(losses, float), axes)
    _gains(right, inside, confirmed)
    figure.suptitle(title)
    figure.supxlabel(wrapped, fontsize=9, ha="left", x=0.01)
    return figure


def _heat_map(axes: Axes, losses: np.ndarray, settings: Sequence[Axis]) -> None:
    of_x, x_names = settings[0].binned()
    of_y, y_names = settings[1].binned() if len(settings) > 1 else (np.zeros(len(losses), int), [""])
    least = np.full((len(y_names), len(x_names)), np.nan)
    for x, y, loss in zip(of_x, of_y, losses, strict=True):
        if math.isfinite(loss):
            least[y, x] = np.nanmin([least[y, x], max(loss, 1e-9)])  # its logarithm is coloured
    shades = axes.imshow(np.log(least), cmap="viridis_r", aspect="auto", origin="lower")
    middle = np.nanmean(shades.get_clim())
    for (y, x), loss in np.ndenumerate(least):
        shown = "none" if math.isnan(loss) else f"{loss:.3g}"
        dark = not math.isnan(loss) and math.log(loss) > middle
        axes.text(x, y, shown, ha="center", va="center", color="white" if dark else "black", fontsize=9)
    axes.set_xticks(range(len(x_names)), x_names, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(y_names)), y_names, fontsize=8)
    axes.set_xlabel(settings[0].name)
    axes.set_ylabel(settings[1].name if len(settings) > 1 else "")
    axes.set_title("least loss on held-out train images", fontsize=10)


def _gains(axes: Axes, inside: float, confirmed: tuple[float, float, float]) -> None:
    difference, low, high = (100 * of for of in confirmed)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(0, 100 * inside, marker="s", color=PALETTE[1], markersize=9)
    axes.errorbar(1, difference, [[difference - low], [high - difference]], fmt="o", color=PALETTE[0], capsize=5)
    axes.set_xticks([0, 1], ["inside the search", "on the val images,\nwith 95 % interval"])
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylabel("points of accuracy ahead of the present settings")
    axes.set_title("the best settings", fontsize=10)
    lighten_frame(axes)
