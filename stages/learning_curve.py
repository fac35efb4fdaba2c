"""Train the last layer on fewer images: what would more images, or fewer, have given?

A frozen variant's recipe on the kept features, with 10, 20, 50, … train images and with all; each several times,
with other images (each class in proportion), another order and other initial weights. With all images it is
those two alone that differ, so that their spread is that of training itself. Every run takes as many
optimizer steps as the one with all images, as nearly as whole epochs allow: fewer images mean more epochs. So the
curve shows what the images are worth, and not how long was trained.

In:  learning_curve, the variant that it names, seed, features/MODEL/DATASET.pt
Out: plots/MODEL/DATASET-learning_curve.tsv: images, draw (from 1), accuracy (on the val images)
     plots/MODEL/DATASET-learning_curve.png
"""

import math

import numpy as np
import torch

from stages.common import paths
from stages.common.cli import run
from stages.common.compute import Compute, choose_device
from stages.common.examples import Embeddings
from stages.common.figures import save_figure
from stages.common.figures.learning_curve import draw_learning_curve
from stages.common.files import write_table
from stages.common.fit import lr_factor, new_optimizer, predict, score, train_epoch
from stages.common.network import LastLayer
from stages.common.params import Variant, load_params
from stages.common.seeds import derived_rng, seed_torch
from stages.common.tensors import load_tensors


def main(model: str, dataset: str) -> None:
    params = load_params()
    settings = params.learning_curve
    recipe = params.variants[settings.variant]
    device = choose_device(params.runtime.device)
    features = load_tensors(paths.features(model, dataset), ("classes", "train", "val"))
    train, val = Embeddings(**features["train"]), Embeddings(**features["val"])

    accuracies: dict[int, list[float]] = {}
    for images in sizes(settings.images, len(features["classes"]), len(train.labels)):
        accuracies[images] = [
            accuracy_with(images, train, val, recipe, draw_seed(params.seed, images, draw), device)
            for draw in range(1, settings.draws + 1)
        ]
        print(f"{images} images: mean accuracy {np.mean(accuracies[images]):.4f} of {settings.draws} draws", flush=True)

    rows = [
        {"images": images, "draw": draw, "accuracy": accuracy}
        for images, of in accuracies.items()
        for draw, accuracy in enumerate(of, start=1)
    ]
    write_table(paths.learning_curve(model, dataset), rows)
    note = (
        f"Points: {settings.draws} draws each, of images, their order and initial weights (all: of the last two);"
        " line: their mean.\nAll are judged on the same val images; every run takes as many optimizer steps as"
        f" {recipe.epochs} epochs of all images."
    )
    title = f"{model} on {dataset}, {settings.variant}: {len(val.labels)} val images"
    save_figure(paths.learning_curve_figure(model, dataset), draw_learning_curve(title, accuracies, note))


def sizes(wanted: list[int], classes: int, available: int) -> list[int]:
    """The wanted numbers of images that give each class one and are less than all, and all."""
    return [*(images for images in wanted if classes <= images < available), available]


def draw_seed(seed: int, images: int, draw: int) -> int:
    """What the images, the initial weights and the order of one run follow from."""
    return int(derived_rng(seed, images, draw).integers(2**63))


def accuracy_with(
    images: int, train: Embeddings, val: Embeddings, recipe: Variant, seed: int, device: torch.device
) -> float:
    """The accuracy on `val` of a last layer trained on so many of `train`, after the last epoch."""
    some = torch.from_numpy(stratified(train.labels.numpy(), images, derived_rng(seed)))
    chosen = Embeddings(train.embeddings[some], train.labels[some])
    seed_torch(seed)
    layer = LastLayer(train.embeddings.shape[1], int(train.labels.max()) + 1).to(device)
    compute = Compute(device, "float32")
    recipe = with_steps_of(recipe, images, len(train.labels))
    optimizer = new_optimizer(layer, recipe)
    for epoch in range(1, recipe.epochs + 1):  # as `fit`, but for a look at `val` after each of thousands of epochs
        optimizer.param_groups[0]["lr"] = recipe.lr * lr_factor(recipe, epoch)
        train_epoch(layer, chosen, optimizer, recipe.batch_size, seed, epoch, compute)
    return score(predict(layer, val, compute), val.labels)[1]


def stratified(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The numbers of `count` examples, ascending, each class by its share, and once at least if `count` allows.

    Each class's examples, in random order, are spread evenly over 0..1; those that come first are taken.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        place[members] = rng.permutation(len(members)) / len(members)
    by_chance = rng.random(len(labels))  # which class has one more
    return np.sort(np.lexsort((by_chance, place))[:count])


def with_steps_of(recipe: Variant, images: int, all_images: int) -> Variant:
    """`recipe` with more epochs, so that `images` are trained on for as many steps as all would be."""
    longer = steps(all_images, recipe) / steps(images, recipe)
    epochs = {"epochs": recipe.epochs, "step_epochs": recipe.step_epochs}
    return recipe.model_copy(
        update={name: max(1, round(number * longer)) for name, number in epochs.items() if number is not None}
    )


def steps(images: int, recipe: Variant) -> int:
    """Optimizer steps in an epoch; see train_epoch."""
    return math.ceil(images / recipe.batch_size)


if __name__ == "__main__":
    run(main)
