"""Train the last layer on fewer images: what would more images, or fewer, have given?

A frozen variant's recipe on the kept features, with 10, 20, 50, … train images and with all; each several times,
with other images (each class in proportion), another order and other initial weights. With all images it is
those two alone that differ, so that their spread is that of training itself. Every run takes as many
optimizer steps as the one with all images, as nearly as whole epochs allow: fewer images mean more epochs. So the
curve shows what the images are worth, and not how long was trained.

In:  learning_curve, the variant that it names, seed, features/MODEL/DATASET.safetensors
Out: plots/MODEL/DATASET-learning_curve.tsv: images, draw (from 1), accuracy (on the val images)
"""

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.files import write_table
from stages.ground.params import Seed, load_section
from stages.ground.seeds import derived_rng
from stages.heads.linear import Embeddings, Head, Sgd
from stages.heads.settings import LearningCurve
from stages.models.features import Features
from stages.recipes.variant import Variant, load_recipe
from stages.statistics.sampling import stratified
from stages.statistics.scores import score


def main(model: str, dataset: str) -> None:
    settings: LearningCurve = load_section("learning_curve", LearningCurve)
    recipe, seed = load_recipe(settings.variant), load_section("seed", Seed)
    assert isinstance(recipe, Variant)  # as stages/settings.py has it
    features = Features.read(paths.features(model, dataset))
    train, val = (Embeddings(of.embeddings, of.labels) for of in (features.splits["train"], features.splits["val"]))
    rows: list[dict[str, float]] = []
    for images in sizes(settings.images, len(features.classes), len(train.labels)):
        accuracies = [
            accuracy_with(images, train, val, recipe, draw_seed(seed, images, draw))
            for draw in range(1, settings.draws + 1)
        ]
        print(f"{images} images: mean accuracy {np.mean(accuracies):.4f} of {settings.draws} draws", flush=True)
        rows += [
            {"images": images, "draw": draw, "accuracy": accuracy} for draw, accuracy in enumerate(accuracies, start=1)
        ]
    write_table(paths.learning_curve(model, dataset), rows)


def sizes(wanted: list[int], classes: int, available: int) -> list[int]:
    """The wanted numbers of images that give each class one and are less than all, and all."""
    return [*(images for images in wanted if classes <= images < available), available]


def draw_seed(seed: int, images: int, draw: int) -> int:
    """What the images, the initial weights and the order of one run follow from."""
    return int(derived_rng(seed, images, draw).integers(2**63))


def accuracy_with(images: int, train: Embeddings, val: Embeddings, recipe: Variant, seed: int) -> float:
    """The accuracy on `val` of a last layer trained on so many of `train`, after the last epoch."""
    some = stratified(train.labels, images, derived_rng(seed))
    chosen = train.part(some)
    recipe = recipe.with_steps_of(images, len(train.labels))
    sgd = Sgd(Head.drawn(train.embeddings.shape[1], int(train.labels.max()) + 1, seed), recipe)
    for epoch in range(1, recipe.epochs + 1):  # as fit_head, but for a look at `val` after each of thousands of epochs
        sgd.epoch(chosen, seed, epoch)
    return score(sgd.head.logits(val.embeddings), val.labels)[1]


if __name__ == "__main__":
    run(main)
