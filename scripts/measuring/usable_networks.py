"""How many of timm's networks can be used, and why the others cannot: `python -m scripts.measuring.usable_networks`.

Every twelfth of those that timm has weights of, by name, as `python -m scripts.add --model` looks at it, but for the
ONNX graph: nothing is computed, and nothing fetched.
"""

import timm

from scripts.adding.network import BATCH, said_by_timm
from stages.ground.errors import ProjectError
from stages.networks.names import OF_TIMM
from stages.networks.network import check_takes

EVERY = 12


def main() -> None:
    names, refused = sorted(timm.list_pretrained())[::EVERY], 0
    for name in names:
        try:
            check_takes(f"{OF_TIMM}{name}", BATCH, said_by_timm(f"{OF_TIMM}{name}").crop, name)
        except ProjectError as error:
            refused += 1
            print(error, flush=True)
    print(f"{len(names) - refused} of {len(names)} can be used")


if __name__ == "__main__":
    main()
