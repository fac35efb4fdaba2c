"""Do by hand what Dockerfile says, where no container tool is: `python -m scripts.measuring.container MODEL PICTURE`.

Builds its environment and copies its files into a folder that is deleted afterwards, starts its command there, asks
/health by its own health check and /predict for PICTURE, and prints the sizes for docs/serving.md. pip needs its
registry. User and base image are not tried.
"""

import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

import requests

from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError

DOCKERFILE = Path("Dockerfile")
PORT = "8000"  # that it serves at
MB = 1e6
SECONDS = 120  # to be ready in


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.container", description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("picture", metavar="PICTURE", type=Path)
    arguments = parser.parse_args()
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        build_and_ask(Path(folder), arguments.model.resolve(), arguments.picture)


def build_and_ask(folder: Path, model: Path, picture: Path) -> None:
    told, environment, app = instructions(DOCKERFILE.read_text(encoding="utf-8")), folder / "venv", folder / "app"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
    copy(told, app)
    [command] = [of for name, of in told if name == "RUN"]
    before = size(environment)
    subprocess.run([python, "-m", *shlex.split(command)], cwd=app, check=True)
    print(f"packages: {(size(environment) - before) / MB:.0f} MB; code: {size(app) / MB:.1f} MB")
    free, start = str(free_port()), time.perf_counter()
    with subprocess.Popen([*command_of(told, python), str(model), "--port", free], cwd=app) as server:
        try:
            check = [part.replace(PORT, free) for part in (python, *health_check(told)[1:])]
            while subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
                if server.poll() is not None or time.perf_counter() - start > SECONDS:
                    raise ProjectError(f"{DOCKERFILE}: what it starts is not healthy")
            print(f"healthy after {time.perf_counter() - start:.1f} s")
            answer = requests.post(f"http://localhost:{free}/predict", data=picture.read_bytes(), timeout=SECONDS)
            print(answer.text)
            answer.raise_for_status()
        finally:
            server.terminate()


def instructions(text: str) -> list[tuple[str, str]]:
    """Its lines as name and rest, without comments."""
    lines = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(name, rest) for name, _, rest in lines]


def copy(told: Sequence[tuple[str, str]], app: Path) -> None:
    """What COPY names, but for compiled Python, which .dockerignore keeps out."""
    app.mkdir()
    for name, rest in told:
        for source in rest.split()[:-1] if name == "COPY" else ():
            if Path(source).is_dir():
                shutil.copytree(source, app / source, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, app)


def command_of(told: Sequence[tuple[str, str]], python: str) -> list[str]:
    """ENTRYPOINT, with this Python."""
    return [python, *json.loads(dict(told)["ENTRYPOINT"])[1:]]


def health_check(told: Sequence[tuple[str, str]]) -> list[str]:
    found: list[str] = json.loads(dict(told)["HEALTHCHECK"].partition("CMD ")[2])
    return found


def size(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not os.path.isdir(file))  # noqa: PTH112


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
