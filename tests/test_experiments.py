"""Experiments away from the workspace: `dvc queue` with two workers, and `dvc exp run --temp`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Project, wait_for


@pytest.fixture
def clone(small_project: Project, tmp_path: Path) -> Project:
    """A clone with DVC's cache, in a path of plain letters: DVC 3.67 cannot run these in another.

    (It writes paths into settings that it takes for ASCII, that of Git's remote among them.)
    """
    project = Project(tmp_path / "a clone")
    subprocess.run(["git", "clone", "-q", small_project.folder, project.folder], check=True)
    shutil.copytree(small_project.folder / ".dvc/cache", project.folder / ".dvc/cache")
    for setting in (["user.name", "t"], ["user.email", "t@example.org"], ["--remove-section", "remote.origin"]):
        project.run("git", "config", *setting)
    project.run("dvc", "checkout", "-q")
    return project


def experiment(project: Project, name: str, lr: float, *where: str) -> None:
    """Of the frozen variant, computed and not looked up among earlier runs."""
    shutil.rmtree(project.folder / ".dvc/cache/runs", ignore_errors=True)
    target = "compare@mobilenet_v2-shapes"  # and not what is drawn of it, which takes longer
    project.run("dvc", "exp", "run", "-q", "-n", name, *where, "-S", f"variants.frozen.lr={lr}", target)


@pytest.mark.slow
def test_queued_and_temporary_runs_give_the_bytes_of_a_run_in_place(clone: Project) -> None:
    experiment(clone, "queued", 0.02, "--queue")
    experiment(clone, "beside", 0.03, "--queue")
    clone.run("dvc", "queue", "start", "-j", "2")
    wait_for(lambda: clone.run("dvc", "queue", "status").count("Success") == 2, 900)
    experiment(clone, "temporary", 0.02, "--temp")
    experiment(clone, "in-place", 0.03)
    listed = clone.run("git", "for-each-ref", "--format=%(objectname) %(refname:lstrip=4)", "refs/exps")
    commits = {name: commit for commit, _, name in (line.partition(" ") for line in listed.splitlines())}
    assert clone.run("git", "diff", "--stat", commits["queued"], commits["temporary"]) == ""
    assert clone.run("git", "diff", "--stat", commits["beside"], commits["in-place"]) == ""
    assert "dvc.lock" in clone.run("git", "diff", "--stat", commits["queued"], commits["beside"])
