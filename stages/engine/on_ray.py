"""Tasks on a Ray cluster, which has them run again where their process or machine was lost.

Imported with runtime.engine: ray alone; docs/scale.md says why Ray, and why no more of it than its tasks.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from stages.ground.errors import ProjectError
from stages.ground.params import PARAMS_FILE
from stages.ground.runtime import Runtime

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # as it is; unset, Ray warns that it will change
try:
    import ray
except ImportError as error:
    raise ProjectError(
        f"{PARAMS_FILE}: runtime.engine: ray needs a package that is not installed: make env EXTRAS=ray"
    ) from error

PROJECT = Path(__file__).parents[2]
SHIPPED = {  # stages/ alone, in the words of a .gitignore
    "working_dir": str(PROJECT),
    "excludes": ["/*", "!.", "!/stages", "__pycache__"],
}
CONNECT_SECONDS = 10
RETRIES = 10  # of what was lost; a picture that ends whatever opens it is to end the stage as well, with a line

_copies: dict[str, Callable[..., Any]] = {}  # in a worker: the one that it works with


def results(
    do: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], runtime: Runtime, gpu: bool
) -> Iterator[tuple[int, Any]]:
    """See stages/engine/tasks.py. A task takes runtime.workers processors."""
    with _connected(runtime.address):
        gpus = int(gpu and runtime.device == "cuda")
        _check_fits(runtime.workers, gpus)
        task = ray.remote(num_cpus=runtime.workers, num_gpus=gpus, max_retries=RETRIES, max_calls=0)(_done)
        sent, folder, left = ray.put(do), str(Path.cwd()), enumerate(arguments)
        waiting: dict[Any, int] = {}
        while True:
            for number, given in islice(left, _at_once(runtime.workers) - len(waiting)):
                waiting[task.remote([sent], folder, given)] = number
            if not waiting:
                return
            [ended], _ = ray.wait(list(waiting))
            yield waiting.pop(ended), _result(ended)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    of_this_machine: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        if ":" in address:  # Ray itself would wait without end
            host, port = address.rsplit(":", 1)
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address or "local", logging_level="ERROR", log_to_driver=False, runtime_env=SHIPPED, **of_this_machine)
    except (OSError, RuntimeError) as error:
        where = f"at {address}" if address != "auto" else "that this machine is in"
        raise ProjectError(f"{PARAMS_FILE}: runtime.address: no Ray cluster {where} can be used: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_fits(processors: int, gpus: int) -> None:
    """Ray itself would wait without end for a node that such a task fits on."""
    nodes = [of["Resources"] for of in ray.nodes() if of["Alive"]]
    if not any(of.get("CPU", 0) >= processors and of.get("GPU", 0) >= gpus for of in nodes):
        most = int(max((of.get("CPU", 0) for of in nodes), default=0))
        also, too = (", and runtime.device cuda", " and a GPU") if gpus else ("", "")
        raise ProjectError(
            f"{PARAMS_FILE}: runtime.workers is {processors}{also}: no node of the Ray cluster has so many"
            f" processors{too} for a task; the most that one has is {most}"
        )


def _at_once(processors: int) -> int:
    """Tasks that are submitted: twice what the cluster has room for, so that one that can grow does."""
    return 2 * max(1, int(ray.cluster_resources().get("CPU", 0)) // processors)


def _done(sent: list[Any], folder: str, given: tuple[Any, ...]) -> Any:
    """In a worker."""
    try:
        os.chdir(folder)
        if sent[0].hex() not in _copies:
            _copies.clear()
            _copies[sent[0].hex()] = ray.get(sent[0])
        return _copies[sent[0].hex()](*given)
    except OSError as error:
        raise ProjectError(
            f"on the node {socket.gethostname()}: {error}; all nodes are to see {folder} under this path, with all that"
            " its links lead to"
        ) from error


def _result(ended: Any) -> Any:
    try:
        return ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        said = next(iter(str(error).splitlines()), "")
        tries = f"{RETRIES} more tries, where its process or node was lost"
        raise ProjectError(f"Ray gave up on a part of the work (after {tries}): {said}") from error
