"""Faults that are planted in a data set, drawn from a seed: what the audit is measured on."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

SHARE = 0.05  # of labels that are flipped

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # a header, and rows


def flipped(labels: np.ndarray, seed: int, to: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The labels (N,) where SHARE of them are others, and which those are, (N,) bool.

    `to` (C,) says for each class which it is mistaken for; any other, at random, if not given.
    """
    rng, classes = np.random.default_rng(seed), int(labels.max()) + 1
    chosen = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    wrong, now = np.zeros(len(labels), bool), labels.copy()
    wrong[chosen] = True
    now[chosen] = (
        (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes if to is None else to[labels[chosen]]
    )
    return now, wrong


def cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """80 to 95 % of its width and height, anywhere"""
    width, height = (
        round(side * share) for side, share in zip(picture.size, [rng.uniform(0.8, 0.95)] * 2, strict=True)
    )
    left, top = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
    return picture.crop((int(left), int(top), int(left) + width, int(top) + height))


def mirrored(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turned(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """By 3 degrees, the corners black"""
    return picture.rotate(float(rng.choice([-3, 3])), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """JPEG of quality 30 to 70"""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(30, 71)))
    return Image.open(file).convert("RGB")


def brightened(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """0.6 to 0.85 or 1.15 to 1.5 times as bright"""
    factor = rng.uniform(0.6, 0.85) if rng.random() < 0.5 else rng.uniform(1.15, 1.5)
    return ImageEnhance.Brightness(picture).enhance(factor)


def shrunk(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """To 40 to 80 % of its size"""
    share = rng.uniform(0.4, 0.8)
    return picture.resize((max(32, round(picture.width * share)), max(32, round(picture.height * share))))


def captioned(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """White on black in the lowest eighth"""
    picture, high = picture.copy(), max(10, picture.height // 8)
    draw, top = ImageDraw.Draw(picture), picture.height - high
    draw.rectangle((0, top, picture.width, picture.height), fill="black")
    draw.text((picture.width // 10, top), "Photo: nobody, 2019", fill="white", font_size=int(high * 0.7))
    return picture


COPIES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "crop of 80 to 95 %": cropped,
    "mirrored": mirrored,
    "turned by 3°": turned,
    "JPEG of 30 to 70": encoded,
    "brightness": brightened,
    "40 to 80 % of the size": shrunk,
    "caption": captioned,
}


def blurred(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """As if a picture of 256 pixels were blurred with a standard deviation of 3"""
    return picture.filter(ImageFilter.GaussianBlur(3 * min(picture.size) / 256))


def blank(side: int, rng: np.random.Generator) -> Image.Image:
    """Black or white, but for a sensor's noise"""
    level = 0 if rng.random() < 0.5 else 255
    return Image.fromarray((level + rng.normal(0, 2, (side, side, 3))).clip(0, 255).astype(np.uint8))


def recall_at(precision: float, scores: np.ndarray, wrong: np.ndarray) -> float:
    """The greatest share of the planted faults that any border of the scores finds at this precision or more"""
    found = wrong[np.argsort(-scores, kind="stable")].cumsum()
    enough = found >= precision * np.arange(1, len(wrong) + 1)
    return float(found[enough].max() / wrong.sum()) if enough.any() else 0.0


def auroc(ordinary: np.ndarray, planted: np.ndarray) -> float:
    """The probability that a planted one has the greater score"""
    greater = (planted[:, None] > ordinary).mean()
    return float(greater + (planted[:, None] == ordinary).mean() / 2)


def mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}"
