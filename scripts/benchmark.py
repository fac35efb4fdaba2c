"""How long this project takes beside the usual script, and how accurate both are: `make bench`, docs/benchmark.md.

python -m scripts.benchmark [--repeats 3] [--network mobilenet_v2] [--dataset ants_bees]

In scratch copies of the project, in work/benchmark, the usual script (scripts/measuring/plain_recipe.py) and this
project's stages run in turn, on the same images with the same weights, for ten epochs each, with seeds 0, 1, …; what is
reported are medians of times, of the ratios within each run, since machines are noisy, and means of accuracies. Nothing
else should run meanwhile. A network whose weights are not in weights/ gets some drawn from a seed: they serve for
times, and its accuracies mean nothing.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from scripts.measuring.comparison import NEVER, Row, report
from scripts.measuring.scratch_copy import copy_project
from scripts.results import between_marks
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import read_table, sha256, written_whole
from stages.ground.params import PARAMS_FILE, known_as
from stages.networks.network import build
from stages.recipes.variant import Variant
from stages.settings import load_params

PROJECT = paths.SCRATCH / "benchmark/project"  # as it is at the start: it may be edited meanwhile
RUN = paths.SCRATCH / "benchmark/run"
REPRO = ("dvc", "repro", "--quiet", "--no-run-cache")
PAGE = Path("docs/benchmark.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--repeats", type=int, choices=range(1, 100), metavar="N", default=3)
    parser.add_argument(
        "--network", action="append", help="of params.yaml's, or several; all of torchvision if not given"
    )
    parser.add_argument("--dataset", action="append", help="one of those that are downloaded, or several")
    arguments = parser.parse_args()
    with one_line_errors():
        params = load_params()
        usual = [name for name, of in params.models.items() if of.source == "torchvision"]
        networks, datasets = arguments.network or usual, arguments.dataset or list(params.downloads)
        for network in networks:
            known_as("models", params.models, network)
            if network not in usual:
                raise ProjectError(
                    f"params.yaml: models.{network} is timm's; the usual script takes torchvision's alone"
                )
            check_place(network)
        for dataset in datasets:
            known_as("downloads", params.downloads, dataset)
        if not datasets:
            raise ProjectError("params.yaml: downloads is empty; expected a data set to measure on")
        copy_project(PROJECT)
        for network in networks:
            drawn = not paths.weights(network).is_file()
            runs = [run_once(network, drawn, datasets, seed) for seed in range(arguments.repeats)]
            times, accuracies = ([row for run in runs for row in run[which]] for which in (0, 1))
            write_tables(network, report(times, accuracies, arguments.repeats))
            print(f"{PAGE} has the tables of {network}")


def check_place(network: str) -> None:
    """Where its tables go is to be there before hours of work."""
    text, (begin, end) = PAGE.read_text(encoding="utf-8"), marks(network)
    if not 0 <= text.find(begin) < text.find(end):
        raise ProjectError(
            f"{PAGE} has no place for the tables of {network}: add the lines {begin.strip()} and {end.strip()}"
        )


def write_tables(network: str, tables: str) -> None:
    with written_whole(PAGE) as part:
        part.write_text(between_marks(PAGE.read_text(encoding="utf-8"), tables, *marks(network)), encoding="utf-8")


def marks(network: str) -> tuple[str, str]:
    return f"<!-- make bench: {network} -->\n", f"<!-- end of make bench: {network} -->\n"


def run_once(network: str, drawn: bool, datasets: list[str], seed: int) -> tuple[list[Row], list[Row]]:
    """Everything of one network, from the archives on: seconds, and accuracies unless its weights are `drawn`."""
    prepare(network, drawn, datasets, seed)
    ours = timed(*REPRO, *(target(network, dataset) for dataset in datasets))
    times: list[Row] = []
    accuracies: list[Row] = []
    usual = without = 0.0
    for dataset in datasets:
        row, cell = partial(Row, network, dataset), (network, dataset, "frozen")
        frozen, light, unfrozen = (
            plain(network, dataset, seed, *options) for options in (["--freeze"], ["--freeze", "--no-gradients"], [])
        )
        usual, without = usual + frozen.total + unfrozen.total, without + light.total + unfrozen.total
        stages = timed_stage("features", *cell[:2]) + timed_stage("train", *cell) + timed_stage("evaluate", *cell)
        last = val_accuracies(*cell)[-1]
        training, last_usual = timed_training(network, dataset), unfrozen.accuracies[-1]
        times += [
            row("frozen, features to evaluation", frozen.total, light.total, stages),
            row("frozen, another learning rate", frozen.total, light.total, timed_with_other_lr(network, dataset)),
            row("unfrozen training", unfrozen.total, None, training.total),
        ]
        if not drawn:
            reached = (unfrozen.first_at(last_usual), None, training.first_at(last_usual))
            times.append(row("unfrozen, until the usual script's last accuracy", *reached))
            accuracies.append(row("frozen", frozen.accuracies[-1], light.accuracies[-1], last))
            accuracies.append(row("unfrozen", last_usual, None, training.accuracies[-1]))
    times.append(Row(network, " + ".join(datasets), "the whole dvc repro", usual, without, ours))
    return times, accuracies


def target(network: str, dataset: str) -> str:
    """The stage that all others of this cell come before."""
    return f"draw@{network}-{dataset}"


def prepare(network: str, drawn: bool, datasets: list[str], seed: int) -> None:
    """A copy of the project that has nothing but what is downloaded."""
    copy_project(RUN, PROJECT)
    change_params(lambda params: params.update(seed=seed))
    if drawn:
        draw_weights(network)
    for stage in (f"weights@{network}", *(f"download@{dataset}" for dataset in datasets)):
        timed(*REPRO, "--single-item", stage)


def draw_weights(network: str) -> None:
    torch.manual_seed(0)
    drawn = (RUN / f"{network}.pt").resolve()
    torch.save(build(network).state_dict(), drawn)
    change_params(lambda params: params["models"][network].update(urls=[str(drawn)], sha256=sha256(drawn)))


def change_params(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load((RUN / PARAMS_FILE).read_text(encoding="utf-8"))
    change(params)
    (RUN / PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


@dataclass(frozen=True)
class Training:
    """After each epoch: the seconds since the start, and val accuracy; and the seconds of the whole process."""

    seconds: list[float]
    accuracies: list[float]
    total: float

    def first_at(self, accuracy: float) -> float:
        """The seconds until it is first reached, or NEVER."""
        both = zip(self.seconds, self.accuracies, strict=True)
        almost = accuracy - 1e-5  # tables of results have six digits
        return next((seconds for seconds, there in both if there >= almost), NEVER)


def plain(network: str, dataset: str, seed: int, *options: str) -> Training:
    command = [
        sys.executable,
        "-m",
        "scripts.measuring.plain_recipe",
        str(paths.images(dataset)),
        str(paths.weights(network)),
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, network, "--seed", str(seed), *options], cwd=RUN, capture_output=True, text=True, check=False
    )
    total = time.perf_counter() - start
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it was ended by signal {-done.returncode}"]
        raise ProjectError(f"the usual script failed: {said[-1]}")
    training = Training(**json.loads(done.stdout), total=total)
    print(f"usual script, {network} {dataset} {' '.join(options)}: {training}", flush=True)
    return training


def timed(*command: str) -> float:
    """The seconds that a command takes."""
    start = time.perf_counter()
    if status := subprocess.run(command, cwd=RUN, check=False, stdout=subprocess.DEVNULL).returncode:
        raise ProjectError(f"{' '.join(command)} failed, with exit status {status}")
    seconds = time.perf_counter() - start
    print(f"{' '.join(command)}: {seconds:.1f} s", flush=True)
    return seconds


def timed_stage(name: str, *arguments: str) -> float:
    return timed(sys.executable, "-m", f"stages.{name}", *arguments)


def timed_with_other_lr(network: str, dataset: str) -> float:
    """The seconds of `dvc repro` with another learning rate of the frozen variant; params.yaml is then as before."""
    frozen = load_params(RUN / PARAMS_FILE).variants["frozen"]
    assert isinstance(frozen, Variant)
    lr = frozen.lr
    change_params(lambda params: params["variants"]["frozen"].update(lr=2 * lr))
    seconds = timed(*REPRO, target(network, dataset))
    change_params(lambda params: params["variants"]["frozen"].update(lr=lr))
    return seconds


def timed_training(network: str, dataset: str) -> Training:
    command = [sys.executable, "-m", "stages.train", network, dataset, "unfrozen"]
    start, seconds = time.perf_counter(), []
    with subprocess.Popen(command, cwd=RUN, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("epoch "):
                seconds.append(time.perf_counter() - start)
    total = time.perf_counter() - start
    if process.returncode:
        raise ProjectError(f"stages.train {network} {dataset} unfrozen failed")
    training = Training(seconds, val_accuracies(network, dataset, "unfrozen"), total)
    print(f"this project, {network} {dataset} unfrozen: {training}", flush=True)
    return training


def val_accuracies(network: str, dataset: str, variant: str) -> list[float]:
    """After each epoch."""
    history = read_table(RUN / paths.history(network, dataset, variant))
    return [float(row["accuracy"]) for row in history if row["split"] == "val"]


if __name__ == "__main__":
    main()
