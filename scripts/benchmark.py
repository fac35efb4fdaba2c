"""How long this project takes beside the usual script: `make bench` writes docs/benchmark.md's table.

python -m scripts.benchmark [--repeats 3] [--network mobilenet_v2] [--dataset ants_bees]

In a scratch copy of the project, work/benchmark, the usual script (scripts/plain_recipe.py) and this project's stages
run in turn, on the same images with the same weights, for ten epochs each, with seeds 0, 1, …; what is reported are
medians of times, of the ratios within each run, since machines are noisy, and means of accuracies. Nothing else should
run meanwhile. A network whose weights are not in weights/ gets some drawn from a seed: they serve for times, and its
accuracies mean nothing.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torchvision
import yaml

from scripts.demo import CODE
from scripts.results import between_marks
from stages.common import paths
from stages.common.cli import one_line_errors
from stages.common.errors import ProjectError
from stages.common.files import read_table, remove, sha256, written_whole
from stages.common.network import build
from stages.common.params import PARAMS_FILE, load_params

FOLDER = paths.SCRATCH / "benchmark"
PAGE = Path("docs/benchmark.md")
BEGIN, END = "<!-- make bench -->\n", "<!-- end of make bench -->\n"
TIMES = ("network", "data set", "what", "usual script", "this project", "ratio")
ACCURACIES = ("network", "data set", "variant", "usual script", "this project", "points")
NEVER = math.inf  # seconds until an accuracy that was not reached


@dataclass(frozen=True)
class Row:
    """One comparison: seconds, or val accuracies, of the usual script and of this project."""

    network: str
    dataset: str
    what: str
    usual: float
    ours: float
    accuracies: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", action="append", help="one of params.yaml, or several; all if not given")
    parser.add_argument("--dataset", action="append", help="likewise")
    arguments = parser.parse_args()
    with one_line_errors():
        networks = arguments.network or list(load_params().models)
        datasets = arguments.dataset or list(load_params().datasets)
        repeats = product(range(arguments.repeats), networks)
        rows = [row for seed, network in repeats for row in run_once(network, datasets, seed)]
    text = between_marks(PAGE.read_text(encoding="utf-8"), report(rows, arguments.repeats), BEGIN, END)
    with written_whole(PAGE) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{PAGE} has the table")


def run_once(network: str, datasets: list[str], seed: int) -> Iterator[Row]:
    """Everything of one network, from the archives on."""
    drawn = prepare(network)
    change_params(lambda params: params.update(seed=seed))
    ours = timed("dvc", "repro", "--quiet", *(target for dataset in datasets for target in targets(network, dataset)))
    plain_total = 0.0
    for dataset in datasets:
        row = partial(Row, network, dataset)
        frozen, no_gradients, unfrozen = (
            plain(network, dataset, seed, *options) for options in (["--freeze"], ["--freeze", "--no-gradients"], [])
        )
        plain_total += frozen.total + unfrozen.total
        cell = (network, dataset, "frozen")
        stages = timed_stage("features", *cell[:2]) + timed_stage("train", *cell) + timed_stage("evaluate", *cell)
        head = val_accuracies(network, dataset, "frozen")[-1]
        yield row("frozen, features to evaluation", frozen.total, stages)
        yield row("… the usual script without frozen gradients", no_gradients.total, stages)
        yield row("frozen, another learning rate", frozen.total, timed_with_other_lr(network, dataset))
        training = timed_training(network, dataset)
        yield row("unfrozen training", unfrozen.total, training.total)
        if not drawn:
            target = unfrozen.accuracies[-1]
            reached = training.first_at(target)
            yield row("unfrozen, until the usual script's last accuracy", unfrozen.first_at(target), reached)
            yield row("… the usual script's whole run", unfrozen.total, reached)
            yield row("frozen", frozen.accuracies[-1], head, accuracies=True)
            yield row("… the usual script without frozen gradients", no_gradients.accuracies[-1], head, True)
            yield row("unfrozen", target, training.accuracies[-1], accuracies=True)
    yield Row(network, " + ".join(datasets), "the whole dvc repro", plain_total, ours)


def targets(network: str, dataset: str) -> tuple[str, str]:
    return f"compare@{network}-{dataset}", f"learning_curve@{network}-{dataset}"


def prepare(network: str) -> bool:
    """A copy of the project without results; whether the network's weights had to be drawn.

    The archives are fetched beforehand, which is not measured.
    """
    remove(FOLDER)
    for name in (*CODE, str(PARAMS_FILE)):
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if Path(name).is_dir() else shutil.copyfile)(name, FOLDER / name)
    for option in ("core.no_scm=true", "core.autostage=false"):
        subprocess.run(["dvc", "config", *option.split("=")], cwd=FOLDER, check=True)
    if drawn := not paths.weights(network).is_file():
        draw_weights(network)
    params = load_params(FOLDER / PARAMS_FILE)
    for stage, name in [*(("download", name) for name in params.downloads), ("weights", network)]:
        subprocess.run(["dvc", "repro", "--quiet", "--single-item", f"{stage}@{name}"], cwd=FOLDER, check=True)
    return drawn


def draw_weights(network: str) -> None:
    torch.manual_seed(0)
    drawn = (FOLDER / f"{network}.pt").resolve()
    torch.save(build(network).state_dict(), drawn)
    change_params(lambda params: params["models"][network].update(urls=[str(drawn)], sha256=sha256(drawn)))


def change_params(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load((FOLDER / PARAMS_FILE).read_text(encoding="utf-8"))
    change(params)
    (FOLDER / PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


@dataclass(frozen=True)
class Training:
    """What came after each epoch: seconds since the start of the process, and val accuracy."""

    seconds: list[float]
    accuracies: list[float]
    total: float

    def first_at(self, accuracy: float) -> float:
        """The seconds until it is first reached, or NEVER."""
        both = zip(self.seconds, self.accuracies, strict=True)
        return next((seconds for seconds, there in both if there >= accuracy), NEVER)


def plain(network: str, dataset: str, seed: int, *options: str) -> Training:
    command = [sys.executable, "-m", "scripts.plain_recipe", str(paths.images(dataset)), str(paths.weights(network))]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, network, "--seed", str(seed), *options], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    total = time.perf_counter() - start
    if done.returncode:
        raise ProjectError(done.stderr.strip().splitlines()[-1])
    training = Training(**json.loads(done.stdout), total=total)
    print(f"usual script, {network} {dataset} {' '.join(options)}: {training}", flush=True)
    return training


def timed(*command: str) -> float:
    """The seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    print(f"{' '.join(command)}: {seconds:.1f} s", flush=True)
    return seconds


