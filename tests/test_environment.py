"""The environment: torch without CUDA's libraries, and all of it without make and without a shell."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Project, clean_environment

LOCK = """\
torch==2.14.1; platform_machine == "x86_64" or platform_machine != "x86_64"
torchvision==0.29.1
other==1.0
"""
GUIDE = (PROJECT / "docs/tools.md").read_text(encoding="utf-8")
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """A package of nothing, in a folder of its name."""
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        info = f"{name}-{version}.dist-info"
        file.writestr(f"{info}/METADATA", about)
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, server: Callable[[Path], str]) -> str:
    """The address of one that stands in for PyPI, whose torch needs CUDA, in pypi/; and of another, in cpu/."""
    for name, version in (("torch", "2.14.1"), ("torchvision", "0.29.1")):
        wheel(tmp_path / "index/pypi", name, version, needs="cuda")
        wheel(tmp_path / "index/cpu", name, f"{version}+cpu")
    wheel(tmp_path / "index/pypi", "other", "1.0")
    wheel(tmp_path / "index/pypi", "other", "2.0")
    wheel(tmp_path / "index/pypi", "cuda", "13.0")
    wheel(tmp_path / "index/pypi", "tester", "1.0", needs="other")
    return server(tmp_path / "index")


def make_env(tmp_path: Path, index: str, *arguments: str, target: str = "env") -> tuple[int, str, list[str]]:
    """The exit status, what was said, and what is installed."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copyfile(PROJECT / "Makefile", folder / "Makefile")
    (folder / "requirements.lock").write_text(LOCK)
    (folder / "requirements-dev.lock").write_text("tester==1.0\n")
    surroundings = {
        "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{index}/pypi", "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1",
    }  # fmt: skip
    kept = {name: value for name, value in clean_environment().items() if not name.startswith(("PIP_", "MAKE", "CPU"))}
    done = subprocess.run(
        ["make", target, f"PYTHON={sys.executable}", *arguments], cwd=folder, env=kept | surroundings, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    found = (folder / ".venv").rglob("*.dist-info")
    installed = sorted(
        path.name.removesuffix(".dist-info") for path in found if not path.name.startswith(("pip-", "set"))
    )
    assert (folder / ".venv/installed").is_file() == (done.returncode == 0)
    return done.returncode, done.stdout, installed


CPU_ONLY = ["other-1.0", "torch-2.14.1+cpu", "torchvision-0.29.1+cpu"]


def test_cpu_takes_torch_from_its_index_and_the_rest_as_ever(tmp_path: Path, index: str) -> None:
    status, said, installed = make_env(tmp_path, index, "CPU=1", f"CPU_FROM=--index-url {index}/cpu")
    assert (status, installed) == (0, CPU_ONLY), said


def test_cpu_takes_torch_from_a_folder_of_wheels(tmp_path: Path, index: str) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for file in (tmp_path / "index/cpu").rglob("*.whl"):
        shutil.copyfile(file, wheels / file.name)
    status, said, installed = make_env(tmp_path, index, "CPU=1", f"CPU_FROM=--no-index --find-links {wheels}")
    assert (status, installed) == (0, CPU_ONLY), said


def test_without_it_torch_comes_with_cuda(tmp_path: Path, index: str) -> None:
    status, said, installed = make_env(tmp_path, index, "CPU=0")
    assert (status, installed) == (0, ["cuda-13.0", "other-1.0", "torch-2.14.1", "torchvision-0.29.1"]), said


def test_what_tests_need_comes_beside_it_where_it_is_asked_for(tmp_path: Path, index: str) -> None:
    status, said, installed = make_env(tmp_path, index, "CPU=1", f"CPU_FROM=--index-url {index}/cpu", target="dev")
    assert (status, installed) == (0, sorted([*CPU_ONLY, "tester-1.0"])), said
    assert (tmp_path / "project/.venv/dev-installed").is_file()


def test_an_index_out_of_reach_is_said_and_nothing_with_cuda_is_taken(tmp_path: Path, index: str) -> None:
    status, said, installed = make_env(tmp_path, index, "CPU=1", "CPU_FROM=--index-url http://127.0.0.1:1")
    assert (status, installed) == (2, [])
    assert (
        "\nmake: torch's CPU build is not to be had there: fetch its wheels elsewhere, and name their folder: " in said
    )


def test_the_index_is_pytorchs_own_unless_another_is_named() -> None:
    assert "CPU_FROM ?= --index-url https://download.pytorch.org/whl/cpu\n" in MAKEFILE


def test_the_guide_has_a_command_for_each_target_of_make() -> None:
    table = dict(re.findall(r"^\| `make ([\w-]+).*?` \| `(.*?)`", GUIDE, re.MULTILINE))
    recipes = dict(re.findall(r"^([\w-]+):.*##.*\n(?:\t\$\(if \$\(MODEL\).*\n)?\t@?(.*)", MAKEFILE, re.MULTILINE))
    own = {"help", "env", "clean", "lock", "format", "bench", "bench-audit", "bench-none", "bench-scale"}
    assert table.keys() == recipes.keys() - own
    for target, command in table.items():
        assert command.split()[:3] == recipes[target].split()[:3]


def test_no_code_asks_for_a_shell_or_for_make() -> None:
    for path in [*(PROJECT / "scripts").rglob("*.py"), *(PROJECT / "stages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List | ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Constant):
                assert node.elts[0].value not in ("sh", "bash", "make"), path
            assert not (isinstance(node, ast.keyword) and node.arg == "shell"), path
            assert not (isinstance(node, ast.Attribute) and node.attr in ("system", "popen")), path


def test_the_graph_runs_where_there_is_neither_make_nor_bash(
    small_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC itself takes /bin/sh, or cmd.exe on Windows: what it is given is a program and its arguments."""
    git = shutil.which("git")
    assert git
    (tmp_path / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SHELL", raising=False)
    ran = small_project.run("dvc", "repro", "--force", "--single-item", "download@shapes")
    assert "Running stage 'download@shapes'" in ran
    assert "done         mobilenet_v2 on shapes" in small_project.run("python", "-m", "scripts.repro")
    assert small_project.run("git", "status", "--porcelain") == ""
