"""How the work is done: the section runtime of params.yaml. No stage declares it, since it changes no result."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stages.ground.params import Positive, Strict, load_section


def _address(text: str) -> str:
    if not re.fullmatch(r"|auto|[^/]+:[0-9]{1,5}", text):
        raise ValueError(f"expected HOST:PORT of a Ray cluster, auto, or nothing; received {text!r}")
    return text


class Runtime(Strict):
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    workers: Annotated[int, Field(ge=1)] = 2
    image_cache_mib: Annotated[int, Field(ge=0)] = 4096
    progress: bool = True
    unpack_limit_gib: Positive = 10
    engine: Literal["local", "ray"] = "local"
    address: Annotated[str, AfterValidator(_address)] = ""


def load_runtime() -> Runtime:
    runtime: Runtime = load_section("runtime", Runtime, default=Runtime())
    return runtime
