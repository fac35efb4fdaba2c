"""How good the audit is, on faults that are planted: `make bench-audit`, docs/audit.md.

python -m scripts.audit_benchmark [--seeds 3] [--first-seed 0] [--network mobilenet_v2] [--without-time] [--cells]

In the data sets whose features are there, labels are flipped, and copies, foreign, empty and blurred pictures put in,
all drawn from seeds; what is reported is what the audit finds of them. Seeds from 100 on are for choosing its settings.
Times are of the audit beside the features, on drawn pictures. Nothing else should run meanwhile. With
--cells all is done with more than 200 images as with more than 20,000, and printed only.
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.measuring.audited_labels import answers_table, first_table, labels_table, unequal_table
from scripts.measuring.audited_pictures import FOREIGN, OF_EACH, copies_table, foreign_table, odd_table
from scripts.measuring.comparison import machine
from scripts.measuring.planted import Table
from scripts.results import between_marks, markdown
from stages.audit import Pictures, audited, looks_in_parts
from stages.faults import outliers, rows
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.ground.runtime import Runtime, load_runtime
from stages.models.features import Features
from stages.settings import load_params

PAGE = Path("docs/audit.md")
BEGIN, END = "<!-- measured: make bench-audit -->\n", "<!-- end of measured -->\n"
LABEL_SEEDS = 20
TIMED = (1000, 50000)
WIDTH = 1280  # of drawn embeddings
FEW = 200  # images, of which all pairs may be looked at with --cells


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.audit_benchmark", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--without-time", action="store_true")
    parser.add_argument("--cells", action="store_true")
    parser.add_argument("--timed", type=int, help=argparse.SUPPRESS)  # in a process of its own, for its memory
    arguments = parser.parse_args()
    with one_line_errors():
        if importlib.util.find_spec("cleanlab") is None:
            raise ProjectError("cleanlab, which this is held against, is not installed: run make dev")
        if arguments.timed:
            print(timed(arguments.timed))
            return
        if arguments.cells:
            rows.FEW = outliers.SAMPLE = FEW
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        text = report(arguments.network, seeds, not arguments.without_time)
        print(text)
        if arguments.cells:
            return
        with written_whole(PAGE) as part:
            part.write_text(between_marks(PAGE.read_text(encoding="utf-8"), text, BEGIN, END), encoding="utf-8")


def report(network: str, seeds: Sequence[int], with_time: bool) -> str:
    sets = {name: read(network, name) for name in load_params().datasets if paths.features(network, name).is_file()}
    if not sets:
        raise ProjectError(f"there are no features of {network}: run dvc repro features first")
    many = range(seeds[0], seeds[0] + LABEL_SEEDS)
    parts: list[tuple[str, Callable[[], Table]]] = [
        (f"Flipped labels, 5 % of them, {LABEL_SEEDS} seeds", lambda: labels_table(sets, many)),
        (f"The first {len(seeds)} of these seeds, at random", lambda: first_table(sets, seeds)),
        (f"What it does to the accuracy, {LABEL_SEEDS} seeds", lambda: answers_table(sets, many)),
        ("A small class, no label flipped, 10 seeds", lambda: unequal_table(sets, range(seeds[0], seeds[0] + 10))),
        (
            f"Copies, {OF_EACH} of each kind, of val images among the train images",
            lambda: copies_table(network, sets, seeds),
        ),
        (f"Foreign pictures, {FOREIGN:.0%} of all", lambda: foreign_table(sets, seeds)),
        ("Empty and blurred pictures", lambda: odd_table(sets, seeds)),
    ]
    if with_time:
        parts.append(("Time beside the features, and memory", time_table))
    text = f"{machine()}; {network}, seeds {seeds[0]} to {seeds[-1]}: means.\n"
    for heading, table in parts:
        text += f"\n**{heading}**\n\n{markdown(*table())}"
    return text


def read(network: str, dataset: str) -> Pictures:
    return Pictures.of(Features.read(paths.features(network, dataset)))


def time_table() -> Table:
    lines: list[tuple[str, ...]] = []
    for images in TIMED:
        command = [sys.executable, "-m", "scripts.audit_benchmark", "--timed", str(images)]
        seconds, before, most = subprocess.run(command, check=True, text=True, capture_output=True).stdout.split()
        lines.append((f"{images}", f"{float(seconds):.1f}", before, most))
    return ("drawn images", "seconds", "MiB with the features read", "… at most"), lines


def timed(images: int) -> str:
    """The seconds, and the memory before and at most, in MiB, of auditing drawn images of 256 x 192 pixels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, images)
    embeddings = np.abs(rng.normal(0, 1, (10, WIDTH))[labels] + 2 * rng.standard_normal((images, WIDTH), np.float32))
    with tempfile.TemporaryDirectory(dir=paths.SCRATCH) as made:
        files = [f"{number}.jpg" for number in range(images)]
        for file in files:
            blots = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
            blots.resize((256, 192), Image.Resampling.BICUBIC).save(Path(made) / file)
        names = [f"class {number}" for number in range(10)]
        numbers = np.arange(images)
        pictures = Pictures(files, ["train"] * images, names, labels, embeddings.astype(np.float32), numbers)
        before = memory()
        begin = time.perf_counter()
        runtime = Runtime(**load_runtime().model_dump() | {"progress": False})
        with looks_in_parts("audit-drawn", [Path(made) / file for file in files], None, runtime) as looks:
            audited(pictures, looks, "crop", runtime)
        return f"{time.perf_counter() - begin} {before} {memory()}"


def memory() -> int:
    """The most that this process has had, in MiB"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
