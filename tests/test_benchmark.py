"""scripts/benchmark.py and the script that it measures against."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts import benchmark
from scripts.benchmark import report
from stages.common.network import build
from tests.conftest import PROJECT, clean_environment
from tests.drawing import draw_data_set


@pytest.mark.parametrize("options", [[], ["--freeze"], ["--freeze", "--no-gradients"]])
def test_the_usual_script_trains_and_evaluates(tmp_path: Path, options: list[str]) -> None:
    draw_data_set(tmp_path / "data", train=4, val=2)
    torch.manual_seed(0)
    torch.save(build("mobilenet_v3_small").state_dict(), tmp_path / "weights.pt")
    command = ["-m", "scripts.plain_recipe", str(tmp_path / "data"), str(tmp_path / "weights.pt"), "mobilenet_v3_small"]
    done = subprocess.run(
        [sys.executable, *command, "--epochs", "2", *options],
        cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    numbers = json.loads(done.stdout)
    assert len(numbers["seconds"]) == len(numbers["accuracies"]) == 2
    assert numbers["seconds"] == sorted(numbers["seconds"])
    assert all(accuracy in (0, 0.25, 0.5, 0.75, 1) for accuracy in numbers["accuracies"])


def test_the_table_has_medians_and_the_median_of_the_ratios() -> None:
    rows = [
        ("m", "d", "frozen", 100.0, 10.0),
        ("m", "d", "all", 90.0, 30.0),
        ("m", "d", "frozen", 300.0, 20.0),
        ("m", "d", "frozen", 110.0, 5.0),
    ]
    text = report(rows, 3)
    assert "| m | d | frozen | 110 s | 10.0 s | 15.0 |\n" in text
    assert "| m | d | all | 90 s | 30.0 s | 3.0 |\n" in text
    assert "Medians of 3 runs." in text


def test_weights_that_are_not_there_are_drawn(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "FOLDER", in_folder)
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    benchmark.draw_weights("mobilenet_v2")
    (url,) = benchmark.load_params().models["mobilenet_v2"].urls
    assert torch.load(url, weights_only=True).keys() == build("mobilenet_v2").state_dict().keys()
