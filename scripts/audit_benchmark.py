"""How good the audit is, on faults that are planted: `make bench-audit`, docs/audit.md.

python -m scripts.audit_benchmark [--seeds 3] [--first-seed 0] [--network mobilenet_v2] [--without-time]

In the data sets whose features are there, labels are flipped, and copies, foreign, empty and blurred pictures put in,
all drawn from seeds; what is reported is what the audit finds of them. Seeds from 100 on are for choosing its settings.
Times are of the audit beside the features, on drawn pictures. Nothing else should run meanwhile.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from PIL import Image

from scripts.measuring.comparison import machine
from scripts.measuring.planted import COPIES, auroc, blank, blurred, flipped, recall_at
from scripts.results import between_marks, markdown
from stages.audit import BLURRED, EMPTY, STRANGE, Pictures, audited
from stages.faults.copies import find_copies
from stages.faults.held_out import held_out_probabilities
from stages.faults.labels import MARGIN, label_inputs, log_margins
from stages.faults.looks import look_at
from stages.faults.outliers import strangeness
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.ground.runtime import Runtime, load_runtime
from stages.models.backbone import BATCH, Backbone
from stages.models.features import Features
from stages.models.pretrained import Pretrained
from stages.pictures.picture import open_picture
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.squares import read_squares
from stages.settings import load_params
from stages.statistics.neighbours import directions, nearest

PAGE = Path("docs/audit.md")
BEGIN, END = "<!-- measured: make bench-audit -->\n", "<!-- end of measured -->\n"
PRECISION = 0.8
OF_EACH = 15  # copies of each kind in a draw
FOREIGN = 0.02  # of a set's images
BLANK, BLURS = 20, 50
TIMED = (1000, 50000)
WIDTH = 1280  # of drawn embeddings

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.audit_benchmark", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--without-time", action="store_true")
    parser.add_argument("--timed", type=int, help=argparse.SUPPRESS)  # in a process of its own, for its memory
    arguments = parser.parse_args()
    with one_line_errors():
        if arguments.timed:
            print(timed(arguments.timed))
            return
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        text = report(arguments.network, seeds, not arguments.without_time)
        print(text)
        with written_whole(PAGE) as part:
            part.write_text(between_marks(PAGE.read_text(encoding="utf-8"), text, BEGIN, END), encoding="utf-8")


def report(network: str, seeds: Sequence[int], with_time: bool) -> str:
    sets = {name: read(network, name) for name in load_params().datasets if paths.features(network, name).is_file()}
    if not sets:
        raise ProjectError(f"there are no features of {network}: run dvc repro features first")
    parts: list[tuple[str, Callable[[], Table]]] = [
        ("Flipped labels, 5 % of them", lambda: labels_table(sets, seeds)),
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


def mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}"


def labels_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    header = (
        "data set", "flipped", "recall at precision 0.8", "cleanlab: normalized margin", "… self confidence",
        "named: precision", "named: recall", "cleanlab named: precision", "… recall",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for name, pictures in sets.items():
        alike = most_alike(pictures)
        for how, to in (("at random", None), ("to the class most alike", alike)):
            found = [of_labels(pictures, *flipped(pictures.labels, seed, to)) for seed in seeds]
            rows.append((name, how, *(mean(column) for column in zip(*found, strict=True))))
    return header, rows


def most_alike(pictures: Pictures) -> np.ndarray:
    """(C,) for each class the other that its images are most probable to be"""
    probabilities = held_out_probabilities(label_inputs(pictures.embeddings), pictures.labels, pictures.groups)
    classes = range(len(pictures.classes))
    mistaken = np.array([probabilities[pictures.labels == of].mean(0) for of in classes])
    np.fill_diagonal(mistaken, -1)
    alike: np.ndarray = mistaken.argmax(1)
    return alike


def of_labels(pictures: Pictures, labels: np.ndarray, wrong: np.ndarray) -> tuple[float, ...]:
    probabilities = held_out_probabilities(label_inputs(pictures.embeddings), labels, pictures.groups)
    margins, _ = log_margins(probabilities, labels)
    theirs = [
        recall_at(PRECISION, -get_label_quality_scores(labels, probabilities, method=method), wrong)
        for method in ("normalized_margin", "self_confidence")
    ]
    named, by_cleanlab = margins > MARGIN, find_label_issues(labels, probabilities)
    shares = [share for of in (named, by_cleanlab) for share in (wrong[of].mean(), wrong[of].sum() / wrong.sum())]
    return recall_at(PRECISION, margins, wrong), *theirs, *map(float, shares)


def copies_table(network: str, sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    header = ("data set", *COPIES, "all kinds", "honest pairs of one class named")
    rows = []
    for name, pictures in sets.items():
        found = [of_copies(network, name, pictures, seed) for seed in seeds]
        rows.append((name, *(mean(column) for column in zip(*found, strict=True))))
    return header, rows


def of_copies(network: str, dataset: str, pictures: Pictures, seed: int) -> tuple[float, ...]:
    """The recall of each kind, of all, and which share of honest pairs is called copies."""
    rng, folder = np.random.default_rng(seed), paths.images(dataset)
    kinds = [kind for kind in COPIES for _ in range(OF_EACH)]
    val = [number for number, split in enumerate(pictures.splits) if split == "val"]
    sources = rng.choice(val, len(kinds), replace=len(val) < len(kinds))
    with tempfile.TemporaryDirectory(dir=paths.SCRATCH) as made:
        files = [Path(made) / f"{number}.jpg" for number in range(len(kinds))]
        for file, kind, source in zip(files, kinds, sources, strict=True):
            COPIES[kind](open_picture(folder / pictures.files[source]), rng).save(file, quality=90)
        embeddings = embed(network, dataset, files)
        greys = np.stack([look_at(file).grey for file in [*(folder / of for of in pictures.files), *files]])
    labels = np.concatenate((pictures.labels, pictures.labels[sources]))
    pairs = find_copies(greys, np.concatenate((pictures.embeddings, embeddings)), labels).pairs
    named, first = set(map(tuple, pairs.tolist())), len(pictures.files)
    hit = np.array([(source, first + number) in named for number, source in enumerate(sources.tolist())])
    recalls = [float(hit[number : number + OF_EACH].mean()) for number in range(0, len(kinds), OF_EACH)]
    return *recalls, float(hit.mean()), honest_share(pictures, named)


def honest_share(pictures: Pictures, named: set[tuple[int, ...]]) -> float:
    """Of all pictures, each with the nearest of its class, how many pairs are called copies."""
    points, pairs = directions(pictures.embeddings), set()
    for label in range(len(pictures.classes)):
        (of,) = np.nonzero(pictures.labels == label)
        neighbours = of[nearest(points[of], points[of], 1, same=True).numbers[:, 0]]
        pairs |= {(min(pair), max(pair)) for pair in zip(of.tolist(), neighbours.tolist(), strict=True)}
    return len(pairs & named) / len(pairs)


def embed(network: str, dataset: str, files: list[Path]) -> np.ndarray:
    pretrained, preprocessing = Pretrained.read(paths.weights(network), network), Preprocessing.of(network, dataset)
    backbone = Backbone(pretrained.graph, pretrained.tensors, "cpu")
    batches = read_squares(files, preprocessing, BATCH, load_runtime().workers, progress=False)
    return np.concatenate([backbone.embeddings(to_input(squares, preprocessing)) for squares in batches])


def foreign_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    header = ("data set", "foreign", "AUROC", "named", "others named", "AUROC by the 5 nearest of all")
    rows: list[tuple[str, ...]] = []
    for name, other in permutations(sets, 2):
        found = [of_foreign(sets[name], sets[other], seed) for seed in seeds]
        auc, named, others, plain = (mean(column) for column in zip(*found, strict=True))
        rows.append((name, other, auc, named, others, plain))
    return header, rows


def of_foreign(own: Pictures, other: Pictures, seed: int) -> tuple[float, ...]:
    """`other`'s pictures come with labels at random."""
    rng, count = np.random.default_rng(seed), len(own.files)
    chosen = rng.choice(len(other.files), round(FOREIGN * count), replace=False)
    together = np.concatenate((own.embeddings, other.embeddings[chosen]))
    labels = np.append(own.labels, rng.integers(0, len(own.classes), len(chosen)))
    scores, points = strangeness(together, labels), directions(together)
    plain = nearest(points, points, 5, same=True).distances.mean(1)
    named = scores > STRANGE
    return (
        auroc(scores[:count], scores[count:]),
        float(named[count:].mean()),
        float(named[:count].mean()),
        auroc(plain[:count], plain[count:]),
    )


