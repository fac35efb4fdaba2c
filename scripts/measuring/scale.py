"""What many images take, stage by stage, and what a million would: `make bench-scale`, docs/scale.md.

python -m scripts.measuring.scale [--images 1000 10000 50000 200000] [--core-hour 0.05] [--files-at-most 50000]

In a scratch copy of the project, in work/scale, small pictures are drawn and go through the graph's stages, one process
each, with a small network of drawn weights: the accuracies mean nothing. They go through as tar files; as single files
as well up to a number, for what DVC takes to look after these. Nothing else should run meanwhile. An hour's price is an
assumption, not a measurement.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import yaml

from scripts.measuring.comparison import machine
from scripts.measuring.costs import Costs
from scripts.measuring.many_pictures import SIDE, draw_pictures
from scripts.measuring.scratch_copy import copy_project
from scripts.measuring.watched import Taken, watched
from scripts.results import between_marks, markdown
from scripts.shards import MB, write_shards
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import remove, sha256, written_whole
from stages.ground.params import PARAMS_FILE
from stages.networks.network import build

FOLDER = paths.SCRATCH / "scale"
RUN = FOLDER / "run"
PAGE = Path("docs/scale.md")
BEGIN, END = "<!-- measured: make bench-scale -->\n", "<!-- end of measured: make bench-scale -->\n"
TITLE, SECTION = "# Many images, many machines\n", "## Many images\n"
NETWORK = "mobilenetv4_conv_small.e2400_r224_in1k"  # of timm
CELL = ("small", "drawn")
STAGES = {  # with what they are of, beside the network and the data set
    "arrange": ("drawn",),
    "features": CELL,
    "audit": CELL,
    "learning_curve": CELL,
    "train": (*CELL, "frozen"),
    "evaluate": (*CELL, "frozen"),
    "explain": (*CELL, "frozen"),
}
DVC = {  # in this order
    "add": ("add", "data/raw/drawn"),
    "status": ("status", "data/raw/drawn.dvc"),
    "commit of arrange": ("commit", "--force", "arrange@drawn"),
    "repro, nothing to do": ("repro", "--single-item", "arrange@drawn"),
}
SHARD = 100 * MB
ESTIMATED = (1_000_000, 100_000_000)


@dataclass(frozen=True)
class Measured:
    kind: str  # files or shards
    images: int
    what: str  # a stage's name, or dvc and what it did
    taken: Taken


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.scale", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 50_000, 200_000], metavar="N")
    parser.add_argument("--core-hour", type=float, default=0.05, help="the price of a rented core, in dollars: assumed")
    parser.add_argument("--files-at-most", type=int, default=50_000, metavar="N", help="images as single files")
    arguments = parser.parse_args()
    with one_line_errors():
        images = sorted(set(arguments.images))
        if len(images) < 3 or images[0] < 500:
            raise ProjectError(f"--images: expected three numbers or more, of 500 or more; received {images}")
        weights = draw_weights(FOLDER / "weights.pt")
        measured, sizes = [], {}
        for count in images:
            for kind in ("files", "shards") if count <= arguments.files_at_most else ("shards",):
                prepare(kind, count, weights)
                measured += list(measure(kind, count))
                sizes[kind, count] = {name: size_of(RUN / name) for name in ("data/drawn", "features", ".dvc/cache")}
        remove(RUN)
        write_section(report(measured, sizes, arguments.core_hour))
        print(f"{PAGE} has the tables")


def draw_weights(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(build(f"timm/{NETWORK}").state_dict(), path)
    return path.resolve()


def prepare(kind: str, images: int, weights: Path) -> None:
    """The copy, with pictures and weights."""
    copy_project(RUN)
    change_params(lambda params: settle(params, weights))
    raw = RUN / paths.raw(CELL[1])
    drawn = raw if kind == "files" else FOLDER / "drawn"
    remove(drawn)
    draw_pictures(drawn, images)
    if kind == "shards":
        write_shards(drawn, raw, SHARD)
        remove(drawn)
    watched([sys.executable, "-m", "stages.weights", CELL[0]], RUN)


def settle(params: dict[str, Any], weights: Path) -> None:
    """One network, one data set, one variant; a learning curve of one run each of 100 images and of all."""
    of = {"source": "timm", "name": NETWORK, "urls": [str(weights)], "sha256": sha256(weights), "licence": "none"}
    look = {"fit": "crop", "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
    params["models"] = {CELL[0]: {**of, "resize": SIDE, "crop": SIDE, **look}}
    params["datasets"], params["downloads"] = {CELL[1]: {}}, {}
    params["variants"] = {"frozen": params["variants"]["frozen"]}
    params["learning_curve"] |= {"images": [100], "draws": 1}


def change_params(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load((RUN / PARAMS_FILE).read_text(encoding="utf-8"))
    change(params)
    (RUN / PARAMS_FILE).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def measure(kind: str, images: int) -> Iterator[Measured]:
    """Each stage, and then DVC."""
    commands = [
        *((name, [sys.executable, "-m", f"stages.{name}", *of]) for name, of in STAGES.items()),
        *((f"dvc {name}", [sys.executable, "-m", "dvc", *of, "--quiet"]) for name, of in DVC.items()),
    ]
    for what, command in commands:
        taken = watched(command, RUN)
        print(f"{images} as {kind}, {what}: {taken}", flush=True)
        yield Measured(kind, images, what, taken)


def size_of(folder: Path) -> float:
    """MB on disk of all files below it, in whole blocks."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_blocks * 512 for path in files) / MB


