"""What all figures share: colours, marks, frames, and how they become files."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from stages.ground.files import written_whole

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")  # Okabe and Ito, for the colour-blind
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # beside colours, never colours alone; one more than there are colours
GREY = "#555555"


def save_figure(path: Path, figure: Figure) -> None:
    with written_whole(path) as part:
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})


def mark_published(axes: Axes, x: float, y: float, transform: Transform | None = None) -> Line2D:
    """A light diamond at a value of the original experiment; in the data's coordinates if no others are given."""
    transform = transform or axes.transData
    (mark,) = axes.plot(
        x, y, color="none", marker="D", markeredgecolor=GREY, markersize=8, clip_on=False, transform=transform
    )
    return mark


def lighten_frame(axes: Axes) -> None:
    """Leave of the frame what carries the scales, and a light grid."""
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