def timed_stage(name: str, *arguments: str) -> float:
    return timed(sys.executable, "-m", f"stages.{name}", *arguments)


def timed_with_other_lr(network: str, dataset: str) -> float:
    """The seconds of `dvc repro` with another learning rate of the frozen variant; params.yaml is then as before."""
    lr = load_params().variants["frozen"].lr
    change_params(lambda params: params["variants"]["frozen"].update(lr=2 * lr))
    seconds = timed("dvc", "repro", "--quiet", *targets(network, dataset))
    change_params(lambda params: params["variants"]["frozen"].update(lr=lr))
    return seconds


def timed_training(network: str, dataset: str) -> Training:
    command = [sys.executable, "-m", "stages.train", network, dataset, "unfrozen"]
    start, seconds = time.perf_counter(), []
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
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
    history = read_table(FOLDER / paths.history(network, dataset, variant))
    return [float(row["accuracy"]) for row in history if row["split"] == "val"]


def report(rows: list[Row], repeats: int) -> str:
    """Two tables, with the machine that they are of."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    times = [row for row in rows if not row.accuracies]
    accuracies = [row for row in rows if row.accuracies]
    text = f"{machine()}; {versions}. Medians of {counted(repeats)}.\n\n{table(TIMES, times, times_of)}"
    if accuracies:
        text += f"\nVal accuracy after the last epoch, mean of {counted(repeats, 'seed')}:\n\n"
        text += table(ACCURACIES, accuracies, accuracies_of)
    return text


def counted(number: int, what: str = "run") -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def table(header: tuple[str, ...], rows: list[Row], summary: Callable[[list[Row]], tuple[str, str, str]]) -> str:
    """In Markdown: a line for each comparison, its repeats taken together."""
    lines = [header, tuple("---" for _ in header)]
    for key in dict.fromkeys((row.network, row.dataset, row.what) for row in rows):
        lines.append((*key, *summary([row for row in rows if (row.network, row.dataset, row.what) == key])))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def times_of(repeats: list[Row]) -> tuple[str, str, str]:
    """Medians; the ratio of a run in which this project did not get there is 0."""
    usual, ours = statistics.median(row.usual for row in repeats), statistics.median(row.ours for row in repeats)
    ratio = statistics.median(row.usual / row.ours for row in repeats)
    return f"{usual:.0f} s", "not reached" if ours == NEVER else f"{ours:.1f} s", f"{ratio:.1f}"


def accuracies_of(seeds: list[Row]) -> tuple[str, str, str]:
    """Means, and their difference in points."""
    usual, ours = statistics.mean(row.usual for row in seeds), statistics.mean(row.ours for row in seeds)
    return f"{usual:.4f}", f"{ours:.4f}", f"{100 * (ours - usual):+.1f}"


def machine() -> str:
    """The processor and the memory."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    processor = f"{len(os.sched_getaffinity(0))} cores of {names[0]}" if names else platform.processor()
    extras = [name for name, has in torch.cpu.get_capabilities().items() if "bf16" in name and has]
    return f"{processor} ({', '.join(extras) or 'no bfloat16'}), {memory[0] / 2**20:.0f} GiB" if memory else processor


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    main()
