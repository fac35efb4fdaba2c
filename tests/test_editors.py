"""What editors, systems and a user's own settings leave or say: none of it runs a stage again or reaches a result."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Project, clean_environment
from tests.finished import DATA, MODEL

STRAYS = (
    "stages/.cli.py.swp", "stages/ground/.cli.py.swo", "stages/ground/cli.py~", "stages/#cli.py#", "stages/cli.py.orig",
    "stages/cli.py.bak", "stages/.ipynb_checkpoints/cli-checkpoint.py", "stages/ground/.DS_Store", "stages/cli.ipynb",
    "stages/__pycache__/cli.cpython-311.pyc", ".stages.part/cli.py", "data/.DS_Store",
)  # fmt: skip
GRAPH = """\
stages:
  a:
    cmd: echo 1 > out
    deps: [stages, data]
    outs: [out]
"""


def test_files_of_editors_and_systems_run_nothing_again(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / ".dvcignore").write_bytes((PROJECT / ".dvcignore").read_bytes())
    for name in ("stages/ground/cli.py", "data/cats.part/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    assert project.repro() == ["a"]
    for name in STRAYS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("left")
    (tmp_path / "stages/.#cli.py").symlink_to("someone@somewhere.1234:1")  # Emacs' lock: a link to nowhere
    assert project.repro() == []
    (tmp_path / "data/cats.part/2.png").write_text("2")
    assert project.repro() == ["a"]
    (tmp_path / "stages/ground/cli.py").write_text("2")
    assert project.repro() == ["a"]


def test_lines_end_the_same_whatever_git_is_told(tmp_path: Path) -> None:
    command = [
        "git",
        "clone",
        "--quiet",
        "--config",
        "core.autocrlf=true",
        "--config",
        "core.eol=crlf",
        PROJECT,
        "clone",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    files = [*(tmp_path / "clone/stages").rglob("*.py"), tmp_path / "clone/dvc.yaml", tmp_path / "clone/params.yaml"]
    files += (tmp_path / "clone/data/manifests").iterdir()
    assert len(files) > 20
    assert [path for path in files if b"\r" in path.read_bytes()] == []


def draw(folder: Path, python: Path | str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "stages.draw", MODEL, DATA],
        cwd=folder, env=clean_environment() | environment, text=True, capture_output=True,
    )  # fmt: skip


def figures(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "plots").rglob("*.png"))}


def test_a_users_settings_of_matplotlib_reach_no_figure(finished_project: Path) -> None:
    before = figures(finished_project)
    mine = ("text.usetex: True", "font.size: 30", "savefig.dpi: 30", "axes.facecolor: red", "font.family: serif")
    (finished_project / "matplotlibrc").write_text("\n".join(mine))
    done = draw(finished_project, MPLBACKEND="svg", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(before) == 8
    assert figures(finished_project) == before


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has none of the packages."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin/python"


def test_another_python_goes_on_with_that_of_the_environment(finished_project: Path, bare: Path) -> None:
    """As DVC, called as .venv/bin/dvc, runs the stages with the Python that comes first."""
    done = draw(finished_project, bare)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {bare} lacks what this project needs: `make env` puts it into .venv, ")
    assert done.stderr.count("\n") == 1
    (finished_project / ".venv").symlink_to(Path(sys.prefix))
    done = draw(finished_project, bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"plots/{MODEL}/{DATA}-figures: figures of frozen" in done.stdout


def test_so_it_does_in_the_copies_that_dvc_works_in(finished_project: Path, bare: Path) -> None:
    copy = finished_project / ".dvc/tmp/exps/standalone/copy"
    for name in ("stages", "metrics", "plots", "tables"):
        shutil.copytree(finished_project / name, copy / name)
    shutil.copyfile(finished_project / "params.yaml", copy / "params.yaml")
    (finished_project / ".venv").symlink_to(Path(sys.prefix))
    assert draw(copy, bare).returncode == 0
