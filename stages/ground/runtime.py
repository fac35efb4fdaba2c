"""How the work is done: the section runtime of params.yaml. No stage declares it, since it changes no result."""

from typing import Annotated, Literal

from pydantic import Field

from stages.ground.params import Positive, Strict, load_section


class Runtime(Strict):
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    workers: Annotated[int, Field(ge=1)] = 2
    image_cache_mib: Annotated[int, Field(ge=0)] = 4096
    progress: bool = True
    unpack_limit_gib: Positive = 10


def load_runtime() -> Runtime:
    runtime: Runtime = load_section("runtime", Runtime, default=Runtime())
    return runtime
