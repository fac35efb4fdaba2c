"""Pictures of nothing that any model here was trained on, drawn from seeds: noise, text, one colour."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = "abcdefghijklmnopqrstuvwxyz      ,.0123456789"


def noise(side: int, rng: np.random.Generator) -> np.ndarray:
    """(3, side, side) uint8, every value by itself, as all that this module draws"""
    return rng.integers(0, 256, (3, side, side), np.uint8)


def text(side: int, rng: np.random.Generator) -> np.ndarray:
    """Lines of drawn letters, dark on light, of a drawn size"""
    page = Image.new("RGB", (side, side), tuple(rng.integers(200, 256, 3).tolist()))
    size = int(rng.integers(10, 32))
    lines = ["".join(rng.choice(list(LETTERS), 60)) for _ in range(side // size)]
    ink = tuple(rng.integers(0, 90, 3).tolist())
    ImageDraw.Draw(page).multiline_text((4, 4), "\n".join(lines), ink, ImageFont.load_default(size))
    return np.asarray(page).transpose(2, 0, 1)


def one_colour(side: int, rng: np.random.Generator) -> np.ndarray:
    return np.broadcast_to(rng.integers(0, 256, (3, 1, 1), np.uint8), (3, side, side))


KINDS = {"noise": noise, "text": text, "one colour": one_colour}


def drawn(kind: str, count: int, side: int) -> np.ndarray:
    """(count, 3, side, side) uint8, the same each time"""
    return np.stack([KINDS[kind](side, np.random.default_rng([number, *kind.encode()])) for number in range(count)])
