"""stages/ground/cli.py: how a stage is called and how it fails.

In:  a test looks for this text, as it stands here, in the help
Out: nothing
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stages.ground import cli
from stages.ground.cli import ERRORS_FILE, run
from stages.ground.errors import ProjectError, UnreachableError
from tests.conftest import PROJECT, clean_environment


@pytest.fixture(autouse=True)
def own_folder(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage reads params.yaml and keeps its lock in the folder that it runs in."""
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    for name in (ERRORS_FILE, "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


def call(monkeypatch: pytest.MonkeyPatch, main, *arguments: str) -> int:
    """The exit status of `run`, called from the command line; 0 if it returns."""
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    try:
        run(main)
    except SystemExit as stopped:
        return stopped.code
    return 0


def failing(error: BaseException):
    def main(dataset: str) -> None:
        raise error

    return main


def test_each_argument_arrives_under_its_name_and_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    received = []

    def main(model: str, dataset: str, variant: str) -> None:
        received.append((model, dataset, variant))

    assert call(monkeypatch, main, "resnet18", "7", "frozen") == 0
    assert received == [("resnet18", "7", "frozen")]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ProjectError("no images"), "no images"),
        (ProjectError("not YAML:\n  line 3\n    ^"), "not YAML: line 3 ^"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), "[Errno 2] No such file or directory: 'a.txt'"),
    ],
    ids=["the project's", "of several lines", "the system's"],
)
def test_an_error_is_one_line_on_stderr_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    assert call(monkeypatch, failing(error), "shapes") == 1
    assert capsys.readouterr() == ("", f"error: {line}\n")


def test_errors_are_added_to_the_file_that_asks_for_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ERRORS_FILE, str(tmp_path / "errors"))
    assert ERRORS_FILE == "REPRO_ERRORS_FILE"
    call(monkeypatch, failing(ProjectError("first,\nin two lines")), "shapes")
    call(monkeypatch, lambda dataset: None, "shapes")
    call(monkeypatch, failing(OSError("sécond")), "shapes")
    call(monkeypatch, failing(UnreachableError("no network")), "shapes")
    records = [json.loads(line) for line in (tmp_path / "errors").read_text(encoding="utf-8").splitlines()]
    assert [(record["reason"], record["unreachable"]) for record in records] == [
        ("first, in two lines", False),
        ("sécond", False),
        ("no network", True),
    ]
    assert {record["stage"] for record in records} == {"test_cli@shapes"}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
    ids=["python", "cpu", "cuda"],
)
def test_too_little_memory_is_one_line_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    assert call(monkeypatch, failing(error), "shapes") == 1
    assert capsys.readouterr().err.startswith("error: out of memory: a smaller batch_size in params.yaml needs less (")


def test_a_mistake_in_the_code_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ERRORS_FILE, str(tmp_path / "errors"))
    with pytest.raises(KeyError, match="oops"):
        call(monkeypatch, failing(KeyError("oops")), "shapes")
    assert not (tmp_path / "errors").exists()


def test_an_interruption_is_status_130_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(ERRORS_FILE, str(tmp_path / "errors"))
    assert call(monkeypatch, failing(KeyboardInterrupt()), "shapes") == 130
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "errors").exists()


def test_a_second_run_of_the_same_cell_is_refused_and_of_another_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "PARENT_CHECK_SECONDS", 0.01)
    lines = []

    def main(dataset: str, variant: str) -> None:
        lines.append(f"{dataset} {variant}")
        if len(lines) == 1:
            lines.append(call(monkeypatch, main, dataset, variant))
            lines.append(call(monkeypatch, main, dataset, "another"))

    assert call(monkeypatch, main, "shapes", "frozen") == 0
    assert lines == ["shapes frozen", 1, "shapes another", 0]
    assert capsys.readouterr().err == (
        "error: test_cli-shapes-frozen is running already: wait for that run to end, or end it\n"
    )


@pytest.mark.parametrize("error", [ProjectError("no images"), KeyboardInterrupt()], ids=["failed", "interrupted"])
def test_after_a_run_that_did_not_succeed_the_next_one_may_start(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    assert call(monkeypatch, failing(error), "shapes") != 0
    assert call(monkeypatch, lambda dataset: None, "shapes") == 0


CHILD = """
import time
from stages.ground.cli import run

def main(dataset):
    print("started", flush=True)
    time.sleep(20)
    print("went on", flush=True)

run(main)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], 'shapes'])"


def test_a_stage_ends_when_the_dvc_that_started_it_is_killed() -> None:
    environment = clean_environment() | {"PYTHONPATH": os.fspath(PROJECT), "DVC_ROOT": os.fspath(Path.cwd())}
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        killed = time.monotonic()
        assert parent.stdout.read() == ""  # up to the end of the child, which writes to the same pipe
    assert time.monotonic() - killed < 10


IMPORTING = """
import os, signal
from stages.ground.cli import end_at_ctrl_c, one_line_errors

with one_line_errors():
    end_at_ctrl_c()
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # as some imports have it
        pass
    print("went on")
"""


def test_ctrl_c_ends_a_program_that_swallows_exceptions() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT)},
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("arguments", [[], ["shapes", "more"], ["--dataset", "shapes"]], ids=["none", "two", "option"])
def test_wrong_arguments_are_status_2_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    done = []

    def main(dataset: str) -> None:
        done.append(dataset)

    assert call(monkeypatch, main, *arguments) == 2
    assert capsys.readouterr().err.startswith("usage: python -m tests.test_cli [-h] dataset\n")
    assert done == []


def test_help_is_the_modules_own_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, failing(ProjectError("done nothing")), "--help") == 0
    assert __doc__ is not None
    assert __doc__.strip() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["shapes"], 1, "error: [Errno 2] No such file or directory: 'params.yaml'\n"),
        ([], 2, "usage: python -m stages.arrange [-h] dataset\n"),
    ],
)
def test_a_stage_itself_fails_in_this_way(in_folder: Path, arguments: list[str], status: int, said: str) -> None:
    (in_folder / "params.yaml").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "stages.arrange", *arguments],
        env=clean_environment() | {"PYTHONPATH": os.fspath(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(said)


def test_a_wrong_value_anywhere_in_params_is_an_error_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_folder: Path
) -> None:
    params = in_folder / "params.yaml"
    params.write_text(params.read_text().replace("schedule: step", "schedule: stairs"))
    assert call(monkeypatch, lambda dataset: print("worked"), "shapes") == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "variants.frozen.schedule" in err
