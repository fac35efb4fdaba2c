"""Training in several processes, on one machine or many: torch's DistributedDataParallel between them.

Every process holds the whole network and computes its share of each batch; what they learn is averaged. Shares are
weighted by their size, and computed as parts of their batch (stages/training/together.py), so that the result is that
of one process but for rounding. The first process reads the checkpoint, reports and writes.

launch() starts the processes, on this machine. join() makes this process one of those that torchrun, SLURM or Ray
started. They may lie on machines that share no file system: what they train on is compared as they begin.
"""

import logging
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.rendezvous import rendezvous
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from stages.ground.cli import end_with_parent
from stages.ground.errors import ProjectError
from stages.training.surroundings import Surroundings

Made = TypeVar("Made")

# Until all have come: whoever starts machines by hand takes minutes, and a queue starts them all within seconds.
MEETING = timedelta(minutes=10)
# In which one waits for another in the middle of the work. To decode many images may take one machine that much longer
# than another; whether the other is still there is asked by the pulse, not by this.
WAITING = timedelta(minutes=60)
# A process that ends, however it does, closes its connections, and the others hear of it within PULSE seconds. A
# machine that loses its power or its network closes nothing: then, and where one stands still, they wait SILENCE.
PULSE = 2.0
SILENCE = timedelta(seconds=60)


@dataclass(frozen=True)
class Team:
    """The processes that train one network, which of them this one is, and how many are on this machine."""

    rank: int = 0
    size: int = 1
    local_size: int = 1

    def share(self, of: np.ndarray) -> np.ndarray:
        """This process's part of (n, …); the parts differ by one at most."""
        return np.array_split(of, self.size)[self.rank]

    def gathered(self, part: np.ndarray) -> np.ndarray:
        """The parts of all processes in their order, each (n, …): (N, …)"""
        parts = [part] * self.size
        if self.size > 1:
            dist.all_gather_object(parts, part)
        return np.concatenate(parts)

    def from_first(self, make: Callable[[], Made]) -> Made:
        """What `make` gives in the first process, in all of them."""
        if self.size == 1:
            return make()
        made: list[Any] = [None if self.rank else make()]
        dist.broadcast_object_list(made)
        return made[0]  # type: ignore[no-any-return]

    def check_alike(self, parts: Mapping[str, str]) -> None:
        """Compare what all processes must have alike, by its name: digests, or what else tells it.

        Raises:
            ProjectError: in all processes, where one of them has another than the first.
        """
        if self.size == 1:
            return
        of_all: list[Any] = [None] * self.size
        dist.all_gather_object(of_all, dict(parts))
        for rank, of in enumerate(of_all):
            for name, first in of_all[0].items():
                if of[name] != first:
                    raise ProjectError(
                        f"RANK {rank} has another {name} than RANK 0 ({of[name]} and {first}): all processes need the"
                        " same images, weights, code and params.yaml, and the same kind of device"
                    )

    def synchronize(self, network: nn.Module) -> None:
        """Give all processes the first one's buffers, such as BatchNorm's statistics."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)

    def joined(self, network: nn.Module) -> nn.Module:
        """`network`, so that its gradients are the mean over all processes."""
        return DistributedDataParallel(network) if self.size > 1 else network


ALONE = Team()
AGAIN = "started again, all of them or one alone, training goes on after the last whole epoch"


def launch(size: int, work: Callable[..., None], *arguments: str) -> None:
    """Call `work(Team(…), *arguments)` in `size` processes, and wait for their end.

    Raises:
        ProjectError: what one of them raised, or that one was ended from outside.
    """
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # that it ends the others
    failures = multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        members = start_processes(  # type: ignore[no-untyped-call]
            _member,
            (size, f"file://{folder}/meeting", failures, work, arguments),
            size,
            join=False,
            daemon=True,
            start_method="spawn",
        )
        try:
            while not members.join():
                pass
        except (ProcessExitedException, ProcessRaisedException) as error:
            if not failures.empty():  # told before the others lost their connection to that process
                raise ProjectError(failures.get()) from error
            ended = any(process.exitcode not in (0, 1, -signal.SIGTERM) for process in members.processes)
            if isinstance(error, ProcessRaisedException) and not ended:
                raise
            raise ProjectError(f"one of {size} training processes was ended from outside") from error


def _member(rank: int, size: int, meeting: str, failures: Any, work: Callable[..., None], arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent, interrupted too, says what there is to say
    threading.Thread(target=end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own is for all processes, and is warned of if one is ended that holds it
    torch.set_num_threads(max(1, torch.get_num_threads() // size))
    dist.init_process_group(_backend(rank), init_method=meeting, rank=rank, world_size=size)
    try:
        work(Team(rank, size, size), *arguments)
    except (ProjectError, OSError) as error:
        failures.put(str(error))
        sys.exit(1)
    finally:
        dist.destroy_process_group()


def _backend(local_rank: int) -> str:
    if not torch.cuda.is_available():
        return "gloo"
    if local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    return "cpu:gloo,cuda:nccl"


def join(around: Surroundings, work: Callable[..., None], *arguments: str) -> None:
    """Call `work(Team(…), *arguments)` in this process, one of those that the surroundings tell of, and wait until all
    of them are done with it. How many threads each has is up to whatever started them.

    Raises:
        ProjectError: they did not come together, or one of them waited too long for another.
    """
    _meet(around)
    pulse = dist.new_group(backend="gloo", timeout=SILENCE)
    done = threading.Event()
    heard = threading.Thread(target=_hear_of_all, args=(pulse, done, around.size), daemon=True)
    heard.start()
    try:
        work(Team(around.rank, around.size, around.local_size), *arguments)
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not re.search("gloo|nccl", str(error), re.IGNORECASE):
            raise
        heard.join(4 * PULSE)  # which ends this process, if another has ended
        line = " ".join(str(error).split())
        raise ProjectError(f"another of {around.size} processes did not answer: {line:.200}; {AGAIN}") from error
    done.set()
    heard.join()
    dist.destroy_process_group()


def _meet(around: Surroundings) -> None:
    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # torch does not look at Ctrl-C while it waits
    try:
        store, rank, size = next(rendezvous("env://", timeout=MEETING))
        dist.init_process_group(_backend(around.local_rank), store=store, rank=rank, world_size=size, timeout=WAITING)
    except RuntimeError as error:
        where, line = f"MASTER_ADDR {address}, MASTER_PORT {port}", " ".join(str(error).split())
        raise ProjectError(
            f"{where}: {around.size} processes (WORLD_SIZE) did not come together there within"
            f" {MEETING.total_seconds():.0f} s, of which this is RANK {around.rank} ({line:.160})"
        ) from error
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _hear_of_all(pulse: dist.ProcessGroup, done: threading.Event, size: int) -> None:
    """Ask all processes again and again, until all are done; end this one as soon as another has ended."""
    try:
        while True:
            done.wait(PULSE)
            finished = torch.tensor([int(done.is_set())])
            dist.all_reduce(finished, dist.ReduceOp.MIN, pulse)
            if finished.item():
                return
    except RuntimeError:
        time.sleep(PULSE)  # this one may be about to end as well, by an error that says more
        print(f"error: another of {size} processes has ended, or its machine does not answer; {AGAIN}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
