"""Whole networks trained again and again, on drawn parts of one data set's images, which are decoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.ground.params import Precision, load_section
from stages.ground.runtime import load_runtime
from stages.heads.linear import Embeddings
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing
from stages.preprocessing.splits import LabelledFiles
from stages.recipes.variant import Report, Variant
from stages.training.compute import Compute, choose_compute
from stages.training.examples import Images, read_images
from stages.training.whole import Validation, augmentation, check_batches, trained


@dataclass(frozen=True)
class Networks:
    pretrained: Pretrained
    images: Images
    embeddings: Embeddings  # of the same images, by the pretrained network
    compute: Compute

    @classmethod
    def of(
        cls, pretrained: Pretrained, files: Sequence[Path], embeddings: Embeddings, preprocessing: Preprocessing
    ) -> "Networks":
        runtime = load_runtime()
        images = read_images(LabelledFiles(list(files), embeddings.labels, []), preprocessing, runtime)
        compute = choose_compute(runtime.device, load_section("precision", Precision))
        return cls(pretrained, images, embeddings, compute)

    @property
    def precision(self) -> str:
        return self.compute.precision

    def check(self, name: str, recipe: Variant, train: np.ndarray) -> None:
        """Raises ProjectError where the network cannot be trained so on the images numbered `train`."""
        augment = augmentation(recipe, self.pretrained.network)
        learnt = replace(self.images.part(train[:1]), augment=augment, labels=self.images.labels[train])
        check_batches(recipe, learnt, self.pretrained, name)

    def logits(
        self,
        name: str,
        recipe: Variant,
        train: np.ndarray,
        val: np.ndarray,
        seed: int,
        report: Report | None = None,
    ) -> np.ndarray:
        """(n, classes) of the `val` images, after training on the `train` images; both are numbers of images.

        `name` is the recipe's, for errors. Without a `report` of each epoch, none but the last is looked at.
        """
        augment = augmentation(recipe, self.pretrained.network)
        learnt, held_out = replace(self.images.part(train), augment=augment, seed=seed), self.images.part(val)
        embeddings = self.embeddings.part(train) if recipe.start != "random" else None
        check_batches(recipe, learnt, self.pretrained, name)
        network, _ = trained(
            recipe,
            learnt,
            held_out,
            self.pretrained,
            embeddings,
            seed,
            self.compute,
            report or (lambda history: None),
            every_epoch=report is not None,
        )
        return Validation(held_out, self.pretrained, self.compute).logits(network)
