"""What the audit says of planted copies, and of foreign, empty and blurred pictures: tables for docs/audit.md."""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.measuring.planted import COPIES, Table, auroc, blank, blurred, mean
from stages.audit import BLURRED, EMPTY, STRANGE, Pictures
from stages.faults.copies import find_copies
from stages.faults.looks import look_at
from stages.faults.outliers import strangeness
from stages.ground import paths
from stages.ground.runtime import load_runtime
from stages.models.backbone import BATCH, Backbone
from stages.models.pretrained import Pretrained
from stages.pictures.picture import open_picture
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.squares import read_squares
from stages.statistics.neighbours import directions, nearest

OF_EACH = 15  # copies of each kind in a draw
FOREIGN = 0.02  # of a set's images
BLANK, BLURS = 20, 50


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
    pairs = find_copies(greys, np.concatenate((pictures.embeddings[:], embeddings)), labels).pairs
    named, first = set(map(tuple, pairs.tolist())), len(pictures.files)
    hit = np.array([(source, first + number) in named for number, source in enumerate(sources.tolist())])
    recalls = [float(hit[number : number + OF_EACH].mean()) for number in range(0, len(kinds), OF_EACH)]
    return *recalls, float(hit.mean()), honest_share(pictures, named)


def honest_share(pictures: Pictures, named: set[tuple[int, ...]]) -> float:
    """Of all pictures, each with the nearest of its class, how many pairs are called copies."""
    points, pairs = directions(pictures.embeddings[:]), set()
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
    together = np.concatenate((own.embeddings[:], other.embeddings[chosen]))
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
