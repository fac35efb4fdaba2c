"""How long this project takes beside the usual script: `make bench` writes docs/benchmark.md's table.

python -m scripts.benchmark [--repeats 3] [--network mobilenet_v2]

In a scratch copy of the project, work/benchmark, the usual script (scripts/plain_recipe.py) and this project's stages
run in turn, on the same images with the same weights, for ten epochs each; what is reported are medians, and ratios
within a run, since machines are noisy. Nothing else should run meanwhile. A network whose weights are not in weights/
gets some drawn from a seed: they serve for times, and its accuracies mean nothing.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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
HEADER = ("network", "data set", "what", "usual script", "this project", "ratio")


Row = tuple[str, str, str, float, float]  # network, data set, what, seconds of the usual script, of this project


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", action="append", help="one of params.yaml, or several; all if not given")
    arguments = parser.parse_args()
    with one_line_errors():
        networks = arguments.network or list(load_params().models)
        rows = [row for _ in range(arguments.repeats) for network in networks for row in run_once(network)]
    text = between_marks(PAGE.read_text(encoding="utf-8"), report(rows, arguments.repeats), BEGIN, END)
    with written_whole(PAGE) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{PAGE} has the table")


def run_once(network: str) -> Iterator[Row]:
    """Everything of one network, from the archives on."""
    drawn = prepare(network)
    datasets = list(load_params().datasets)
    ours = timed("dvc", "repro", "--quiet", *(target for dataset in datasets for target in targets(network, dataset)))
    plain_total = 0.0
    for dataset in datasets:
        frozen, no_gradients, unfrozen = (
            plain(network, dataset, *options) for options in (["--freeze"], ["--freeze", "--no-gradients"], [])
        )
        plain_total += frozen["seconds"][-1] + unfrozen["seconds"][-1]
        cell = (network, dataset, "frozen")
        stages = timed_stage("features", *cell[:2]) + timed_stage("train", *cell) + timed_stage("evaluate", *cell)
        change_lr(2 * load_params().variants["frozen"].lr)
        again = timed("dvc", "repro", "--quiet", *targets(network, dataset))
        change_lr(load_params().variants["frozen"].lr)
        training, reached = timed_training(network, dataset, unfrozen["accuracies"][-1])
        yield network, dataset, "frozen, features to evaluation", frozen["seconds"][-1], stages
        yield network, dataset, "… the usual script without frozen gradients", no_gradients["seconds"][-1], stages
        yield network, dataset, "frozen, another learning rate", frozen["seconds"][-1], again
        yield network, dataset, "unfrozen training", unfrozen["seconds"][-1], training
        if reached and not drawn:
            yield network, dataset, "unfrozen, until the usual script's accuracy", unfrozen["seconds"][-1], reached
    yield network, "both", "the whole dvc repro", plain_total, ours


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
    params = yaml.safe_load((FOLDER / PARAMS_FILE).read_text(encoding="utf-8"))
    params["models"][network] |= {"urls": [str(drawn)], "sha256": sha256(drawn)}
    (FOLDER / PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def change_lr(lr: float) -> None:
    params = yaml.safe_load((FOLDER / PARAMS_FILE).read_text(encoding="utf-8"))
    params["variants"]["frozen"]["lr"] = lr
    (FOLDER / PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def plain(network: str, dataset: str, *options: str) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "scripts.plain_recipe", str(paths.images(dataset)), str(paths.weights(network))]
    done = subprocess.run([*command, network, *options], cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProjectError(done.stderr.strip().splitlines()[-1])
    numbers: dict[str, list[float]] = json.loads(done.stdout)
    print(f"usual script, {network} {dataset} {' '.join(options)}: {numbers}", flush=True)
    return numbers


def timed(*command: str) -> float:
    """The seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    print(f"{' '.join(command)}: {seconds:.1f} s", flush=True)
    return seconds


def timed_stage(name: str, *arguments: str) -> float:
    return timed(sys.executable, "-m", f"stages.{name}", *arguments)


def timed_training(network: str, dataset: str, accuracy: float) -> tuple[float, float | None]:
    """The seconds of the unfrozen variant's training, and those until its val accuracy first reaches `accuracy`."""
    command = [sys.executable, "-m", "stages.train", network, dataset, "unfrozen"]
    start, seconds = time.perf_counter(), []
    with subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as training:
        for line in training.stdout or ():
            if line.startswith("epoch "):
                seconds.append(time.perf_counter() - start)
    total = time.perf_counter() - start
    if training.returncode:
        raise ProjectError(f"stages.train {network} {dataset} unfrozen failed")
    history = read_table(FOLDER / paths.history(network, dataset, "unfrozen"))
    val = [float(row["accuracy"]) for row in history if row["split"] == "val"]
    reached = next((at for at, there in zip(seconds, val, strict=True) if there >= accuracy), None)
    print(f"stages.train {network} {dataset} unfrozen: {total:.1f} s, {accuracy:.4f} after {reached} s", flush=True)
    return total, reached


def report(rows: list[Row], repeats: int) -> str:
    """A table of medians, with the machine that they are of."""
    lines = [HEADER, tuple("---" for _ in HEADER)]
    for key in dict.fromkeys(row[:3] for row in rows):
        runs = [row[3:] for row in rows if row[:3] == key]
        usual, ours = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = statistics.median(usual / ours for usual, ours in runs)
        lines.append((*key, f"{usual:.0f} s", f"{ours:.1f} s", f"{ratio:.1f}"))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    return f"{machine()}; {versions}. Medians of {repeats} run{'s' if repeats > 1 else ''}.\n\n{table}"


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
