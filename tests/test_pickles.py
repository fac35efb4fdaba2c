"""stages/networks/pickles.py: saving; what it refuses to read is in test_weights.py and test_bad_input.py."""

import signal
from pathlib import Path

import pytest
import torch

from stages.networks.pickles import load_pickle, save_pickle


def test_ctrl_c_waits_until_a_file_is_whole(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.save, interrupted, raises a RuntimeError or aborts the process."""
    save, handler = torch.save, signal.getsignal(signal.SIGINT)

    def interrupted(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)
        save(*arguments)

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_pickle(Path("a.pt"), {"a": torch.ones(3)})
    assert load_pickle(Path("a.pt"))["a"].tolist() == [1, 1, 1]
    assert signal.getsignal(signal.SIGINT) is handler
