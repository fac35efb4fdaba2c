"""scripts/benchmark.py and the script that it measures against."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from scripts import benchmark
from scripts.benchmark import Training, marks
from scripts.measuring import plain_recipe
from scripts.measuring.comparison import NEVER, Row, report
from scripts.measuring.scratch_copy import copy_project
from stages.ground import paths
from stages.ground.files import write_table
from stages.networks.network import build
from tests.conftest import PROJECT, clean_environment
from tests.drawing import draw_data_set


@pytest.mark.parametrize("options", [[], ["--freeze"], ["--freeze", "--no-gradients"]])
def test_the_usual_script_trains_and_evaluates(tmp_path: Path, options: list[str]) -> None:
    draw_data_set(tmp_path / "data", train=4, val=8)
    torch.manual_seed(0)
    save_file(build("mobilenet_v3_small").state_dict(), tmp_path / "weights.safetensors")
    command = [
        "-m",
        "scripts.measuring.plain_recipe",
        str(tmp_path / "data"),
        str(tmp_path / "weights.safetensors"),
        "mobilenet_v3_small",
    ]
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
    assert "| 60 s |  | not reached (1 of 3 reached it) |  |" in report([never, never, there], [], 3)
    assert "| 60 s |  | not reached (1 of 2 reached it) |  |" in report([never, there], [], 2)
    assert "| 60 s |  | 9.0 s (2 of 3 reached it) | 6.7 |" in report([there, never, there], [], 3)


@pytest.fixture
def page(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docs/benchmark.md of a copy of the project, which the test runs in."""
    copy_project(in_folder / "project", PROJECT)
    monkeypatch.chdir("project")
    page = Path("docs/benchmark.md")
    page.parent.mkdir()
    page.write_text("".join(mark for network in ("resnet18", NETWORK) for mark in marks(network)))
    return page


NETWORK, DATA = "mobilenet_v2", "ants_bees"
OPTIONS = (("--freeze",), ("--freeze", "--no-gradients"), ())


