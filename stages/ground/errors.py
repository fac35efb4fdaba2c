"""Exceptions that mean "the user can mend this", and what their lines are made of."""

from collections import defaultdict
from collections.abc import Sequence

SHOWN = 5  # of the places where a problem is found: a line is to be read


class ProjectError(Exception):
    """One line for the user: what was expected, what came, and how to mend it."""


class DivergedError(ProjectError):
    """A training's loss is no longer finite: its settings do not suit it."""


class UnreachableError(ProjectError):
    """No place that would have a file can be reached from this machine; from another one it may be."""


def some(items: Sequence[object], most: int = SHOWN) -> str:
    """The first of `items`, and how many more there are."""
    shown = ", ".join(map(str, items[:most]))
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


class Problems:
    """Gathers all that is wrong, to say it at once: each problem with its places."""

    def __init__(self) -> None:
        self._places: defaultdict[str, list[str]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._places)

    def __str__(self) -> str:
        return "; ".join(f"{problem} ({len(places)}): {some(places)}" for problem, places in self._places.items())

    def add(self, problem: str, place: str) -> None:
        self._places[problem].append(place)

    def raise_any(self, of: object) -> None:
        if self:
            raise ProjectError(f"{of}: {self}")
