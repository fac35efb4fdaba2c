"""Whether the model's probabilities are true: of the answers it gives 0.8, are 80 % right?"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from stages.figures.style import GREY, PALETTE, lighten_frame
from stages.statistics.calibration import ConfidenceBin, expected_calibration_error
from stages.statistics.inference import wilson_interval


def draw_reliability(title: str, bins: Sequence[ConfidenceBin]) -> Figure:
    """Above, the share of right answers by their probability, on or off the diagonal; below, how many there are.

    A reliability diagram: DeGroot and Fienberg, The Statistician 32 (1983); Guo et al., ICML 2017. Bars are Wilson's
    95 % intervals: with few images in a bin they are wide, and the distance from the diagonal means little.

    Args:
        title: of the figure.
        bins: those that hold images.
    """
    figure = Figure(figsize=(5.5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for of in bins:
        low, high = wilson_interval(of.right, of.count)
        distances = [[of.accuracy - low], [high - of.accuracy]]
        above.errorbar(of.confidence, of.accuracy, yerr=distances, color=PALETTE[0], marker="o", capsize=3)
    below.bar(
        [of.low for of in bins],
        [of.count for of in bins],
        [of.high - of.low for of in bins],
        align="edge",
        color=PALETTE[0],
        edgecolor="white",
    )
    for of in bins:
        below.text((of.low + of.high) / 2, of.count, str(of.count), ha="center", va="bottom", fontsize=9)
    start = min((of.low for of in bins), default=0)
    above.set_xlim(start, 1.005)
    above.set_ylim(0, 1.03)
    above.set_ylabel("share of right answers, with 95 % interval")
    below.set_ylabel("images")
    below.set_xlabel("probability of the answer (its mean in each bin)")
    below.margins(y=0.25)
    for axes in (above, below):
        lighten_frame(axes)
    error = f"expected calibration error {expected_calibration_error(bins):.4f}"
    figure.suptitle(f"{title}\n{error}; below the dashed line: too sure", fontsize=11)
    return figure
