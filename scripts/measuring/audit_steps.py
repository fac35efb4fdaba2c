"""What each step of the audit takes of drawn images: docs/scale.md.

python -m scripts.measuring.audit_steps IMAGES [--features 1280] [--classes 100] [--recall]

Features and grey copies lie in mapped files in work/; features differ in about as many directions as mobilenet_v2's of
the three sets: kinds within classes, and noise. Of a hundredth, a copy is put in. Memory is what a step had more than
was there before it, beside mapped files, at most (Linux). With --recall: how many neighbours of 1,000 images are found.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from scripts.results import markdown
from stages.faults import cells, copies
from stages.faults.labels import suspect_labels
from stages.faults.looks import GREY, Looks
from stages.faults.outliers import outlier_inputs, strangeness
from stages.faults.rows import points_of
from stages.faults.shortcuts import find_shortcuts
from stages.ground import paths
from stages.ground.runtime import load_runtime
from stages.statistics.neighbours import directions, nearest

KINDS = 10  # of each class
RANK, FALL = 300, 0.55  # of what features differ in: how many directions, and how fast what is in them falls
AMONG = 0.66  # of what they differ in, within a kind
COPIES = 0.01
ROWS = 10000
ASKED = 1000
WAYS = ((0, 16), (1, 16), (3, 4), (3, 8), (3, 16), (3, 32))  # rounds of k-means, and cells that are looked into

Found = TypeVar("Found")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.audit_steps", description=__doc__)
    parser.add_argument("images", type=int)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--recall", action="store_true")
    arguments = parser.parse_args()
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.SCRATCH) as made:
        drawn = Drawn.written(Path(made), arguments.images, arguments.features, arguments.classes)
        print(recall_table(drawn) if arguments.recall else step_table(drawn))


@dataclass(frozen=True)
class Drawn:
    embeddings: np.ndarray  # (N, D) float32, mapped
    greys: np.ndarray  # (N, GREY, GREY) uint8, mapped
    labels: np.ndarray  # (N,)
    copies: np.ndarray  # (P, 2) numbers of originals and their copies

    @classmethod
    def written(cls, folder: Path, images: int, features: int, classes: int) -> "Drawn":
        rng, copies = np.random.default_rng(0), max(1, round(COPIES * images))
        pairs = rng.choice(images, (copies, 2), replace=False)
        embeddings = np.memmap(folder / "features", np.float32, "w+", shape=(images, features))
        greys = np.memmap(folder / "greys", np.uint8, "w+", shape=(images, GREY, GREY))
        labels = rng.integers(0, classes, images)
        draw_embeddings(embeddings, labels, classes, rng)
        larger = np.clip((np.arange(GREY) + 0.5) * 8 / GREY - 0.5, 0, 7)[:, None] - np.arange(8)
        larger = (1 - np.abs(larger)).clip(0)  # linear interpolation
        for begin in range(0, images, ROWS):
            blots = rng.integers(0, 256, (len(greys[begin : begin + ROWS]), 8, 8))
            greys[begin : begin + ROWS] = larger @ blots @ larger.T
        for original, copy in pairs:
            embeddings[copy] = embeddings[original] * np.exp(0.15 * rng.standard_normal(features, np.float32))
            greys[copy] = greys[original] * 0.9
        return cls(embeddings, greys, labels, pairs)


def draw_embeddings(to: np.ndarray, labels: np.ndarray, classes: int, rng: np.random.Generator) -> None:
    """Fill (N, D), as a network's last activation is."""
    rank, features = min(RANK, to.shape[1]), to.shape[1]
    scales = np.arange(1, rank + 1) ** -FALL
    axes = (scales[:, None] * rng.standard_normal((rank, features)) / np.linalg.norm(scales)).astype(np.float32)
    kinds = np.float32((1 - AMONG**2) ** 0.5) * rng.standard_normal((classes * KINDS, rank), np.float32)
    for begin in range(0, len(to), ROWS):
        of = labels[begin : begin + ROWS]
        places = kinds[of * KINDS + rng.integers(0, KINDS, len(of))]
        places += np.float32(AMONG) * rng.standard_normal(places.shape, np.float32)
        to[begin : begin + ROWS] = np.exp(places @ axes)


