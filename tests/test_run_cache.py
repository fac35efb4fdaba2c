"""DVC's run cache: what has run once, here or at a colleague's, is not run again."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import MODEL, Project

TARGET = f"draw@{MODEL}-shapes"


@pytest.fixture
def project(small_project: Project) -> Iterator[Project]:
    """The small project after its first run; what a test changes is taken back."""
    yield small_project
    small_project.run("git", "checkout", "-q", ".")
    small_project.run("git", "clean", "-fdq")
    small_project.run("dvc", "checkout", "-q", "--force")


def learning_rate(rate: float) -> Callable[[dict], None]:
    return lambda params: params["variants"]["frozen"].update(lr=rate)


def results(project: Project) -> dict[str, bytes]:
    return project.files("metrics", "plots", "models")


def test_settings_that_have_run_run_no_more_here_or_where_the_cache_goes(project: Project, tmp_path: Path) -> None:
    before = results(project)
    project.edit_params(learning_rate(0.05))
    assert f"train@{MODEL}-shapes-frozen" in project.repro(TARGET)
    after = results(project)
    assert after != before
    project.edit_params(learning_rate(0.003))
    assert project.repro(TARGET) == []
    assert results(project) == before

    store = tmp_path / "store"  # as a cache that several share, and as a remote
    shutil.copytree(project.folder / ".dvc/cache", store)
    sharing, pulling = (Project(tmp_path / name) for name in ("sharing", "pulling"))
    for clone in (sharing, pulling):
        project.run("git", "clone", "-q", ".", str(clone.folder))
    sharing.run("dvc", "cache", "dir", "--local", str(store))
    sharing.run("dvc", "checkout", "-q")
    pulling.run("dvc", "remote", "add", "--local", "--default", "store", str(store))
    pulling.run("dvc", "pull", "-q", "--run-cache")
    for clone, options in ((sharing, []), (pulling, ["--pull"])):
        clone.edit_params(learning_rate(0.05))
        assert clone.repro(*options, TARGET) == []
        assert results(clone) == after
