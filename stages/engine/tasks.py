"""The same done with many arguments, here or on the machines of a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from stages.ground.runtime import Runtime

Result = TypeVar("Result")


def results(
    do: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], runtime: Runtime, gpu: bool = False
) -> Iterator[tuple[int, Result]]:
    """Yield (number, do(*arguments[number])), here in their order and on Ray as they end.

    Args:
        do: depends on its arguments and on files alone; it may run more than once. Ray gives each process a copy, which
            lasts as long as the process: what it makes once and keeps serves all that comes after.
        gpu: whether each needs a GPU of its own, where runtime.device is cuda.

    Raises:
        ProjectError: `do` did, the cluster does not answer, or the same argument's process was lost again and again.
    """
    if runtime.engine == "local":
        return ((number, do(*given)) for number, given in enumerate(arguments))
    from stages.engine import on_ray

    return on_ray.results(do, arguments, runtime, gpu)
