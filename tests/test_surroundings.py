"""Whole stages in bad surroundings: a full disk, a folder that cannot be written, warnings that are errors."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.predict import predict
from tests.conftest import PROJECT, clean_environment, copy_code
from tests.finished import DATA, MODEL, STAGES, call, everything

MIB = 1 << 20  # bytes
NOBODY = 65534
WRITE_MUCH = ("download", "arrange", "weights", "features", "train", "draw")


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
    [*((stage, 0) for stage in STAGES), *((stage, 1 << 14) for stage in STAGES if stage.split()[0] in WRITE_MUCH)],
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
def copy(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The finished project, which the test runs in, where everyone may look."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        monkeypatch.chdir(folder)
        yield
        allow(folders=0o755, files=0o644)
        monkeypatch.undo()


def allow(folders: int, files: int) -> None:
    """Set the modes of all that is not in work/; it is given to nobody, since root may write everywhere."""
    for path in (Path(), *Path().rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, -1)
        if path.parts[:1] != ("work",):
            path.chmod(folders if path.is_dir() else files)


def call_as_nobody(stage: str) -> int:
    with nobody():
        return call(stage)


@contextmanager
def nobody() -> Iterator[None]:
    """Who may not read and write everything, as root may."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("stage", STAGES)
def test_in_folders_that_cannot_be_written_a_stage_ends_with_one_line(
    copy: None, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    allow(folders=0o555, files=0o444)
    before = everything()
    status, line = call_as_nobody(stage), capsys.readouterr().err
    assert re.fullmatch(r"error: .*Permission denied: '.*\n", line), line
    assert status == 1
    assert everything() == before


@pytest.mark.parametrize("stage", STAGES)
def test_files_that_cannot_be_written_are_replaced(copy: None, stage: str) -> None:
    allow(folders=0o755, files=0o444)
    assert call_as_nobody(stage) == 0


def test_files_that_cannot_be_read_are_one_line(copy: None, capsys: pytest.CaptureFixture[str]) -> None:
    allow(folders=0o755, files=0)
    assert call_as_nobody(STAGES[1]) == 1
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: 'params.yaml'\n"


def test_a_folder_of_pictures_that_cannot_be_read_is_not_passed_over(
    copy: None, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = Path("data/shapes/val/discs/more")
    inner.mkdir()
    allow(folders=0o755, files=0o644)
    inner.chmod(0)
    assert call_as_nobody(f"features {MODEL} {DATA}") == 1
    assert capsys.readouterr().err == f"error: [Errno 13] Permission denied: '{inner}'\n"


def test_predict_names_a_folder_that_cannot_be_read_and_goes_on(copy: None, capsys: pytest.CaptureFixture[str]) -> None:
    allow(folders=0o755, files=0o644)
    locked = Path("data/shapes/val/discs")
    locked.chmod(0)
    with nobody():
        status = predict(f"models/{MODEL}/{DATA}/frozen.safetensors", ["data/shapes/val", str(locked)], as_json=False)
    printed, errors = capsys.readouterr()
    assert [line.split("\t")[0] for line in printed.splitlines()[1:]] == [
        f"data/shapes/val/squares/squares.{number}.png" for number in (4, 5, 6)
    ]
    assert errors == f"error: {locked}: Permission denied\n" * 2
    assert status == 1


def test_where_no_lock_can_be_written_a_stage_ends_with_one_line(
    copy: None, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("work")
    allow(folders=0o555, files=0o644)
    assert call_as_nobody(STAGES[1]) == 1
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: 'work'\n"


def test_without_a_git_repository_dvc_says_so_in_one_line(in_folder: Path) -> None:
    copy_code(in_folder)
    shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
    done = subprocess.run(["dvc", "repro"], env=clean_environment(), capture_output=True, text=True)
    assert done.returncode
    assert re.search(r"^ERROR: .* is not a git repository$", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_runs_into_a_warning(finished_project: Path, stage: str) -> None:
    """With the imports, which the other tests have done already."""
    name, *arguments = stage.split()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"stages.{name}", *arguments],
        env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
