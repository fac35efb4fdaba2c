"""Print what is installed as the lines of requirements.lock; run by `make lock`, in an environment of its own.

torch pins its CUDA packages itself, and only where there are any: they are left out.
"""

from importlib.metadata import distributions

HEADER = "# Made by `make lock` out of pyproject.toml; `make env` installs from it.\n"
TORCH = """\
torch==2.14.1; platform_machine == "x86_64"
torch==2.9.1; platform_machine != "x86_64"
torchvision==0.29.1; platform_machine == "x86_64"
torchvision==0.24.1; platform_machine != "x86_64"
"""
LEFT_OUT = ("cuda-", "nvidia-", "triton", "torch", "pip", "frozen-or-not")

if __name__ == "__main__":
    pins = sorted(f"{found.metadata['Name'].lower().replace('_', '-')}=={found.version}" for found in distributions())
    print(HEADER + TORCH + "\n".join(pin for pin in pins if not pin.startswith(LEFT_OUT)))
