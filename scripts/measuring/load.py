"""How serve bears many at once, slow ones and bad ones: `python -m scripts.measuring.load MODEL PICTURE`.

Starts the server and prints, for docs/serving.md: the answers a second and the seconds to an answer of pictures that 50
clients send at a time, while one more drips its picture, byte after byte; what becomes of that one; and of a thousand
bad uploads, 50 at a time, how many got no answer or another status than they should, the server's memory before and
after them, and the files that are left open or lie in the folder for temporary ones. For Linux, which has /proc.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median, quantiles

from PIL import Image

from scripts.using.server import BODY_SECONDS, LIMIT
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError

CLIENTS = 50
ROUNDS = 20
BAD = 1000
SECONDS = 600  # to wait for an answer
FORM = "multipart/form-data; boundary=x"


@dataclass(frozen=True)
class Bad:
    """An upload that is to be refused, and how."""

    status: int
    body: bytes
    content_type: str = "application/octet-stream"
    path: str = "/predict"
    method: str = "POST"


@dataclass(frozen=True)
class Borne:
    answered: int
    lost: int  # requests without an answer
    wrong: list[str]  # answers of another status, or that are no JSON
    seconds: list[float]  # of each good picture
    wall: float  # seconds that these took together
    memory: tuple[float, float]  # MiB, when the server was warm, and after the bad uploads
    files_left: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.load", description=__doc__)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("picture", metavar="PICTURE", type=Path)
    arguments = parser.parse_args()
    with (
        one_line_errors(),
        tempfile.TemporaryDirectory() as temporary,
        served(arguments.model, temporary) as (address, pid),
        ThreadPoolExecutor(1) as thread,
    ):
        dripped = thread.submit(drip, address)
        of = load_test(address, pid, Path(temporary), arguments.picture.read_bytes(), ROUNDS, BAD)
        slowest = quantiles(of.seconds, n=100)[-1]
        print(f"{len(of.seconds)} pictures, {CLIENTS} at a time: {len(of.seconds) / of.wall:.1f} a second;"
              f" median {median(of.seconds):.2f} s, 99 % within {slowest:.2f} s")  # fmt: skip
        print(f"{BAD} bad uploads; of all requests {of.lost} without an answer, {len(of.wrong)} with a wrong one")
        print(*of.wrong[:5], sep="\n", end="\n" if of.wrong else "")
        print(
            f"memory: {of.memory[0]:.0f} MiB when warm, {of.memory[1]:.0f} MiB afterwards; files left: {of.files_left}"
        )
        status, after = dripped.result()
        print(f"a picture that came byte after byte: status {status} after {after:.0f} s")


@contextmanager
def served(model: str, temporary: str) -> Iterator[tuple[str, int]]:
    """Its address and its process, for as long as that is needed; its temporary files go to a folder of their own."""
    command = [sys.executable, "-m", "scripts.serve", model, "--port", "0"]
    environment = os.environ | {"TMPDIR": temporary}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            if not line:
                raise ProjectError(f"{model} cannot be served")
            yield line.split()[0].removeprefix("http://"), process.pid
        finally:
            process.kill()


def load_test(address: str, pid: int, temporary: Path, picture: bytes, rounds: int, bad: int) -> Borne:
    """`rounds` times CLIENTS pictures, then `bad` uploads, as many at a time.

    `address` is HOST:PORT, `temporary` the server's folder for temporary files. The server is warm when it has had each
    of them once, CLIENTS at a time.
    """
    kinds = bad_uploads(picture)
    good = Bad(200, picture)
    lost: list[Exception] = []
    wrong: list[str] = []
    seconds: list[float] = []

    def ask(upload: Bad) -> None:
        start = time.perf_counter()
        try:
            status, answer = send(address, upload)
            if upload is good:
                seconds.append(time.perf_counter() - start)
            if status != upload.status or ("class" if upload is good else "error") not in answer:
                wrong.append(f"{upload.method} {upload.path}: {status} in place of {upload.status}: {answer}"[:200])
        except (OSError, HTTPException, ValueError) as error:
            lost.append(error)

    with ThreadPoolExecutor(CLIENTS) as clients:
        warm = [*(CLIENTS * [good]), *(kinds[number % len(kinds)] for number in range(2 * CLIENTS))]
        list(clients.map(ask, warm))
        for of_warming in (lost, wrong, seconds):
            of_warming.clear()
        before, files, start = memory(pid), open_files(pid), time.perf_counter()
        list(clients.map(ask, rounds * CLIENTS * [good]))
        wall = time.perf_counter() - start
        list(clients.map(ask, (kinds[number % len(kinds)] for number in range(bad))))
    left = len(list(temporary.iterdir()))
    wait_until(lambda: open_files(pid) <= files)
    answered = rounds * CLIENTS + bad - len(lost)
    after = (before, memory(pid))
    return Borne(answered, len(lost), wrong, seconds, wall, after, left + max(0, open_files(pid) - files))


def bad_uploads(picture: bytes) -> list[Bad]:
    large, form = io.BytesIO(), b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    Image.new("1", (20000, 20000)).save(large, "PNG")  # small to send, and large to decode
    return [
        Bad(415, b"no picture"),
        Bad(415, b""),
        Bad(415, picture[: len(picture) // 2], "image/jpeg"),
        Bad(415, b"%PDF-1.7", "image/png"),
        Bad(415, large.getvalue(), "image/png"),
        Bad(413, bytes(LIMIT + 1)),
        Bad(415, form + b"no picture\r\n--x--\r\n", FORM),
        Bad(415, form + picture[: len(picture) // 2] + b"\r\n--x--\r\n", FORM),
        Bad(400, b"no form", FORM),
        Bad(400, form[:20], FORM),
        Bad(404, picture, path="/nothing"),
        Bad(405, picture, method="PUT"),
    ]


def send(address: str, upload: Bad) -> tuple[int, dict[str, object]]:
    with closing(HTTPConnection(address, timeout=SECONDS)) as connection:
        connection.request(upload.method, upload.path, upload.body, {"Content-Type": upload.content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def drip(address: str) -> tuple[int, float]:
    """The status that a client gets which sends a byte each half second, and after how many seconds."""
    start, answered = time.perf_counter(), threading.Event()
    with closing(HTTPConnection(address, timeout=SECONDS)) as connection, ThreadPoolExecutor(1) as thread:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()

        def send_on() -> None:
            while not answered.wait(0.5) and time.perf_counter() - start < 4 * BODY_SECONDS:
                connection.send(b"x")

        thread.submit(send_on)
        status = connection.getresponse().status
        answered.set()
        return status, time.perf_counter() - start


def memory(pid: int) -> float:
    """MiB that the process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Connections close a moment after their last answer."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
