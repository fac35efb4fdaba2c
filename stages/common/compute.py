"""The device that computes, and in what precision."""

import ctypes
import sys
from dataclasses import dataclass

import torch

from stages.common.distributed import ALONE, Team
from stages.common.errors import ProjectError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


@dataclass(frozen=True)
class Compute:
    device: torch.device
    precision: str  # bfloat16 or float32
    team: Team = ALONE

    def autocast(self) -> torch.autocast:
        """The context in which networks compute in `precision`; their weights stay float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


def choose_compute(device: str, precision: str, team: Team = ALONE) -> Compute:
    """The device of runtime.device with params.yaml's precision; warns where that would be slow."""
    chosen = Compute(choose_device(device), precision, team)
    most = {"cuda": torch.cuda.device_count(), "mps": 1}.get(chosen.device.type, team.size)
    if team.size > most:
        raise ProjectError(
            f"params.yaml: runtime.devices is {team.size}; this machine has {most} of {chosen.device.type}"
        )
    if precision == "bfloat16" and chosen.device.type == "cpu" and not _has_bfloat16_instructions():
        print(
            "warning: this processor has no instructions for bfloat16, which makes it slow; params.yaml can say"
            " precision: float32 (results will differ by rounding)",
            file=sys.stderr,
        )
    return chosen


def _has_bfloat16_instructions() -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch
        return True
    return any(has for name, has in torch.cpu.get_capabilities().items() if "bf16" in name)


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
