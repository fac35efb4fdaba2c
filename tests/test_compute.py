"""stages/common/compute.py: the device and the precision."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.common.compute import choose_compute, choose_device
from stages.common.distributed import Team
from stages.common.errors import ProjectError
from tests.conftest import PROJECT


def processor(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "cpu_name": "x", **capabilities})


@pytest.mark.parametrize("has", ["avx512_bf16", "amx_bf16"])
def test_bfloat16_is_computed_without_a_word_where_the_processor_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has: str
) -> None:
    processor(monkeypatch, **{has: True})
    assert choose_compute("cpu", "bfloat16").precision == "bfloat16"
    assert capsys.readouterr().err == ""


def test_bfloat16_on_a_processor_without_it_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processor(monkeypatch, avx512_bf16=False)
    assert choose_compute("cpu", "bfloat16").precision == "bfloat16"
    assert "params.yaml can say precision: float32" in capsys.readouterr().err
    choose_compute("cpu", "float32")
    assert capsys.readouterr().err == ""


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
    assert choose_compute("cuda", "float32", Team(0, 2)).team.size == 2
    with pytest.raises(ProjectError, match=r"runtime\.devices is 3; this machine has 2 of cuda"):
        choose_compute("cuda", "float32", Team(0, 3))
    assert choose_compute("cpu", "float32", Team(0, 3)).team.size == 3


@pytest.mark.skipif(
    sys.platform != "linux" or "[always]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(),
    reason="page faults are counted of small pages",
)
def test_freed_memory_is_not_returned_and_faulted_in_again() -> None:
    """Counted by the system: a page fault for each 4 KiB of memory that is new to the process."""
    script = """
import resource, torch
from stages.common.compute import choose_device
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
