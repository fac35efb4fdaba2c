"""stages/pictures/difference_hash.py, and what `add` says of pictures that are nearly the same."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scripts.adding.survey import nearly_the_same
from scripts.measuring.planted import COPIES
from stages.pictures.difference_hash import difference_hash, near_copies
from stages.pictures.examined import examine
from tests.test_faults import scene

SURVIVED = ("JPEG of 30 to 70", "brightness", "40 to 80 % of the size")


@pytest.mark.parametrize("kind", SURVIVED)
def test_it_sees_through_what_changes_no_shape(kind: str) -> None:
    pictures = [scene(seed) for seed in range(8)]
    copies = [COPIES[kind](picture, np.random.default_rng(0)) for picture in pictures]
    digests = [difference_hash(picture.convert("L")) for picture in [*pictures, *copies]]
    assert near_copies(digests) == [(number, number + 8) for number in range(8)]


def test_pictures_of_one_colour_are_no_copies() -> None:
    assert difference_hash(Image.new("L", (40, 30), 77)) == 0
    assert near_copies([0, 0, 5 << 70, 0]) == []
    assert near_copies([]) == []


def test_many_alike_are_each_named_once() -> None:
    digest = difference_hash(scene(0).convert("L"))
    pairs = near_copies([digest] * 5000)
    assert pairs[:2] == [(0, 1), (0, 2)]
    assert len(pairs) == 4999


def test_shapes_on_a_plain_ground_are_not_all_the_same() -> None:
    rng, digests = np.random.default_rng(0), []
    for _ in range(100):
        picture, (left, top) = Image.new("L", (200, 200), 255), rng.integers(0, 150, 2).tolist()
        ImageDraw.Draw(picture).ellipse((left, top, left + 50, top + 50), fill=40)
        digests.append(difference_hash(picture))
    assert near_copies(digests) == []


def test_add_warns_of_them_across_splits_first(tmp_path: Path) -> None:
    made = {"train/a/1": (1, 95), "val/a/1": (1, 60), "train/a/2": (2, 95), "train/a/3": (2, 60)}
    for name, (seed, quality) in (made | {"train/a/4": (4, 95), "val/a/4": (4, 95)}).items():
        place = f"{name}.jpg"
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        scene(seed).save(tmp_path / place, quality=quality)
    places = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    lines = list(nearly_the_same({place: examine(tmp_path / place) for place in places}))
    assert lines == [  # what is the same to the byte is said elsewhere
        "warning: 1 images are nearly the same as one of another split: train/a/1.jpg is val/a/1.jpg",
        "warning: 1 images are nearly the same: train/a/2.jpg is train/a/3.jpg",
    ]