def odd_table(sets: dict[str, Pictures], seeds: Sequence[int]) -> Table:
    header = ("data set", "empty: named", "others named", "blurred: AUROC", "named", "others named")
    return header, [(name, *map(mean, zip(*of_odd(name, sets[name], seeds), strict=True))) for name in sets]


def of_odd(dataset: str, pictures: Pictures, seeds: Sequence[int]) -> Iterator[tuple[float, ...]]:
    files = [paths.images(dataset) / file for file in pictures.files]
    looks = [look_at(file) for file in files]
    blurs, contrasts = np.array([of.blur for of in looks]), np.array([of.contrast for of in looks])
    for seed in seeds:
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory(dir=paths.SCRATCH) as made:
            file = Path(made) / "one.jpg"

            def looked(picture: Image.Image, file: Path = file) -> tuple[float, float]:
                picture.save(file, quality=90)
                found = look_at(file)
                return found.contrast, found.blur

            empty = [looked(blank(200, rng))[0] for _ in range(BLANK)]
            soft = [
                looked(blurred(open_picture(files[at]), rng))[1] for at in rng.choice(len(files), BLURS, replace=False)
            ]
        yield (
            float(np.mean(np.array(empty) < EMPTY)),
            float((contrasts < EMPTY).mean()),
            auroc(blurs, np.array(soft)),
            float(np.mean(np.array(soft) > BLURRED)),
            float((blurs > BLURRED).mean()),
        )


def time_table() -> Table:
    rows: list[tuple[str, ...]] = []
    for images in TIMED:
        command = [sys.executable, "-m", "scripts.audit_benchmark", "--timed", str(images)]
        seconds, before, most = subprocess.run(command, check=True, text=True, capture_output=True).stdout.split()
        rows.append((f"{images}", f"{float(seconds):.1f}", before, most))
    return ("drawn images", "seconds", "MiB with the features read", "… at most"), rows


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
        audited(pictures, Path(made), None, "crop", Runtime(**load_runtime().model_dump() | {"progress": False}))
        return f"{time.perf_counter() - begin} {before} {memory()}"


def memory() -> int:
    """The most that this process has had, in MiB"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
