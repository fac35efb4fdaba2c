"""docs/experiments.md: every command of it runs, in the small project."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MODEL, PROJECT, Project, clean_environment

GUIDE = (PROJECT / "docs/experiments.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_of_the_guide_runs(small_project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "a project"  # a copy, since experiments stay
    shutil.copytree(small_project.folder, folder)
    project = Project(folder)
    for name in ("Makefile", "requirements.lock"):
        shutil.copyfile(PROJECT / name, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv/installed").touch()  # make env has nothing to do
    project.commit()
    told = []
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        if command.startswith("make study"):
            project.edit_params(add_searched)
        done = subprocess.run(
            command.replace("sign_digits", "shapes"), shell=True, cwd=folder, env=clean_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}"
        told.append(done.stdout)
    text = "\n".join(told)
    assert "longer" in text
    assert "variants.frozen.epochs: 2 -> 40" in text
    assert f"{MODEL} on shapes: nothing can be said of searched and frozen yet" in text


def add_searched(params: dict) -> None:
    params["study"]["variants"]["searched"] = params["variants"]["frozen"] | {"epochs": 3}
