"""Every command that README.md and docs/ show: what runs it (tests/commands.py), and that it can be called so.

What can be looked at without running is looked at here: that the targets of `make` are there and take the variables,
and that the parsers of DVC and of this project's scripts accept the arguments.
"""

import argparse
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.cli import parse_args

from tests.commands import NOT_RUN, RUN, begins, commands
from tests.conftest import PROJECT
from tests.test_guide import GUIDES

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))))


def test_every_command_runs_in_a_test_or_says_why_not() -> None:
    assert len(COMMANDS) > 30
    unknown = [command for command in COMMANDS if len(begins(command, RUN | NOT_RUN)) != 1]
    assert unknown == [], "put it into RUN or NOT_RUN of tests/commands.py"
    unused = [start for start in RUN | NOT_RUN if not any(begins(command, {start: ""}) for command in COMMANDS)]
    assert unused == []
    of_guides = [command for text, _ in GUIDES.values() for command in commands(text)]
    for start, test in RUN.items():
        if test == "test_guide.py":
            assert any(begins(command, {start: test}) for command in of_guides), f"no guide has {start}"
        else:
            named = [
                start.split()[-1].rpartition(".")[2],
                *(f"docs/{page.name}" for page in PAGES if shows(page, start)),
            ]
            text = (PROJECT / "tests" / test).read_text(encoding="utf-8")
            assert any(name in text for name in named), f"{test} runs no {start}, nor what a page shows"


def shows(page: Path, start: str) -> bool:
    return any(begins(command, {start: ""}) for command in commands(page.read_text(encoding="utf-8")))


class AcceptedError(Exception):
    """Raised in place of going on after the arguments were read."""


@pytest.fixture
def only_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    read = argparse.ArgumentParser.parse_args

    def parsed(self: argparse.ArgumentParser, *arguments: object, **named: object) -> None:
        read(self, *arguments, **named)
        raise AcceptedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)


def scripts_of(command: str) -> list[list[str]]:
    """The words of each `python -m` that a command comes to, after those two."""
    if command.startswith("make "):
        variables = dict(word.split("=", 1) for word in shlex.split(command) if "=" in word)
        done = made(command)
        assert done.returncode == 0, done.stderr
        lines = re.sub(r"\s*\\\n\s*", " ", done.stdout).splitlines()  # those that go on in the next are one
        command_lines = [re.sub(r"\$(\w+)", lambda found: variables[found[1]], line) for line in lines]
    else:
        command_lines = [command]
    return [shlex.split(line)[2:] for line in command_lines if line.startswith("python -m ")]


def made(command: str) -> "subprocess.CompletedProcess[str]":
    """What make would run."""
    dry = [*shlex.split(command), "--dry-run", "--no-print-directory", "--assume-old=.venv/installed"]
    return subprocess.run(dry, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [command for command in COMMANDS if scripts_of(command)])
def test_a_script_takes_the_arguments(
    command: str, only_parsing: None, monkeypatch: pytest.MonkeyPatch, in_folder: Path
) -> None:
    for module, *arguments in scripts_of(command):
        file = PROJECT / Path(*module.split(".")).with_suffix(".py")
        if module == "pytest":
            continue
        if "parse_args" not in file.read_text(encoding="utf-8"):
            assert arguments == [] or module == "scripts.predict", f"{module} takes no arguments"
            continue
        monkeypatch.setattr(sys, "argv", [str(file), *arguments])
        with pytest.raises(AcceptedError):
            runpy.run_path(str(file), run_name="__main__")


@pytest.mark.parametrize("command", [command for command in COMMANDS if re.match(r"make .*=", command)])
def test_make_heeds_each_variable(command: str) -> None:
    *others, variable = shlex.split(command)
    assert made(command).stdout != made(shlex.join(others)).stdout, f"nothing heeds {variable}"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("dvc ")])
def test_dvc_takes_the_arguments_and_the_stages_are_there(command: str) -> None:
    arguments = parse_args(shlex.split(command)[1:])
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    for target in getattr(arguments, "targets", None) or []:
        stage, _, cell = target.partition("@")
        assert len(cell.split("-")) == len(stages[stage]["matrix"]), target
