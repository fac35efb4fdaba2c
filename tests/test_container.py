"""Dockerfile: what it copies and installs is enough to serve, and it holds no torch. No container tool is needed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.measuring.container import command_of, copy, free_port, health_check, instructions
from tests.conftest import PROJECT, clean_environment, wait_for
from tests.drawing import draw_picture
from tests.models import small_model

# Runs a module as if nothing were installed but a group of pyproject.toml, and what that needs.
ONLY = """
import re, runpy, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

def closure(names):
    found, left = set(), list(names)
    while left:
        name = normal(left.pop())
        if name not in found:
            try:
                needs = requires(name) or []
            except PackageNotFoundError:
                continue
            found.add(name)
            left += [re.match(r"[\\w.-]+", need)[0] for need in needs if "extra ==" not in need]
    return found

count = int(sys.argv[1])
there = closure(sys.argv[2 : 2 + count])
assert "torch" not in there and "matplotlib" not in there, there
missing = {
    module
    for module, distributions in packages_distributions().items()
    if not {normal(name) for name in distributions} & there
}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = sys.argv[2 + count :]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
TOLD = instructions((PROJECT / "Dockerfile").read_text(encoding="utf-8"))
GROUP = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["serve"]


def with_the_group_alone(command: list[str]) -> list[str]:
    return [sys.executable, "-c", ONLY, str(len(GROUP)), *GROUP, *command]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the image has in its folder."""
    monkeypatch.chdir(PROJECT)
    copy(TOLD, tmp_path / "app")
    return tmp_path / "app"


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_what_it_copies_and_installs_is_enough_to_serve(app: Path, tmp_path: Path, suffix: str) -> None:
    model, picture, port = small_model(tmp_path / "small.safetensors"), tmp_path / "a.png", str(free_port())
    if suffix == "onnx":
        subprocess.run([sys.executable, "-m", "scripts.export", model], cwd=PROJECT, check=True)
        model = model.with_suffix(".onnx")
    draw_picture(picture, "discs", 0)
    _, _, module, *arguments = command_of(TOLD, "python")
    command = with_the_group_alone([module, *arguments, str(model), "--port", port])
    with subprocess.Popen(command, cwd=app, env=clean_environment()) as server:
        try:
            check = [sys.executable, *(part.replace("8000", port) for part in health_check(TOLD)[1:])]
            wait_for(lambda: subprocess.run(check, stderr=subprocess.DEVNULL).returncode == 0 or server.poll())
            assert server.poll() is None
            predicted = with_the_group_alone(["scripts.predict", str(model), str(picture)])
            done = subprocess.run(predicted, cwd=app, env=clean_environment(), capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")
            asked = [f"http://localhost:{port}/predict?explain=true", "--data-binary", f"@{picture}"]
            said = subprocess.run(["curl", "-sS", *asked], capture_output=True, text=True, check=True).stdout
            assert f'"class":"{done.stdout.splitlines()[1].split(chr(9))[1]}"' in said
        finally:
            server.kill()


def test_it_runs_as_nobody_and_takes_no_more_than_it_copies() -> None:
    names = [name for name, _ in TOLD]
    assert names.index("USER") > names.index("RUN")
    assert dict(TOLD)["USER"] == "nobody"
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {source for name, rest in TOLD if name == "COPY" for source in rest.split()[:-1]}


def test_each_of_the_group_is_pinned() -> None:
    pins = {re.split("[=;]", line)[0] for line in (PROJECT / "requirements.lock").read_text().splitlines()}
    assert {name for name in GROUP if name not in pins} == set()
