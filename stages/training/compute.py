"""The device that computes, and in what precision."""

import copy
import ctypes
import os
import re
import sys
import time
from dataclasses import dataclass, replace

import torch
from torch import nn

from stages.ground.errors import ProjectError
from stages.training.distributed import ALONE, Team

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
# In the values of ONEDNN_MAX_CPU_ISA that leave bfloat16 to oneDNN, which computes torch's convolutions.
ISAS_WITH_BFLOAT16 = re.compile("BF16|FP16|AMX|AVX10|DEFAULT|ALL", re.IGNORECASE)


@dataclass(frozen=True)
class Compute:
    device: torch.device
    precision: str  # bfloat16 or float32
    team: Team = ALONE

    def autocast(self) -> torch.autocast:
        """The context in which networks compute in `precision`; their weights stay float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


def choose_compute(device: str, precision: str, team: Team = ALONE) -> Compute:
    """The device of runtime.device with params.yaml's precision: `auto` is bfloat16 where that is computed natively."""
    chosen = Compute(choose_device(device), precision, team)
    if precision == "auto":
        chosen = replace(chosen, precision="bfloat16" if computes_bfloat16(chosen.device) else "float32")
    if chosen.device.type == "mps" and team.size > 1:
        raise ProjectError("params.yaml: runtime.device: mps trains in one process alone; set cpu for several")
    if chosen.device.type == "cuda" and team.local_size > (there := torch.cuda.device_count()):
        raise ProjectError(
            f"params.yaml: runtime.devices (or LOCAL_WORLD_SIZE) is {team.local_size}; this machine has {there} of cuda"
        )
    return chosen


def computes_bfloat16(device: torch.device) -> bool:
    """Whether it has instructions for bfloat16; without them that is emulated, and takes many times as long."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False  # which of Apple's can is not told, and was not tried
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "DEFAULT"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # an older torch
    has_instructions = any(has for name, has in capabilities.items() if "bf16" in name)
    return has_instructions and bool(ISAS_WITH_BFLOAT16.search(limit))


def slowdown_of_bfloat16(network: nn.Module, crop: int, compute: Compute) -> float:
    """How many times as long a training step of `network` takes in bfloat16 as in float32, by a clock.

    Measured on two grey images of `crop` pixels and a copy of the network, after a step that does not count; nothing
    of it stays, nor do random numbers go by.
    """
    images = torch.zeros(2, 3, crop, crop, device=compute.device)
    seconds = {}
    with torch.random.fork_rng(devices=[compute.device] if compute.device.type == "cuda" else []):
        for precision in ("float32", "bfloat16"):
            trained = copy.deepcopy(network).train()
            for _ in range(2):
                start = time.perf_counter()
                with replace(compute, precision=precision).autocast():
                    loss = trained(images).float().sum()
                loss.backward()
                loss.item()  # a GPU is waited for
                seconds[precision] = time.perf_counter() - start
    return seconds["bfloat16"] / seconds["float32"]


def choose_device(name: str) -> torch.device:
    """The device of runtime.device, with the whole process set up for it; `auto` is cuda, else mps, else cpu."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    elif not available[name]:
        raise ProjectError(f"params.yaml: runtime.device is {name}, which this machine does not have; set auto")
    _keep_freed_memory()
    torch.backends.cudnn.deterministic = True  # on CUDA: the same bytes each time, and float32 that is not TF32
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.fp32_precision = "ieee"  # the new name of the former; torch 2.14 fails where they disagree
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Have glibc keep what torch frees: by itself it returns large blocks to the system, which takes more time to give
    them again, page by page, than many layers take to compute."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # which other C libraries lack
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
