"""What a network's `fit` does to a last layer's accuracy: `python -m scripts.measuring.fits [--network mobilenet_v2]`.

Prints the table of docs/images.md: of drawn pictures, whose two classes differ at their ends alone, and of the val
images of params.yaml's data sets. Nothing is written.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image, ImageDraw

from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.params import Fit
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.models.backbone import BATCH, Backbone
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, list_split, list_splits
from stages.preprocessing.squares import read_squares
from stages.recipes.variant import Probe, Variant
from stages.settings import load_params

FITS: tuple[Fit, ...] = get_args(Fit)
SEEDS = range(10)
DRAWN = 100  # pictures of each class, every second of which trains
SIZE = (400, 80)

Split = tuple[LabelledFiles, LabelledFiles]  # train, val


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.fits", description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2")
    network = parser.parse_args().network
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        params = load_params()
        pretrained = Pretrained.read(paths.weights(network), network)
        backbone = Backbone(pretrained.graph, pretrained.tensors, params.runtime.device)
        draw_ends(Path(folder))
        both = {**params.variants, **params.study.variants}
        recipes = {name: of for name, of in both.items() if of.trainable == "head"}
        print(f"| images | last layer | {' | '.join(FITS)} |\n{'| --- ' * (2 + len(FITS))}|")
        report("drawn", halves(list_split(Path(folder))), Preprocessing.of(network, None), backbone, recipes)
        for dataset in params.datasets:
            splits = list_splits(paths.images(dataset))
            look = Preprocessing.of(network, dataset)
            report(dataset, (splits["train"], splits["val"]), look, backbone, recipes)


def report(
    name: str, splits: Split, look: Preprocessing, backbone: Backbone, recipes: dict[str, Variant | Probe]
) -> None:
    """A line for each recipe: accuracies on the val images, the mean over SEEDS."""
    train, val = ([embedded(backbone, of, replace(look, fit=fit)) for fit in FITS] for of in splits)
    for recipe_name, recipe in recipes.items():
        means = [np.mean([accuracy(recipe, *both, seed) for seed in SEEDS]) for both in zip(train, val, strict=True)]
        print(f"| {name} | {recipe_name} | {' | '.join(f'{mean:.4f}' for mean in means)} |", flush=True)


def embedded(backbone: Backbone, of: LabelledFiles, look: Preprocessing) -> Embeddings:
    squares = read_squares(of.files, look, BATCH, workers=2, progress=False)
    return Embeddings(np.concatenate([backbone.embeddings(to_input(batch, look)) for batch in squares]), of.labels)


def accuracy(recipe: Variant | Probe, train: Embeddings, val: Embeddings, seed: int) -> float:
    head, _ = fit_last_layer(recipe, train, val, seed)
    return float((head.logits(val.embeddings).argmax(1) == val.labels).mean())


def halves(of: LabelledFiles) -> Split:
    first, second = (LabelledFiles(of.files[start::2], of.labels[start::2], of.classes) for start in (0, 1))
    return first, second


def draw_ends(folder: Path) -> None:
    """Grey noise, with a light disc or a dark square at both ends, and nothing in the middle."""
    for number, image in enumerate(noises()):
        kind, draw = ("discs", "squares")[number % 2], ImageDraw.Draw(image)
        for left in (10, SIZE[0] - 70):
            box = (left, 10, left + 60, 70)
            if kind == "discs":
                draw.ellipse(box, fill=(240, 240, 200))
            else:
                draw.rectangle(box, fill=(20, 20, 60))
        (folder / kind).mkdir(exist_ok=True)
        image.save(folder / kind / f"{number:03}.png")


def noises() -> Iterator[Image.Image]:
    rng = np.random.default_rng(0)
    for _ in range(2 * DRAWN):
        yield Image.fromarray(rng.integers(80, 170, (SIZE[1], SIZE[0], 3), dtype=np.uint8))


if __name__ == "__main__":
    main()