def test_the_same_seeds_images_and_weights_are_measured_on_both_sides(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the processes themselves, which take half an hour."""
    Path("weights").mkdir()
    Path(f"weights/{NETWORK}.safetensors").touch()
    run: list[tuple[str, ...]] = []

    def done(command: Sequence[str], cwd: Path, **_: object) -> subprocess.CompletedProcess:
        params = yaml.safe_load((cwd / "params.yaml").read_text())
        run.append((*command[1:], f"seed {params['seed']}", f"lr {params['variants']['frozen']['lr']}"))
        if f"draw@{NETWORK}-{DATA}" in command:
            for variant, accuracy in (("frozen", 0.8), ("unfrozen", 0.9)):
                write_table(cwd / paths.history(NETWORK, DATA, variant), [{"split": "val", "accuracy": accuracy}])
        accuracy = (0.5, 0.625, 0.75)[("--freeze" in command) + ("--no-gradients" in command)]
        return subprocess.CompletedProcess(
            command, 0, json.dumps({"seconds": [1, 2], "accuracies": [0.25, accuracy]}), ""
        )

    monkeypatch.setattr(subprocess, "run", done)
    monkeypatch.setattr(benchmark, "timed_training", lambda *cell: Training([1.5], [0.9], 2))
    command = f"benchmark --repeats 2 --network {NETWORK} --dataset {DATA}"
    monkeypatch.setattr(sys, "argv", command.split())
    benchmark.main()

    lr = yaml.safe_load(Path("params.yaml").read_text())["variants"]["frozen"]["lr"]
    assert [command[:-2] for command in run if "scripts.measuring.plain_recipe" in command] == [
        (
            "-m",
            "scripts.measuring.plain_recipe",
            f"data/{DATA}",
            f"weights/{NETWORK}.safetensors",
            NETWORK,
            "--seed",
            str(seed),
            *options,
        )
        for seed in (0, 1)
        for options in OPTIONS
    ]
    whole = [command for command in run if f"draw@{NETWORK}-{DATA}" in command]
    assert [command[-2:] for command in whole] == [
        ("seed 0", f"lr {lr}"), ("seed 0", f"lr {2 * lr}"), ("seed 1", f"lr {lr}"), ("seed 1", f"lr {2 * lr}")
    ]  # fmt: skip
    assert all("--no-run-cache" in command for command in whole)
    assert not any("cats_dogs" in argument for command in run for argument in command)
    before, tables = page.read_text().split(marks(NETWORK)[0])
    assert before == "".join(marks("resnet18"))
    assert "| unfrozen, until the usual script's last accuracy | 2 s |  | 1.5 s | 1.3 |" in tables
    assert "| frozen | 0.6250 (0.6250 to 0.6250) | 0.7500 (0.7500 to 0.7500) | 0.8000 (" in tables
    assert "| unfrozen | 0.5000 (0.5000 to 0.5000) |  | 0.9000 (0.9000 to 0.9000) | +40.0 |" in tables


def test_what_fails_is_one_line_and_the_page_is_as_it_was(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = page.read_text()
    monkeypatch.setattr(benchmark, "REPRO", ("false",))
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    with pytest.raises(SystemExit, match=r"^1$"):
        benchmark.main()
    assert capsys.readouterr().err == "error: false --single-item weights@mobilenet_v2 failed, with exit status 1\n"
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--network", "resnet81"],
            "models has no entry 'resnet81'; it has: mobilenet_v2, efficientnet_lite0, resnet18",
        ),
        (
            ["--network", "efficientnet_lite0"],
            "models.efficientnet_lite0 is timm's; the usual script takes torchvision's alone",
        ),
        (
            ["--network", "resnet18", "--dataset", "ants"],
            "downloads has no entry 'ants'; it has: sign_digits, ants_bees, cats_dogs",
        ),
    ],
)
def test_what_is_not_there_is_said_before_hours_of_work(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list, problem: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit, match=r"^1$"):
        benchmark.main()
    assert capsys.readouterr().err == f"error: params.yaml: {problem}\n"


def test_a_page_without_a_place_for_the_tables_is_said_before_hours_of_work(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text("")
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    with pytest.raises(SystemExit, match=r"^1$"):
        benchmark.main()
    assert capsys.readouterr().err == (
        "error: docs/benchmark.md has no place for the tables of mobilenet_v2: add the lines"
        " <!-- make bench: mobilenet_v2 --> and <!-- end of make bench: mobilenet_v2 -->\n"
    )


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # four processes, as usual, on few cores
@pytest.mark.parametrize("options", OPTIONS)
def test_what_the_usual_script_freezes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """What the columns of the tables mean."""
    draw_data_set(tmp_path / "data", train=4, val=2)
    torch.manual_seed(0)
    network = build("mobilenet_v3_small")
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    monkeypatch.setattr(plain_recipe.models, "get_model", lambda *_, **__: network)
    inputs = (str(tmp_path / "data"), str(tmp_path / "weights.safetensors"), "mobilenet_v3_small")
    monkeypatch.setattr(sys, "argv", ["plain_recipe", *inputs, "--epochs", "1", *options])
    plain_recipe.main()
    first, after = "features.0.0.weight", network.state_dict()
    assert torch.equal(after[first], before[first]) == ("--freeze" in options)
    assert (network.get_parameter(first).grad is None) == ("--no-gradients" in options)
    assert not torch.equal(after["features.0.1.running_mean"], before["features.0.1.running_mean"])
    assert after["classifier.3.weight"].shape == (2, 1024)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # four processes, as usual, on few cores
def test_the_seed_draws_the_last_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_data_set(tmp_path / "data", train=4, val=2)
    save_file(build("mobilenet_v3_small").state_dict(), tmp_path / "weights.safetensors")
    drawn, replace_last_layer = [], plain_recipe.replace_last_layer

    def replace(network: torch.nn.Module, classes: int) -> torch.nn.Linear:
        drawn.append(replace_last_layer(network, classes))
        return drawn[-1]

    monkeypatch.setattr(plain_recipe, "replace_last_layer", replace)
    command = ["plain_recipe", str(tmp_path / "data"), str(tmp_path / "weights.safetensors"), "mobilenet_v3_small"]
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
