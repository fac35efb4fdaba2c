"""scripts/benchmark.py and the script that it measures against."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts import benchmark, plain_recipe
from scripts.benchmark import NEVER, Row, Training, report
from stages.common.network import build
from tests.conftest import PROJECT, clean_environment
from tests.drawing import draw_data_set


def usual_script(folder: Path, *options: str) -> dict[str, list[float]]:
    """Two epochs on a few drawn images, from the same weights each time."""
    draw_data_set(folder / "data", train=4, val=8)
    torch.manual_seed(0)
    torch.save(build("mobilenet_v3_small").state_dict(), folder / "weights.pt")
    command = ["-m", "scripts.plain_recipe", str(folder / "data"), str(folder / "weights.pt"), "mobilenet_v3_small"]
    done = subprocess.run(
        [sys.executable, *command, "--epochs", "2", *options],
        cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [[], ["--freeze"], ["--freeze", "--no-gradients"]])
def test_the_usual_script_trains_and_evaluates(tmp_path: Path, options: list[str]) -> None:
    numbers = usual_script(tmp_path, *options)
    assert len(numbers["seconds"]) == len(numbers["accuracies"]) == 2
    assert numbers["seconds"] == sorted(numbers["seconds"])
    assert all((accuracy * 16).is_integer() and 0 <= accuracy <= 1 for accuracy in numbers["accuracies"])


def test_the_tables_have_medians_of_times_and_of_ratios_and_means_of_accuracies() -> None:
    rows = [
        Row("m", "d", "frozen", 100, 10),
        Row("m", "d", "all", 90, 30),
        Row("m", "d", "frozen", 300, 20),
        Row("m", "d", "frozen", 110, 5),
        Row("m", "d", "frozen", 0.9, 0.925, accuracies=True),
        Row("m", "d", "frozen", 0.95, 0.935, accuracies=True),
    ]
    text = report(rows, 3)
    assert "| m | d | frozen | 110 s | 10.0 s | 15.0 |\n" in text
    assert "| m | d | all | 90 s | 30.0 s | 3.0 |\n" in text
    assert "Medians of 3 runs." in text
    assert text.endswith("mean of 3 seeds:\n\n" + "".join(f"| {line} |\n" for line in (
        "network | data set | variant | usual script | this project | points",
        "--- | --- | --- | --- | --- | ---",
        "m | d | frozen | 0.9250 | 0.9300 | +0.5",
    )))  # fmt: skip


def test_an_accuracy_that_is_not_reached_counts_as_never() -> None:
    training = Training(seconds=[5, 9, 13], accuracies=[0.5, 0.8, 0.7], total=14)
    assert (training.first_at(0.5), training.first_at(0.7), training.first_at(0.81)) == (5, 9, NEVER)
    assert "| 60 s | not reached | 0.0 |" in report(
        [Row("m", "d", "until", 60, NEVER)] * 2 + [Row("m", "d", "until", 60, 9)], 3
    )
    assert "| 60 s | 9.0 s | 6.7 |" in report(
        [Row("m", "d", "until", 60, NEVER)] + [Row("m", "d", "until", 60, 9)] * 2, 3
    )


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # four processes, as usual, on few cores
def test_the_seed_draws_the_last_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_data_set(tmp_path / "data", train=4, val=2)
    torch.save(build("mobilenet_v3_small").state_dict(), tmp_path / "weights.pt")
    drawn, replace_last_layer = [], plain_recipe.replace_last_layer

    def replace(network: torch.nn.Module, classes: int) -> torch.nn.Linear:
        drawn.append(replace_last_layer(network, classes))
        return drawn[-1]

    monkeypatch.setattr(plain_recipe, "replace_last_layer", replace)
    command = ["plain_recipe", str(tmp_path / "data"), str(tmp_path / "weights.pt"), "mobilenet_v3_small"]
    for seed in ("0", "0", "1"):
        monkeypatch.setattr(sys, "argv", [*command, "--epochs", "0", "--seed", seed])
        plain_recipe.main()
    first, again, other = (layer.weight for layer in drawn)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_that_are_not_there_are_drawn(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "FOLDER", in_folder)
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    benchmark.draw_weights("mobilenet_v2")
    (url,) = benchmark.load_params().models["mobilenet_v2"].urls
    assert torch.load(url, weights_only=True).keys() == build("mobilenet_v2").state_dict().keys()
