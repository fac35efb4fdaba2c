"""stages/training/compute.py: the device and the precision."""

import copy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from stages.ground.errors import ProjectError
from stages.networks.network import slow_depthwise_in_float32
from stages.training.compute import Compute, choose_compute, choose_device, computes_bfloat16, slowdown_of_bfloat16
from stages.training.distributed import Team
from tests.conftest import PROJECT
from tests.processor import processor


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_vnni": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({}, "float32"),
    ],
    ids=["AVX-512", "AMX", "Arm", "AVX-512 without bfloat16", "AVX2"],
)
def test_auto_is_bfloat16_where_the_processor_has_it_and_else_float32(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    capabilities: dict[str, bool],
    precision: str,
) -> None:
    processor(monkeypatch, **capabilities)
    assert choose_compute("cpu", "auto").precision == precision
    for forced in ("bfloat16", "float32"):
        assert choose_compute("cpu", forced).precision == forced
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
@pytest.mark.parametrize(
    ("limit", "precision"),
    [
        ("AVX2", "float32"),
        ("avx512_core", "float32"),
        ("AVX2_VNNI_2", "float32"),
        ("AVX512_CORE_AMX", "bfloat16"),
        ("", "bfloat16"),
    ],
)
def test_a_processor_that_is_limited_counts_as_the_smaller_one(
    monkeypatch: pytest.MonkeyPatch, variable: str, limit: str, precision: str
) -> None:
    processor(monkeypatch, avx512_bf16=True)
    monkeypatch.setenv(variable, limit)
    assert choose_compute("cpu", "auto").precision == precision


def test_auto_is_float32_where_an_older_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_compute("cpu", "auto").precision == "float32"


@pytest.mark.parametrize("native", [True, False])
def test_auto_on_a_gpu_is_what_it_computes_natively(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **how: asked.append(how) or native)
    assert computes_bfloat16(torch.device("cuda")) is native
    assert asked == [{"including_emulation": False}]
    assert not computes_bfloat16(torch.device("mps"))


def test_the_slowdown_is_measured_and_leaves_no_trace() -> None:
    class Slow(nn.Module):
        """A layer that takes a tenth of a second more in bfloat16."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.dtype == torch.bfloat16:
                time.sleep(0.1)
            return images

    strided = nn.Conv2d(8, 8, 3, stride=2, groups=8)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), Slow(), nn.BatchNorm2d(8), strided, nn.Flatten(), nn.Dropout()).eval()
    slow_depthwise_in_float32(network)
    before, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    assert slowdown_of_bfloat16(network, 8, Compute(torch.device("cpu"), "bfloat16")) > 2
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_the_processors_own_capabilities_are_read() -> None:
    assert any("bf16" in name for name in torch.cpu.get_capabilities())


def test_auto_takes_the_fastest_device_there_is_and_a_missing_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(ProjectError, match=r"runtime\.device is cuda, which this machine does not have; set auto"):
        choose_device("cuda")


def test_more_devices_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_compute("cuda", "float32", Team(0, 2, 2)).team.size == 2
    with pytest.raises(ProjectError, match=r"devices \(or LOCAL_WORLD_SIZE\) is 3; this machine has 2 of cuda"):
        choose_compute("cuda", "float32", Team(0, 3, 3))
    assert choose_compute("cuda", "float32", Team(0, 4, 2)).team.size == 4  # two on each of two machines
    assert choose_compute("cpu", "float32", Team(0, 3)).team.size == 3


@pytest.mark.skipif(
    sys.platform != "linux" or "[always]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(),
    reason="page faults are counted of small pages",
)
def test_freed_memory_is_not_returned_and_faulted_in_again() -> None:
    """Counted by the system: a page fault for each 4 KiB of memory that is new to the process."""
    script = """
import resource, torch
from stages.training.compute import choose_device
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
before = faults()
choose_device("cpu")
for _ in range(12):
    faults()  # glibc keeps up to seven blocks before it reuses one
print(before, faults())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    returned, kept = map(int, done.stdout.split())
    assert returned > 10_000
    assert kept < 100
