"""Images of one's own go with the project to another machine: scripts.add, dvc push, git clone, dvc pull."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.drawing import draw_split


@pytest.fixture
def project(small_project: Project) -> Iterator[Project]:
    """The small project after its first run; commits, and images put in, are taken back."""
    start = small_project.run("git", "rev-parse", "HEAD").strip()
    yield small_project
    small_project.run("git", "reset", "-q", "--hard", start)
    small_project.run("git", "clean", "-fdq")
    for folder in ("data/raw/mine", "data/mine"):
        shutil.rmtree(small_project.folder / folder, ignore_errors=True)
    small_project.run("dvc", "checkout", "-q", "--force")


def test_a_fresh_clone_pulls_everything_and_runs_nothing(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    project.commit()
    project.run("dvc", "push", "-q")
    project.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "pull", "-q")
    assert clone.repro() == []
    assert clone.run("git", "status", "--porcelain") == ""
    for below in ("data", "features", "metrics", "models", "plots", "weights"):
        assert clone.files(below) == project.files(below) != {}

    draw_split(tmp_path / "photos", 5, first=50)
    said = project.run("python", "-m", "scripts.add", "mine", str(tmp_path / "photos"))
    assert "git add params.yaml dvc.yaml data/raw/mine.dvc   # dvc add data/raw/mine is done" in said
    seen_by_git = project.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(line.split()[1] for line in seen_by_git) == ["data/raw/mine.dvc", "dvc.yaml", "params.yaml"]
    assert project.repro("arrange@mine") == ["arrange@mine"]
    project.commit()
    project.run("dvc", "push", "-q")
    clone.run("git", "pull", "-q")
    pulled = clone.run("dvc", "pull", check=False)  # names what was never made, and pulls the rest
    assert "Checkout failed for following targets:" in pulled
    assert clone.repro("arrange@mine") == []
    for below in ("data/raw/mine", "data/mine"):
        assert clone.files(below) == project.files(below) != {}
