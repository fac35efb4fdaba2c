"""One module a stage of dvc.yaml, of the stage's name: `python -m stages.train mobilenet_v2 ants_bees frozen`."""

import importlib.util
import os
import signal
import sys
from pathlib import Path

NEEDED = ("filelock", "onnxruntime", "pydantic", "safetensors")  # of all packages, those that few other Pythons have

# Since 1.29 onnxruntime's builds report to its makers what runs, and keep a number of this machine, unless they are
# told not to before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# As long as a stage is importing torch, Ctrl-C ends it at once and without a stack trace; stages/ground/cli.py
# takes over from there.
if sys.argv[0] == "-m":
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def use_environment() -> None:
    """Go on with the Python of .venv where this one lacks what the project needs: DVC, called as .venv/bin/dvc, runs
    the stages with whatever Python comes first."""
    if all(map(importlib.util.find_spec, NEEDED)):
        return
    places = (folder / ".venv" / place for folder in Path(__file__).parents for place in ("bin", "Scripts"))
    python = next((path / name for path in places for name in ("python", "python.exe") if (path / name).exists()), None)
    if python is None or Path(sys.prefix) == python.parent.parent:
        sys.exit(
            f"error: {sys.executable} lacks what this project needs: `make env` puts it into .venv, which `source"
            " .venv/bin/activate` activates"
        )
    sys.stdout.flush()
    os.execv(python, [str(python), *sys.orig_argv[1:]])


if sys.argv[0] == "-m":
    use_environment()
