"""scripts/benchmark.py and the script that it measures against."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml

from scripts import benchmark, plain_recipe
from scripts.benchmark import CODE, Training
from scripts.comparison import NEVER, Row, report
from stages.common import paths
from stages.common.files import write_table
from stages.common.network import build
from tests.conftest import PROJECT, clean_environment
from tests.drawing import draw_data_set


@pytest.mark.parametrize("options", [[], ["--freeze"], ["--freeze", "--no-gradients"]])
def test_the_usual_script_trains_and_evaluates(tmp_path: Path, options: list[str]) -> None:
    draw_data_set(tmp_path / "data", train=4, val=8)
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
    assert all((accuracy * 16).is_integer() and 0 <= accuracy <= 1 for accuracy in numbers["accuracies"])


def test_the_tables_have_medians_of_times_and_of_ratios_and_means_of_accuracies() -> None:
    times = [
        Row("m", "d", "frozen", 100, 50, 10),
        Row("m", "d", "all", 90, None, 30),
        Row("m", "d", "frozen", 300, 100, 20),
        Row("m", "d", "frozen", 110, 60, 5),
    ]
    accuracies = [Row("m", "d", "frozen", 0.9, 0.92, 0.925), Row("m", "d", "frozen", 0.95, 0.93, 0.935)]
    text = report(times, accuracies, 3)
    assert "| m | d | frozen | 110 s | 60 s | 10.0 s | 15.0, 5.0 |\n" in text
    assert "| m | d | all | 90 s |  | 30.0 s | 3.0 |\n" in text
    assert "Medians of 3 runs, and of the ratios within each." in text
    assert (
        "mean (and range) of 3 seeds:\n\n"
        "| network | data set | what | usual script | … without frozen gradients | this project | points more |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| m | d | frozen | 0.9250 (0.9000 to 0.9500) | 0.9250 (0.9200 to 0.9300) | 0.9300 (0.9250 to 0.9350) |"
        " +0.5, +0.5 |\n"
    ) in text
    assert "Val accuracy" not in report(times, [], 3)


def test_an_accuracy_that_is_not_reached_counts_as_never_and_is_told_of() -> None:
    training = Training(seconds=[5, 9, 13], accuracies=[0.5, 0.8, 0.7], total=14)
    assert (training.first_at(0.5), training.first_at(0.7), training.first_at(0.81)) == (5, 9, NEVER)
    assert Training([9], [0.941176], 10).first_at(144 / 153) == 9  # read from a table
    never, there = Row("m", "d", "until", 60, None, NEVER), Row("m", "d", "until", 60, None, 9)
    assert "| 60 s |  | not reached (1 of 3 reached it) | 0.0 |" in report([never, never, there], [], 3)
    assert "| 60 s |  | 9.0 s (2 of 3 reached it) | 6.7 |" in report([there, never, there], [], 3)


def test_the_same_seed_images_and_settings_are_measured_on_both_sides(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the processes themselves, which take half an hour."""
    for name in (*CODE, "params.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile)(PROJECT / name, name)
    Path("docs").mkdir()
    Path("docs/benchmark.md").write_text(f"{benchmark.BEGIN}{benchmark.END}")
    Path("weights").mkdir()
    Path("weights/mobilenet_v2.pt").touch()
    run: list[tuple] = []

    def done(command: Sequence[str], cwd: Path | None = None, **_: object) -> subprocess.CompletedProcess:
        params = yaml.safe_load(Path(cwd, "params.yaml").read_text())
        run.append((*map(str, command), f"seed {params['seed']}", f"lr {params['variants']['frozen']['lr']}"))
        stdout = '{"seconds": [1, 2], "accuracies": [0.5, 0.75]}'
        if "dvc" in command and "learning_curve@mobilenet_v2-ants_bees" in command:
            for variant, accuracy in (("frozen", 0.8), ("unfrozen", 0.9)):
                write_table(
                    Path(cwd, paths.history("mobilenet_v2", "ants_bees", variant)),
                    [{"split": "val", "accuracy": accuracy}],
                )
        return subprocess.CompletedProcess(command, 0, stdout, "")

    monkeypatch.setattr(subprocess, "run", done)
    training = Training([1.5], [0.9], 2)
    monkeypatch.setattr(benchmark, "timed_training", lambda *cell: training)
    monkeypatch.setattr(
        sys, "argv", ["benchmark", "--repeats", "2", "--network", "mobilenet_v2", "--dataset", "ants_bees"]
    )
    benchmark.main()

    lr = yaml.safe_load(Path("params.yaml").read_text())["variants"]["frozen"]["lr"]
    usual = [command for command in run if "scripts.plain_recipe" in command]
    assert [command[command.index("--seed") + 1] for command in usual] == ["0", "0", "0", "1", "1", "1"]
    assert [command[-2:] for command in run if "compare@mobilenet_v2-ants_bees" in command] == [
        ("seed 0", f"lr {lr}"), ("seed 0", f"lr {2 * lr}"), ("seed 1", f"lr {lr}"), ("seed 1", f"lr {2 * lr}")
    ]  # fmt: skip
    assert not any("cats_dogs" in argument for command in run for argument in command)
    text = Path("docs/benchmark.md").read_text()
    assert (
        "| mobilenet_v2 | ants_bees | unfrozen, until the usual script's last accuracy | 2 s |  | 1.5 s | 1.3 |" in text
    )
    assert (
        "| mobilenet_v2 | ants_bees | unfrozen | 0.7500 (0.7500 to 0.7500) |  | 0.9000 (0.9000 to 0.9000) | +15.0 |"
        in text
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--network", "resnet81"], "models has no entry 'resnet81'; it has: resnet18, mobilenet_v2"),
        (["--dataset", "ants"], "downloads has no entry 'ants'; it has: ants_bees, cats_dogs"),
    ],
)
def test_what_is_not_there_is_said_before_hours_of_work(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list, problem: str
) -> None:
    shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit, match=r"^1$"):
        benchmark.main()
    assert capsys.readouterr().err == f"error: params.yaml: {problem}\n"


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
    monkeypatch.setattr(benchmark, "RUN", in_folder)
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    benchmark.draw_weights("mobilenet_v2")
    (url,) = benchmark.load_params().models["mobilenet_v2"].urls
    assert torch.load(url, weights_only=True).keys() == build("mobilenet_v2").state_dict().keys()