def step_table(drawn: Drawn) -> str:
    lines: list[tuple[str, ...]] = []
    labels, numbers, workers = drawn.labels, np.arange(len(drawn.labels)), load_runtime().workers
    seen, coarse = points_of(drawn.embeddings, directions), points_of(drawn.greys, copies.descriptors)

    def step(name: str, work: Callable[[], Found]) -> Found:
        with Memory() as memory:
            begin, of_processor = time.perf_counter(), time.process_time()
            found = work()
            took = (time.perf_counter() - begin, time.process_time() - of_processor)
        lines.append((name, *(f"{seconds:.1f}" for seconds in took), f"{memory.most:.0f}"))
        print(*lines[-1], file=sys.stderr, flush=True)
        return found

    step("copies: how alike different pictures are", lambda: copies.border_of(drawn.greys, coarse, labels))
    step("… the nearest by features", lambda: copies.neighbour_pairs([cells.Cells(seen, numbers)], numbers, 1))
    step("… the nearest by grey copies", lambda: copies.neighbour_pairs([cells.Cells(coarse, numbers)], numbers, 1))
    found = step("copies, all of it", lambda: copies.find_copies(drawn.greys, drawn.embeddings, labels, workers)).pairs
    groups = step("groups that copies join", lambda: copies.joined(found, numbers))
    step("doubtful labels", lambda: suspect_labels(drawn.embeddings, labels, groups))
    step("unlike all others", lambda: strangeness(drawn.embeddings, labels))
    step("shortcuts", lambda: find_shortcuts(drawn_looks(len(numbers)), labels, groups))
    named = set(map(tuple, found.tolist()))
    share = np.mean([tuple(sorted(pair)) in named for pair in drawn.copies.tolist()])
    return (
        f"{markdown(('step', 'seconds', '… of processors', 'MiB more'), lines)}\n{share:.3f} of the copies are found\n"
    )


def drawn_looks(images: int) -> Looks:
    """Without grey copies."""
    rng = np.random.default_rng(0)
    size, length = np.tile((640, 480), (images, 1)), rng.integers(50000, 100000, images)
    kind, same = np.full(images, "JPEG"), np.full(images, 0.2)
    colours, grey = rng.random((images, 18)), np.empty((images, 0, 0), np.uint8)
    return Looks(size, length, kind, same, colours[:, :6], colours[:, 6:], same, same, grey)


def recall_table(drawn: Drawn) -> str:
    """Of neighbours in cells, how many are the true ones."""
    lines: list[tuple[str, ...]] = []
    numbers = np.arange(len(drawn.labels))
    asked = np.sort(np.random.default_rng(1).choice(numbers, ASKED, replace=False))
    for name, points in (
        ("features", points_of(drawn.embeddings, directions)),
        ("features, for what is unlike others", points_of(drawn.embeddings, outlier_inputs)),
        ("grey copies", points_of(drawn.greys, copies.descriptors)),
    ):
        true = nearest(points[asked], points[:], 6)
        for cells.ROUNDS, cells.PROBES in WAYS:
            found = cells.Cells(points, numbers).nearest(asked, 6)
            farther = found.distances[:, 1:].mean() / true.distances[:, 1:].mean()
            shares = (shared(found.numbers[:, 1 : 1 + count], true.numbers[:, 1 : 1 + count]) for count in (1, 5))
            way = (f"{cells.ROUNDS}", f"{cells.PROBES}")
            lines.append((name, *way, *(f"{number:.3f}" for number in (*shares, farther))))
    header = (
        "neighbours by",
        "rounds of k-means",
        "cells looked into",
        "the nearest is found",
        "of the five nearest",
        "times as far",
    )
    return markdown(header, lines)


def shared(found: np.ndarray, true: np.ndarray) -> float:
    """The share of the true neighbours, (N, K) numbers, that are among the found ones"""
    return float((found[:, None] == true[:, :, None]).any(2).mean())


class Memory:
    """The most that this process has of its own while the block runs, in MiB more than before: `most`."""

    def __enter__(self) -> "Memory":
        self._before, self.most, self._over = own_memory(), 0.0, threading.Event()
        self._watch = threading.Thread(target=self._watched)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _watched(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, own_memory() - self._before)


def own_memory() -> float:
    """MiB that are of no file"""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
