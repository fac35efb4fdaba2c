"""The pictures that the model got wrong, and where it looked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

PICTURE = 1.5  # side, in inches
PAIRS = 4  # in a row, at most
HEAT = "viridis"  # equally readable by the colour-blind and in grey


@dataclass(frozen=True)
class Mistake:
    image: np.ndarray  # (H, W, 3) uint8, the square that the network saw
    label: str
    prediction: str
    probability: float
    heat: np.ndarray | None = None  # (H, W) in 0..1: where the network looked; see stages/explain.py


def draw_mistakes(mistakes: Sequence[Mistake], total: int) -> Figure:
    """A gallery of `mistakes` out of `total`, each with its heat map beside it; a line of text if there are none."""
    panels = 2 if any(mistake.heat is not None for mistake in mistakes) else 1
    columns = min(PAIRS * 2 // panels, max(4, len(mistakes)))
    rows = max(1, -(-len(mistakes) // columns))
    size = (PICTURE * panels * columns, (PICTURE + 0.3) * rows + 0.6)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.02, wspace=0))  # a pair lies close together
    if not mistakes:
        figure.text(0.5, 0.5, "No mistakes on the val images", ha="center", va="center", fontsize=14)
        return figure
    cells = figure.subfigures(rows, columns, squeeze=False, wspace=0.08)
    for cell, mistake in zip(cells.flat, mistakes, strict=False):
        axes = cell.subplots(1, panels, squeeze=False)[0]
        _draw_picture(axes[0], mistake.image)
        if mistake.heat is not None:
            draw_heat(axes[1], mistake.image, mistake.heat)
        cell.suptitle(f"is: {mistake.label}\nsaid: {mistake.prediction} ({mistake.probability:.2f})", fontsize=9)
    shown = f"The {len(mistakes)} surest of {total} mistakes" if total > len(mistakes) else f"All {total} mistakes"
    looked = "\nRight: where it looked for that answer (Grad-CAM), yellow most" if panels == 2 else ""
    figure.suptitle(f"{shown} on the val images, with the probability that the model gave its answer{looked}")
    return figure


def _draw_picture(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_axis_off()


def draw_heat(axes: Axes, image: np.ndarray, heat: np.ndarray) -> None:
    """The heat map over the picture in grey, so that all colour is the map's."""
    axes.imshow(image.mean(2), cmap="gray", vmin=0, vmax=255)
    axes.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.25 + 0.5 * heat)
    axes.set_axis_off()


def enlarged(heat: np.ndarray, side: int) -> np.ndarray:
    """(h, w) in 0..1 -> (side, side), bilinear; the place that speaks most is 1 again, unless none speaks."""
    larger = np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BILINEAR))
    over_maximum: np.ndarray = larger / max(larger.max(), np.finfo(np.float32).tiny)
    return over_maximum
