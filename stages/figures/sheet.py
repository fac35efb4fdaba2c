"""The images to look at: a sheet of thumbnails, with a heading for each kind of finding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

COLUMNS = 10  # pictures in a row; a pair takes two
CELL = 1.0  # side, in inches
CAPTION = 0.42  # height below a picture
HEADING = 0.4
MARGIN = 0.1


@dataclass(frozen=True)
class Panel:
    pictures: Sequence[np.ndarray]  # one, or two that are compared: (H, W, 3) uint8
    caption: str  # of two lines at most


@dataclass(frozen=True)
class Section:
    heading: str
    panels: Sequence[Panel]


def draw_sheet(title: str, sections: Sequence[Section]) -> Figure:
    """All sections, one below the other; a line of text if there are none."""
    heights = [HEADING + (CELL + CAPTION) * len(rows(section)) for section in sections]
    width, height = COLUMNS * (CELL + MARGIN), HEADING + (sum(heights) or HEADING)
    figure = Figure(figsize=(width, height))
    top = height - HEADING / 2
    figure.text(MARGIN / width, top / height, title, fontsize=12, va="center")
    if not sections:
        figure.text(MARGIN / width, HEADING / 2 / height, "Nothing to look at was found", fontsize=10, va="center")
    top = height - HEADING
    for section, of in zip(sections, heights, strict=True):
        _draw_section(figure, section, top, (width, height))
        top -= of
    return figure


def rows(section: Section) -> list[list[Panel]]:
    """The panels of each row."""
    found: list[list[Panel]] = [[]]
    for panel in section.panels:
        if sum(len(of.pictures) for of in found[-1]) + len(panel.pictures) > COLUMNS:
            found.append([])
        found[-1].append(panel)
    return found


def _draw_section(figure: Figure, section: Section, top: float, size: tuple[float, float]) -> None:
    width, height = size
    figure.text(MARGIN / width, (top - HEADING / 2) / height, section.heading, fontsize=10, weight="bold", va="center")
    for number, row in enumerate(rows(section), start=1):
        bottom = top - HEADING - (CELL + CAPTION) * number + CAPTION
        left = MARGIN
        for panel in row:
            figure.text(left / width, (bottom - 0.04) / height, panel.caption, fontsize=6.5, va="top")
            for picture in panel.pictures:
                axes = figure.add_axes((left / width, bottom / height, CELL / width, CELL / height), anchor="SW")
                axes.imshow(picture)
                axes.set_axis_off()
                left += CELL + (0 if picture is not panel.pictures[-1] else MARGIN)
            left += MARGIN * (len(panel.pictures) - 1)
