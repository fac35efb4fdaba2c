"""stages/training/examples.py: decoded images, in memory or beyond it."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from stages.ground import paths
from stages.ground.runtime import Runtime
from stages.preprocessing.inputs import Preprocessing
from stages.preprocessing.splits import LabelledFiles, list_split
from stages.training.examples import read_images
from tests.drawing import draw_split

LOOK = Preprocessing(resize=40, crop=32)  # 4,800 bytes an image


@pytest.fixture
def listed(in_folder: Path) -> LabelledFiles:
    draw_split(in_folder / "train", 120)
    return list_split(in_folder / "train")


def test_images_that_memory_is_not_to_hold_lie_in_a_file_and_are_the_same(listed: LabelledFiles) -> None:
    in_memory, in_a_file = (read_images(listed, LOOK, Runtime(image_cache_mib=mib, progress=False)) for mib in (2, 1))
    assert np.array_equal(in_memory.squares, in_a_file.squares)
    assert len(in_memory.squares) == 240
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(paths.SCRATCH.resolve()) in line]
    assert len(mapped) == 1
    assert not list(Path("work").iterdir())


def test_a_disk_that_is_too_full_for_them_is_an_error_before_any_is_read(
    listed: LabelledFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device"):
        read_images(listed, LOOK, Runtime(image_cache_mib=1, progress=False))
