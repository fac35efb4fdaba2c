"""The guides: every command of them runs, in the small project."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import NOT_RUN, begins, commands
from tests.conftest import MODEL, PROJECT, Project, clean_environment
from tests.drawing import draw_split

README = (PROJECT / "README.md").read_text(encoding="utf-8")
GUIDES = {  # and what is said on the way
    "docs/experiments.md": (
        (PROJECT / "docs/experiments.md").read_text(encoding="utf-8"),
        (
            "longer",
            "variants.frozen.epochs: 2 -> 40",
            f"{MODEL} on shapes: nothing can be said of searched and frozen yet",
        ),
    ),
    "docs/start.md": (
        (PROJECT / "docs/start.md").read_text(encoding="utf-8"),
        ("variants.frozen.lr: 0.003 -> 0.01", f"{MODEL} on flowers: nothing can be said", "photos/flowers/"),
    ),
    "README.md, Change something": (
        README[README.index("## Change something") : README.index("## Your own images")],
        ("variants.frozen.lr: 0.003 -> 0.01",),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_the_guide_runs(guide: str, small_project: Project, tmp_path: Path) -> None:
    text, expected = GUIDES[guide]
    folder = tmp_path / "a project"  # a copy, since experiments stay
    shutil.copytree(small_project.folder, folder)
    project = Project(folder)
    for name in ("Makefile", "requirements.lock"):
        shutil.copyfile(PROJECT / name, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv/installed").touch()  # make env has nothing to do
    project.commit()
    draw_split(tmp_path / "photos/flowers", 10, first=50)
    told = []
    run = [command for command in commands(text) if not begins(command, NOT_RUN)]
    assert len(run) >= 5
    for command in run:
        if command == "make study DATASET=sign_digits":
            project.edit_params(add_searched)
        for name, here in (("sign_digits", "shapes"), ("ants_bees", "shapes"), ("~", str(tmp_path))):
            command = command.replace(name, here)
        done = subprocess.run(
            command, shell=True, cwd=folder, env=clean_environment(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}"
        told.append(done.stdout)
    said = "\n".join(told)
    assert [part for part in expected if part not in said] == []


def add_searched(params: dict) -> None:
    params["study"]["variants"]["searched"] = params["variants"]["frozen"] | {"epochs": 3}
