"""Print what is installed as the lines of a lock file, without those of the files that are named; run by `make lock`,
in an environment of its own.

torch pins its CUDA packages itself, and only where there are any: they are left out.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

HEADER = (
    "# Made by `make lock` out of pyproject.toml: `make env` installs from requirements.lock, `make dev` from"
    " requirements-dev.lock, too."
)
TORCH = (
    'torch==2.14.1; platform_machine == "x86_64"',
    'torch==2.9.1; platform_machine != "x86_64"',
    'torchvision==0.29.1; platform_machine == "x86_64"',
    'torchvision==0.24.1; platform_machine != "x86_64"',
)
LEFT_OUT = ("cuda-", "nvidia-", "triton", "torch", "pip", "frozen-or-not")

if __name__ == "__main__":
    there = {line for path in sys.argv[1:] for line in Path(path).read_text(encoding="utf-8").splitlines()}
    pins = sorted(f"{found.metadata['Name'].lower().replace('_', '-')}=={found.version}" for found in distributions())
    lines = [*TORCH, *(pin for pin in pins if not pin.startswith(LEFT_OUT))]
    print("\n".join([HEADER, *(line for line in lines if line not in there)]))
