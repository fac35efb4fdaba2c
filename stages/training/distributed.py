"""Training on several devices: one process for each, torch's DistributedDataParallel between them.

Every process holds the whole network and computes its share of each batch; what they learn is averaged. Shares are
weighted by their size, so that the result is that of one device, but for rounding. With dropout it differs as seeds
do. Networks with BatchNorm need SyncBatchNorm, which torch has for CUDA alone: on CPUs each share is normalized by
itself.
"""

import logging
import multiprocessing
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from stages.ground.cli import end_with_parent
from stages.ground.errors import ProjectError


@dataclass(frozen=True)
class Team:
    """The processes that train one network, and which of them this one is."""

    rank: int = 0
    size: int = 1

    def share(self, of: np.ndarray) -> np.ndarray:
        """This process's part of (n, …); the parts differ by one at most."""
        return np.array_split(of, self.size)[self.rank]

    def gathered(self, part: np.ndarray) -> np.ndarray:
        """The parts of all processes in their order, each (n, …): (N, …)"""
        parts = [part] * self.size
        if self.size > 1:
            dist.all_gather_object(parts, part)
        return np.concatenate(parts)

    def synchronize(self, network: nn.Module) -> None:
        """Give all processes the first one's buffers, such as BatchNorm's statistics."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)

    def joined(self, network: nn.Module) -> nn.Module:
        """`network`, so that its gradients are the mean over all processes."""
        if self.size == 1:
            return network
        if next(network.parameters()).is_cuda:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network)


ALONE = Team()


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
    if rank < torch.cuda.device_count():
        torch.cuda.set_device(rank)
    torch.set_num_threads(max(1, torch.get_num_threads() // size))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=size)
    try:
        work(Team(rank, size), *arguments)
    except (ProjectError, OSError) as error:
        failures.put(str(error))
        sys.exit(1)
    finally:
        dist.destroy_process_group()
