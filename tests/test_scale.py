"""What `make bench-scale` is made of: watching a command, the model of costs, and the tables."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from scripts.measuring import scale
from scripts.measuring.costs import Costs
from scripts.measuring.many_pictures import draw_pictures
from scripts.measuring.scale import STAGES, Measured, report, write_section
from scripts.measuring.watched import Taken, watched
from stages.ground.errors import ProjectError

HOLD = "import subprocess, sys, time; held = bytearray(b'x' * (60 << 20)); "


def test_memory_is_that_of_all_processes_at_its_peak(tmp_path: Path) -> None:
    inner = HOLD + "time.sleep(1)"
    code = HOLD + f"subprocess.run([sys.executable, '-c', {inner!r}])"
    taken = watched([sys.executable, "-c", code], tmp_path)
    assert 120 < taken.anonymous < 200
    assert taken.anonymous < taken.resident < 300
    assert taken.seconds > 1
    assert 0 < taken.cpu_seconds < taken.seconds


def test_what_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r" failed: ValueError: why$"):
        watched([sys.executable, "-c", "raise ValueError('why')"], tmp_path)


def test_costs_are_a_start_and_so_much_for_each_image() -> None:
    costs = Costs.of([1000, 10_000, 50_000], [3, 12, 52])
    assert (costs.fixed, costs.each) == pytest.approx((2, 0.001))
    assert costs(200_000) == pytest.approx(202)
    assert Costs.of([1000, 2000], [1, 3]).fixed == 0
    assert Costs.of([1000, 2000], [3, 2]).each == 0


def test_pictures_are_drawn_of_two_splits_and_ten_classes(tmp_path: Path) -> None:
    draw_pictures(tmp_path, 100)
    counts = {split: len(list((tmp_path / split).glob("class_*/*.jpg"))) for split in ("train", "val")}
    assert counts == {"train": 80, "val": 20}
    paths = sorted(tmp_path.rglob("*.jpg"))
    assert len({path.read_bytes() for path in paths}) == 100
    with Image.open(paths[0]) as image:
        assert image.size == (64, 64)


def test_the_tables_have_all_numbers_of_images_and_say_what_was_not_measured(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "machine", lambda: "a machine")
    measured = [
        Measured(kind, images, what, Taken(1 + images / 1000, images / 500, 200, 100))
        for images in (1000, 2000, 4000)
        for kind in (("files", "shards") if images < 4000 else ("shards",))
        for what in (*STAGES, "dvc add")
    ]
    text = report(measured, {("shards", 1000): {"data/drawn": 1.2, "features": 5}}, 0.1)
    assert "| features       | 2.0 s, 100 (200) | 3.0 s, 100 (200) | 5.0 s, 100 (200) |" in text
    assert "| features       | 1.0      | 1.000        | +0 %  | +0 %  | +0 %  |" in text
    assert "| dvc add, files  | 2.0   | 3.0   | not measured |" in text
    assert "| features       | 0.6              | 0.06    | 55.6               | 5.56    |" in text
    Path("docs").mkdir()
    write_section(text)
    write_section(text)
    page = Path("docs/scale.md").read_text()
    assert page.startswith("# Many images, many machines\n\n## Many images\n")
    assert page.count("a machine") == 1
