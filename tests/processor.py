"""Another processor than the one at hand, as far as choosing a precision goes."""

import pytest
import torch


def processor(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    """A processor that has these, whatever the real one has."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "cpu_name": "x", **capabilities})
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
