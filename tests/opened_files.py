"""Which files this process reads, by Python's audit events."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

opened: list[str] | None = None  # while recording: every file opened for reading, every folder listed


def record(event: str, arguments: tuple) -> None:
    if opened is None or not arguments or not isinstance(arguments[0], str | os.PathLike):
        return
    reads = event in ("os.scandir", "os.listdir") or (event == "open" and "r" in (arguments[1] or "r"))
    if reads:
        opened.append(os.path.relpath(arguments[0]))


sys.addaudithook(record)  # cannot be taken away again: `opened` switches it


@contextmanager
def recording() -> Iterator[list[str]]:
    global opened
    opened = []
    try:
        yield opened
    finally:
        opened = None
