"""Killed at random moments, the whole graph ends with the bytes of a run that nothing disturbed.

These are also the bytes of a run anew, with another number of workers.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.reporting.graph import LOCK, RWLOCK
from tests.conftest import Project, clean_environment, wait_for

KILLS = 4


def fresh_copy(small_project: Project, folder: Path) -> Project:
    """A clone without results and without DVC's cache."""
    subprocess.run(["git", "clone", "-q", small_project.folder, folder], check=True)
    project = Project(folder)
    project.run("git", "rm", "-rq", "dvc.lock", "metrics", "plots")
    return project


def start(project: Project, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        command, cwd=project.folder, env=clean_environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def stages_of(dvc: subprocess.Popen) -> list[int]:
    """The processes that this DVC started."""
    found = subprocess.run(["ps", "--no-headers", "-o", "pid", "--ppid", str(dvc.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def kill(dvc: subprocess.Popen, whom: str) -> None:
    if whom == "all":
        os.killpg(dvc.pid, signal.SIGKILL)
    elif whom == "dvc":
        dvc.kill()
    else:
        for pid in stages_of(dvc):
            os.kill(pid, signal.SIGKILL)
    dvc.communicate()


def remove_what_dvc_half_wrote(project: Project) -> None:
    """As `make repro` advises."""
    check = "from scripts.reporting.graph import check_dvc_files; check_dvc_files()"
    for file in (LOCK, RWLOCK):
        if f"{file} is damaged" in project.run("python", "-c", check, check=False):
            (project.folder / file).unlink()


def results(project: Project) -> dict[str, bytes]:
    """But for the links, such as models/….tmp, that DVC itself leaves if it is killed while it fills its cache."""
    files = project.files("metrics", "plots", "models", "features", "weights")
    return {path: content for path, content in files.items() if not path.endswith(".tmp")}


@pytest.mark.slow
def test_after_kill_9_at_random_moments_another_number_of_workers_gives_the_same_bytes(
    small_project: Project, tmp_path: Path
) -> None:
    project = fresh_copy(small_project, tmp_path / "killed")
    project.edit_params(lambda params: params["runtime"].update(workers=5))
    seed = random.randrange(10**6)
    print("seed", seed)  # shown if the test fails
    rng = random.Random(seed)
    for _ in range(KILLS):
        dvc = start(project, "dvc", "repro")
        time.sleep(rng.uniform(2, 7))
        kill(dvc, rng.choice(["all", "dvc", "stage"]))
        remove_what_dvc_half_wrote(project)
    project.run("dvc", "repro")
    assert results(project) == results(small_project)
    assert (project.folder / "dvc.lock").read_bytes() == (small_project.folder / "dvc.lock").read_bytes()
    assert project.files("work/checkpoints") == {}
    assert [path for path in project.folder.rglob("*.part") if ".dvc" not in path.parts] == []


@pytest.fixture
def long_training(small_project: Project, tmp_path: Path) -> Project:
    """All but the training of one cell is done, and that would take long."""
    project = fresh_copy(small_project, tmp_path / "long")
    project.run("git", "checkout", "-q", "HEAD", "dvc.lock", "metrics", "plots")
    project.run("cp", "-r", str(small_project.folder / ".dvc/cache"), ".dvc/cache")
    project.run("dvc", "checkout", "-q")
    project.edit_params(lambda params: params["variants"]["unfrozen"].update(epochs=10_000))
    return project


STAGE = ("-m", "stages.train", "mobilenet_v2", "shapes", "unfrozen")


def checkpoints(project: Project) -> list[Path]:
    return list((project.folder / "work/checkpoints").glob("*.pt"))


def test_ctrl_c_ends_at_once_without_a_stack_trace_and_a_second_run_is_refused(long_training: Project) -> None:
    first = start(long_training, sys.executable, *STAGE)
    wait_for(lambda: checkpoints(long_training))
    second = long_training.run("python", *STAGE, check=False)
    assert second == (
        "error: train-mobilenet_v2-shapes-unfrozen is running already: wait for that run to end, or end it\n"
    )
    before = time.monotonic()
    first.send_signal(signal.SIGINT)
    printed, _ = first.communicate()
    assert time.monotonic() - before < 4  # seconds; a busy machine is slow
    assert first.returncode == 130, printed
    assert "Traceback" not in printed
    assert not (long_training.folder / "models/mobilenet_v2/shapes/.unfrozen.safetensors.part").exists()

    third = start(long_training, sys.executable, *STAGE)
    wait_for(lambda: "going on after epoch" in third.stdout.readline())
    third.kill()
    third.communicate()


def test_ctrl_c_while_torch_is_imported_shows_no_stack_trace(long_training: Project) -> None:
    stage = start(long_training, sys.executable, *STAGE)
    wait_for(lambda: "libtorch" in Path(f"/proc/{stage.pid}/maps").read_text())
    stage.send_signal(signal.SIGINT)
    printed, _ = stage.communicate()
    assert (printed, stage.returncode) == ("", 130)


def test_a_stage_ends_with_the_dvc_that_started_it(long_training: Project) -> None:
    dvc = start(long_training, "dvc", "repro", "train@mobilenet_v2-shapes-unfrozen")
    wait_for(lambda: checkpoints(long_training))
    (stage,) = stages_of(dvc)
    kill(dvc, "dvc")
    wait_for(lambda: not Path(f"/proc/{stage}").exists(), 20)


def test_another_setting_starts_afresh(long_training: Project) -> None:
    stage = start(long_training, sys.executable, *STAGE)
    wait_for(lambda: checkpoints(long_training))
    stage.kill()
    stage.communicate()
    long_training.edit_params(lambda params: params["variants"]["unfrozen"].update(lr=0.002, epochs=1))
    printed = long_training.run("python", *STAGE)
    assert "going on" not in printed
    assert "epoch 1/1" in printed
    assert checkpoints(long_training) == []
