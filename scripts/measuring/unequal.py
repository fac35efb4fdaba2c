"""What class weights are worth where one class is small: `python -m scripts.measuring.unequal [--network NAME]`.

Prints the table of docs/tuning.md. Of the train images of each data set of params.yaml, one class keeps a tenth:
another class, and another tenth, for each seed. Recalls are taken on all val images of a class; the accuracy is what
they come to where val images are as unequal as train images. Of each number the mean and, in brackets, the standard
deviation over seeds. Reads kept features; nothing is written.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.params import known_as
from stages.ground.seeds import derived_rng
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.models.features import Features
from stages.recipes.variant import Probe, Variant
from stages.recipes.weights import ClassWeights
from stages.settings import load_params

SEEDS = range(20)
KEPT = 0.1  # of the small class
KINDS: tuple[ClassWeights, ...] = ("none", "balanced")


@dataclass(frozen=True)
class Unequal:
    """Train images of which one class has few, and all val images."""

    train: Embeddings
    val: Embeddings
    small: int  # the class

    @classmethod
    def drawn(cls, train: Embeddings, val: Embeddings, seed: int) -> "Unequal":
        rng, small = derived_rng(seed), seed % (int(train.labels.max()) + 1)
        (members,) = np.nonzero(train.labels == small)
        left = rng.permutation(members)[round(KEPT * len(members)) :]
        return cls(train.part(np.setdiff1d(np.arange(len(train.labels)), left)), val, small)

    def numbers(self, recipe: Variant | Probe, seed: int) -> tuple[float, float, float]:
        """Accuracy, balanced accuracy, and the small class's recall."""
        head, _ = fit_last_layer(recipe, self.train, self.val, seed)
        right = head.logits(self.val.embeddings).argmax(1) == self.val.labels
        shares = np.bincount(self.train.labels) / len(self.train.labels)
        recalls = np.array([right[self.val.labels == of].mean() for of in range(len(shares))])
        return float(shares @ recalls), float(recalls.mean()), float(recalls[self.small])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.measuring.unequal", description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2")
    network = parser.parse_args().network
    with one_line_errors():
        params = load_params()
        known_as("models", params.models, network)
        recipes = {**params.variants, **params.study.variants}
        print("| data set | last layer | class_weights | accuracy | balanced accuracy | the small class's recall |")
        print("| --- " * 6 + "|")
        for dataset in params.datasets:
            splits = Features.read(paths.features(network, dataset)).splits
            train, val = (Embeddings.of(splits[part]) for part in ("train", "val"))
            drawn = [Unequal.drawn(train, val, seed) for seed in SEEDS]
            for name, recipe in recipes.items():
                for kind in KINDS if recipe.trainable == "head" else ():
                    weighted = recipe.model_copy(update={"class_weights": kind})
                    numbers = np.array([of.numbers(weighted, seed) for seed, of in enumerate(drawn)])
                    both = zip(numbers.mean(0), numbers.std(0, ddof=1), strict=True)
                    shown = " | ".join(f"{mean:.3f} ({deviation:.3f})" for mean, deviation in both)
                    print(f"| {dataset} | {name} | {kind} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
