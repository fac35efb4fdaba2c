"""Small pictures of two kinds, drawn from a seed: light discs and dark squares on noise."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

KINDS = ("discs", "squares")


def draw_picture(path: Path, kind: str, seed: int) -> None:
    """Save a picture of 40 to 64 pixels, in the format of the path's suffix."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    height, width = (int(side) for side in rng.integers(40, 64, 2))
    image = Image.fromarray(rng.integers(80, 170, (height, width, 3), dtype=np.uint8))
    x, y, half = (
        int(value) for value in (rng.integers(14, width - 14), rng.integers(14, height - 14), rng.integers(8, 14))
    )
    box, draw = (x - half, y - half, x + half, y + half), ImageDraw.Draw(image)
    if kind == "discs":
        draw.ellipse(box, fill=(240, 240, 200))
    else:
        draw.rectangle(box, fill=(20, 20, 60))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def draw_split(folder: Path, count: int, first: int = 0) -> None:
    """`count` pictures of each kind: folder/KIND/KIND.NUMBER.png."""
    for kind in KINDS:
        for number in range(first, first + count):
            draw_picture(folder / kind / f"{kind}.{number}.png", kind, number)


def draw_data_set(folder: Path, train: int = 8, val: int = 5) -> None:
    """folder/train and folder/val, with no picture in both."""
    draw_split(folder / "train", train)
    draw_split(folder / "val", val, first=train)
