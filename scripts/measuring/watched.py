"""Runs a command and watches what it takes: seconds, processor time and memory, over all processes that it starts."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.ground.errors import ProjectError

OFTEN = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Taken:
    seconds: float
    cpu_seconds: float
    resident: float  # MiB at most, with what is mapped from files
    anonymous: float  # MiB at most, of memory that no file stands for


def watched(command: Sequence[str], folder: Path) -> Taken:
    """
    Raises:
        ProjectError: it failed; with the last line of what it said.
    """
    start, before = time.perf_counter(), os.times()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        peaks, done = {"VmRSS": 0, "RssAnon": 0}, threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peaks, done))
        watch.start()
        said = process.communicate()[0].strip().splitlines()
        done.set()
        watch.join()
    after = os.times()
    if process.returncode:
        raise ProjectError(f"{' '.join(command)} failed: {said[-1] if said else process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(time.perf_counter() - start, cpu, *(peaks[name] / 1024 for name in ("VmRSS", "RssAnon")))


def _watch(pid: int, peaks: dict[str, int], done: threading.Event) -> None:
    while not done.wait(OFTEN):
        found = [_memory(of) for of in _with_children(pid)]
        for name in peaks:
            peaks[name] = max(peaks[name], sum(of.get(name, 0) for of in found))


def _with_children(pid: int) -> list[int]:
    pids = [pid]
    for of in pids:
        for tasks in Path(f"/proc/{of}/task").glob("*/children"):
            pids += map(int, _text(tasks).split())
    return pids


def _memory(pid: int) -> dict[str, int]:
    """KiB, by the system's names."""
    found = re.findall(r"^(VmRSS|RssAnon):\s+(\d+)", _text(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return {name: int(number) for name, number in found}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # it has ended meanwhile
        return ""
