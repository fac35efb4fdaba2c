"""Which of several processes this one is, on one machine or many, as torchrun and its like tell it: by torch's
variables in the environment."""

import os
from dataclasses import dataclass

from stages.ground.errors import ProjectError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Surroundings:
    """`size` processes train together, `local_size` of them on this machine; each number counts from 0."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def surroundings() -> Surroundings | None:
    """None where this process is alone: with neither RANK nor WORLD_SIZE, or the first of one.

    Raises:
        ProjectError: one of the variables is missing, or is not such a number.
    """
    if (os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")) == ("0", "1"):
        return None
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        raise ProjectError(
            f"{missing[0]} is not set in the environment: several processes train together by {', '.join(NEEDED)}"
            " (docs/scale.md); one alone, without RANK and WORLD_SIZE"
        )
    size = _number("WORLD_SIZE", 1)
    local_size = _number("LOCAL_WORLD_SIZE", 1, size, "1")
    rank, local_rank = _number("RANK", 0, size - 1), _number("LOCAL_RANK", 0, local_size - 1, "0")
    _number("MASTER_PORT", 1, 65535)
    return Surroundings(rank, size, local_rank, local_size)


def is_first() -> bool:
    """Whether this process is alone, or the one of several that reports and writes."""
    around = surroundings()
    return around is None or around.rank == 0


def _number(name: str, least: int, most: int | None = None, default: str = "") -> int:
    text = os.environ.get(name) or default
    if text.isdecimal() and least <= int(text) and (most is None or int(text) <= most):
        return int(text)
    upwards = "or more" if most is None else f"to {most}"
    raise ProjectError(f"{name} is {text!r} in the environment; expected a whole number, {least} {upwards}")
