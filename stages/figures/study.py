"""The trials of several ways of training, and how they differ from the first, trial by trial."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures.style import GREY, MARKERS, PALETTE, lighten_frame

JITTER = 0.28  # of a row's height, to either side


@dataclass(frozen=True)
class Difference:
    """Of a way of training from the baseline, in accuracy."""

    trials: Sequence[float]
    mean: float
    low: float  # the 95 % interval of the mean
    high: float
    sentence: str


def draw_study(
    title: str,
    accuracies: Mapping[str, Sequence[float]],
    baseline: str,
    differences: Mapping[str, Difference],
    margin: float,
) -> Figure:
    """Left every trial's accuracy, right the differences with the mean's interval; below what that comes to.

    Args:
        title: of the figure.
        accuracies: {way of training: of each trial}, the baseline's too.
        baseline: what the others are compared with.
        differences: {way of training: its difference from the baseline}, all but the baseline's.
        margin: differences below are practically none.
    """
    wrapped = "\n".join(textwrap.fill(f"{of.sentence}.", 118, subsequent_indent="   ") for of in differences.values())
    figure = Figure(figsize=(10, 2 + 0.62 * len(accuracies) + 0.2 * wrapped.count("\n")), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for row, (name, found) in enumerate(accuracies.items()):
        _draw_accuracies(left, row, found)
        if name in differences:
            _draw_difference(right, row, differences[name])
    right.text(0.02, 0, "baseline", transform=right.get_yaxis_transform(), va="center", color=GREY, fontsize=9)
    right.axvspan(-margin, margin, color=GREY, alpha=0.15, linewidth=0)
    right.axvline(0, color=GREY, linewidth=1)
    left.set_yticks(range(len(accuracies)), [f"{name}\n{len(of)} trials" for name, of in accuracies.items()])
    left.set_ylim(len(accuracies) - 0.5, -0.5)  # the first on top
    left.set_xlabel("val accuracy of each trial; mean, and where 95 % of them lie")
    right.set_xlabel(f"difference from {baseline}, pair by pair; mean with its 95 %\ninterval; grey: within {margin:g}")
    for axes in (left, right):
        lighten_frame(axes)
        axes.grid(visible=False, axis="y")
    figure.suptitle(title)
    figure.supxlabel(wrapped, fontsize=9, ha="left", x=0.01)
    return figure


def _draw_accuracies(axes: Axes, row: int, found: Sequence[float]) -> None:
    _draw_points(axes, row, found)
    low, high = np.quantile(found, [0.025, 0.975])
    axes.plot([low, high], [row, row], color="black", linewidth=1)
    axes.plot(float(np.mean(found)), row, color="black", marker="|", markersize=16, markeredgewidth=2.5)


def _draw_difference(axes: Axes, row: int, of: Difference) -> None:
    _draw_points(axes, row, of.trials)
    axes.errorbar(
        of.mean, row, xerr=[[of.mean - of.low], [of.high - of.mean]], color="black", capsize=4, linewidth=2,
        marker="|", markersize=16, markeredgewidth=2.5,
    )  # fmt: skip


def _draw_points(axes: Axes, row: int, values: Sequence[float]) -> None:
    """Spread over the row's height, evenly and in no order of their size, so that equal ones are seen apart."""
    spread = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 2 * JITTER
    axes.plot(
        values, row + spread, linestyle="none", color=PALETTE[row % len(PALETTE)], marker=MARKERS[row % len(MARKERS)],
        markersize=4, alpha=0.5,
    )  # fmt: skip
