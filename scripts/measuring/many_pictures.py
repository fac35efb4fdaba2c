"""Draws as many small pictures as are asked for, of ten classes that can be told apart, though not all."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10
SIDE = 64  # pixels
VAL = 5  # every fifth validates
COARSE = 8  # places a side that differ from picture to picture
SPREAD = 60  # of their values, beside which the classes' colours are near each other


def draw_pictures(folder: Path, count: int) -> None:
    """folder/{train,val}/CLASS/NUMBER.jpg; the same `count` gives the same bytes."""
    rng = np.random.default_rng(0)
    colours = rng.uniform(80, 170, (CLASSES, 3))
    for split in ("train", "val"):
        for label in range(CLASSES):
            (folder / split / f"class_{label}").mkdir(parents=True)
    for number in range(count):
        label = number % CLASSES
        split = "val" if number // CLASSES % VAL == VAL - 1 else "train"
        coarse = rng.normal(colours[label], SPREAD, (COARSE, COARSE, 3)).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / split / f"class_{label}" / f"{number:09}.jpg")
