"""Whole stages in bad surroundings: a full disk, a folder that cannot be written, warnings that are errors."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import clean_environment
from tests.finished import STAGES, call, everything

MIB = 1 << 20  # bytes
NOBODY = 65534


@pytest.fixture
def small_disk(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The finished project on a file system of its own, with some MiB to spare."""
    size = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file()) // MIB + 8
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        shutil.copytree(finished, disk, dirs_exist_ok=True)
        monkeypatch.chdir(disk)
        yield disk
    finally:
        monkeypatch.undo()
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path, leave: int) -> None:
    """Take all but `leave` bytes of the free space."""
    with (disk / "filler").open("wb", buffering=0) as file:
        file.write(bytes(shutil.disk_usage(disk).free - leave))


@pytest.mark.parametrize(
    ("stage", "leave"),
    [*((stage, 0) for stage in STAGES), *((stage, 1 << 14) for stage in STAGES[:-1])],  # the last needs no more
)
def test_on_a_full_disk_a_stage_ends_with_one_line_and_leaves_all_as_it_was(
    small_disk: Path, capsys: pytest.CaptureFixture[str], stage: str, leave: int
) -> None:
    fill(small_disk, leave)
    before = everything()
    status, line = call(stage), capsys.readouterr().err
    assert re.fullmatch(r"error: .*No space left on device.*\n", line), line
    assert status == 1
    assert everything() == before


@pytest.fixture
def read_only(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The finished project, of which only work/ can be written by who runs the test."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        root = os.geteuid() == 0
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        for path in (Path(folder, "work"), *Path(folder, "work").rglob("*")):
            os.chown(path, NOBODY if root else -1, -1)
            path.chmod(0o755)
        monkeypatch.chdir(folder)
        if root:  # may write everywhere
            os.seteuid(NOBODY)
        yield Path(folder)
        if root:
            os.seteuid(0)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755)


@pytest.mark.parametrize("stage", STAGES)
def test_where_nothing_can_be_written_a_stage_ends_with_one_line(
    read_only: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    before = everything()
    status, line = call(stage), capsys.readouterr().err
    assert re.fullmatch(r"error: .*Permission denied: '.*\n", line), line
    assert "locks" not in line
    assert status == 1
    assert everything() == before


def test_where_no_lock_can_be_written_a_stage_ends_with_one_line(
    read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("work/locks").rename("work/elsewhere")
    Path("work").chmod(0o555)
    assert call(STAGES[1]) == 1
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: 'work/locks'\n"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_runs_into_a_warning(finished_project: Path, stage: str) -> None:
    """With the imports, which the other tests have done already."""
    name, *arguments = stage.split()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"stages.{name}", *arguments],
        env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
