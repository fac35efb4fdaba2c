"""Runs stages and scripts from the command line: names in, errors out as one line on stderr."""

import argparse
import inspect
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from stages.ground import paths
from stages.ground.errors import ProjectError, UnreachableError

# scripts/repro.py names a file here to hear why a stage failed, a line of JSON for each: DVC says only that it did.
ERRORS_FILE = "REPRO_ERRORS_FILE"
PARENT_CHECK_SECONDS = 0.5
OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory")  # as torch says it, of CUDA and of the CPU


def run(main: Callable[..., None], writes: Callable[[], bool] = lambda: True) -> None:
    """Call `main` with one command-line argument for each of its parameters, all strings.

    `writes`: whether this process writes, of several that run the same cell as one. They may share a folder; the one
    that writes has the cell's lock.

    Exit status: 0 done, 1 an error that the user can mend, 2 wrong arguments, 130 interrupted.
    """
    module = inspect.getmodule(main)
    name = module.__spec__.name if module and module.__spec__ else "stage"
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=inspect.getdoc(module),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for parameter in inspect.signature(main).parameters:
        parser.add_argument(parameter)
    arguments = vars(parser.parse_args())
    if "DVC_ROOT" in os.environ:  # set by DVC for its stages
        threading.Thread(target=end_with_parent, daemon=True).start()
    stage, key = name.rpartition(".")[2], "-".join(arguments.values())
    with (
        one_line_errors(f"{stage}@{key}"),
        _only_one(f"{stage}-{key}") if writes() else nullcontext(),
    ):
        from stages.settings import load_params  # not at the top: it can only refuse, so that no stage depends on it

        load_params()
        main(**arguments)


@contextmanager
def one_line_errors(stage: str = "") -> Iterator[None]:
    """End the program with status 1 and one line on stderr for an error that the user can mend, 130 at Ctrl-C.

    `stage` is the name that DVC gives to what is running.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # see stages/__init__.py
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except (ProjectError, OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not OUT_OF_MEMORY.search(str(error)):
            raise
        line = " ".join(str(error).split())
        if isinstance(error, MemoryError | RuntimeError):
            line = f"out of memory: a smaller batch_size in params.yaml needs less ({line})"
        print(f"error: {line}", file=sys.stderr)
        if os.environ.get(ERRORS_FILE):
            record = {"stage": stage, "reason": line, "unreachable": isinstance(error, UnreachableError)}
            with Path(os.environ[ERRORS_FILE]).open("a", encoding="utf-8") as file:
                print(json.dumps(record), file=file)
        sys.exit(1)


def end_at_ctrl_c() -> None:
    """From now on Ctrl-C ends the program at once, whatever it is doing: torch, while it is imported, swallows
    exceptions. Only for times when there is nothing to clean up."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


@contextmanager
def importing_torch() -> Iterator[None]:
    """Meanwhile Ctrl-C ends the program at once; see end_at_ctrl_c. Afterwards it is an exception again."""
    end_at_ctrl_c()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with_parent() -> None:
    """A stage whose DVC was killed would go on, and write its outputs while the next `dvc repro` does the same."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


@contextmanager
def _only_one(cell: str) -> Iterator[None]:
    """Refuse a second run of the same cell. The lock goes with its process, however that ends."""
    lock = FileLock(paths.SCRATCH / "locks" / f"{cell.replace(os.sep, '_')}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=4 * PARENT_CHECK_SECONDS)
    except Timeout as error:
        raise ProjectError(f"{cell} is running already: wait for that run to end, or end it") from error
    try:
        yield
    finally:
        lock.release()