Sizes = dict[tuple[str, int], dict[str, float]]


def report(measured: list[Measured], sizes: Sizes, core_hour: float) -> str:
    """Tables in Markdown."""
    of_stages = [of for of in measured if of.kind == "shards" and of.what in STAGES]
    of_dvc = [of for of in measured if of.what not in STAGES or of.what == "arrange"]
    title = f"{machine()}; pictures of {SIDE} pixels, {NETWORK} with drawn weights"
    return "\n".join(
        [
            f"{title}. As tar files: seconds, and MiB of memory at most, without what files stand for (and with it).\n",
            stages_table(of_stages),
            "Seconds by the model, so much at the start and so much for each image, fitted to all but the last column;"
            " the error at each number of images:\n",
            model_table(of_stages),
            "Single files beside tar files, in seconds:\n",
            kinds_table(of_dvc),
            "MB of disk, in whole blocks:\n",
            sizes_table(sizes),
            f"Estimated by that model, not measured: hours of a core, at {core_hour:g} dollars each, an assumption;"
            " without what grows faster than the images do, as in the audit, see below:\n",
            estimates_table(of_stages, core_hour),
        ]
    )


def stages_table(measured: list[Measured]) -> str:
    def shown(of: Taken) -> str:
        return f"{of.seconds:.1f} s, {of.anonymous:.0f} ({of.resident:.0f})"

    return table(measured, lambda of: of.what, shown, "stage")


def kinds_table(measured: list[Measured]) -> str:
    return table(measured, lambda of: f"{of.what}, {of.kind}", lambda of: f"{of.seconds:.1f}", "what, as")


def table(measured: list[Measured], name: Callable[[Measured], str], shown: Callable[[Taken], str], first: str) -> str:
    """A row for each name, in alphabetical order but for stages, a column for each number of images."""
    images = sorted({of.images for of in measured})
    cells = {(name(of), of.images): shown(of.taken) for of in measured}
    names = dict.fromkeys(name(of) for of in sorted(measured, key=lambda of: [*STAGES, of.what].index(of.what)))
    rows = [(row, *(cells.get((row, count), "not measured") for count in images)) for row in names]
    return markdown((first, *(f"{count:,}" for count in images)), rows)


def model_table(measured: list[Measured]) -> str:
    images = sorted({of.images for of in measured})
    rows = []
    for stage in STAGES:
        seconds = seconds_of(measured, stage)
        costs = Costs.of(images[:-1], seconds[:-1])
        errors = (f"{round(100 * (costs(count) / took - 1)):+d} %" for count, took in zip(images, seconds, strict=True))
        rows.append((stage, f"{costs.fixed:.1f}", f"{1e3 * costs.each:.3f}", *errors))
    return markdown(("stage", "start, s", "an image, ms", *(f"{count:,}" for count in images)), rows)


def estimates_table(measured: list[Measured], core_hour: float) -> str:
    """Of all that was measured, the largest number as well; by time of processors, whatever their number."""
    images = sorted({of.images for of in measured})
    rows = []
    for stage in STAGES:
        costs = Costs.of(images, [of.taken.cpu_seconds for of in measured if of.what == stage])
        hours = [costs(count) / 3600 for count in ESTIMATED]
        rows.append((stage, *chain.from_iterable((f"{of:.1f}", f"{of * core_hour:.2f}") for of in hours)))
    header = chain.from_iterable((f"{count:,}: hours", "dollars") for count in ESTIMATED)
    return markdown(("stage", *header), rows)


def seconds_of(measured: list[Measured], stage: str) -> list[float]:
    return [of.taken.seconds for of in measured if of.what == stage]


def sizes_table(sizes: Sizes) -> str:
    rows = [(f"{count:,} as {kind}", *(f"{of:.0f}" for of in sizes[kind, count].values())) for kind, count in sizes]
    return markdown(("images", *next(iter(sizes.values()))), rows)


def write_section(text: str) -> None:
    """Into docs/scale.md, which may not be there yet."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else TITLE
    if BEGIN not in page:
        page += f"\n{SECTION}\n{BEGIN}{END}"
    with written_whole(PAGE) as part:
        part.write_text(between_marks(page, text, BEGIN, END), encoding="utf-8")


if __name__ == "__main__":
    main()
