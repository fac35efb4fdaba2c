"""The device that computes, and in what precision."""

from dataclasses import dataclass

import torch

from stages.common.errors import ProjectError


@dataclass(frozen=True)
class Compute:
    device: torch.device
    precision: str  # bfloat16 or float32

    def autocast(self) -> torch.autocast:
        """The context in which networks compute in `precision`; their weights stay float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


def choose_device(name: str) -> torch.device:
    """The device of runtime.device; `auto` is cuda, else mps, else cpu."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    elif not available[name]:
        raise ProjectError(f"params.yaml: runtime.device is {name}, which this machine does not have; set auto")
    torch.backends.cudnn.deterministic = True  # on CUDA: the same bytes each time, and float32 that is not TF32
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)
