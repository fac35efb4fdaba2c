"""All that trials of one network and data set are made of, and trying one."""

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.cli import importing_torch
from stages.ground.errors import ProjectError
from stages.ground.params import Precision, Seed, load_section
from stages.ground.room import gathered
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.models.features import Embedded, Features
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing
from stages.recipes.variant import Probe, Report, Variant
from stages.statistics.sampling import numbered
from stages.statistics.scores import are_unequal, balanced_accuracy, score
from stages.study.digests import OF_LAST_LAYER, OF_WHOLE_NETWORK, digest, digest_of_code, digest_of_images
from stages.study.pool import Pool
from stages.study.trials import Draw, Trial


@dataclass
class Material:
    """The images, their embeddings by the pretrained network, and what is given to all trials."""

    model: str
    dataset: str
    seed: int = field(init=False)
    precision: str = field(init=False)  # auto, bfloat16 or float32, of whole networks
    features: Features = field(init=False)
    preprocessing: Preprocessing = field(init=False)

    def __post_init__(self) -> None:
        self.seed, self.precision = load_section("seed", Seed), load_section("precision", Precision)
        self.features = Features.read(paths.features(self.model, self.dataset))
        self.preprocessing = Preprocessing.of(self.model, self.dataset)

    def __reduce__(self) -> tuple[type["Material"], tuple[str, str]]:
        """Another process reads it anew: the files are there already, and what trains networks cannot be sent."""
        return Material, (self.model, self.dataset)

    @cached_property
    def _splits(self) -> list[Embedded]:
        return [self.features.splits[split] for split in ("train", "val")]

    @cached_property
    def _order(self) -> np.ndarray:
        """By class and name, as each of the two splits has its own."""
        files = [file for of in self._splits for file in of.files]
        labels = np.concatenate([of.labels for of in self._splits])
        order = sorted(range(len(files)), key=lambda number: (labels[number], files[number].partition("/")[2]))
        return np.array(order)

    @cached_property
    def files(self) -> list[str]:
        """The train and val images, below data/DATASET/."""
        files = [file for of in self._splits for file in of.files]
        return [files[number] for number in self._order]

    @cached_property
    def embeddings(self) -> Embeddings:
        """Of `files`."""
        embeddings, labels, groups = (
            [getattr(of, name) for of in self._splits] for name in ("embeddings", "labels", "groups")
        )
        all_groups = None if groups[0] is None else gathered(groups, self._order)
        return Embeddings(gathered(embeddings, self._order), gathered(labels, self._order), all_groups)

    @cached_property
    def pool(self) -> Pool:
        groups = self.embeddings.groups
        numbers = np.arange(len(self.files)) if groups is None else numbered(groups)
        return Pool(self.embeddings.labels, np.array([file.startswith("val/") for file in self.files]), numbers)

    @cached_property
    def given(self) -> str:
        images = digest_of_images(paths.images(self.dataset), self.files)
        return digest(self.seed, self.features.backbone, images, self.pool.groups.tolist())

    def settings(self, recipe: Variant | Probe, draw: Draw) -> str:
        """A digest of all that a trial is made of, but for the code: which images train and validate is part of it."""
        train, val = self.pool.drawn(draw.split, draw.images)
        fewer = [train.tolist()] if draw.images else []
        return digest(self.given, recipe.model_dump(exclude_defaults=True), val.tolist(), *fewer)

    def made(self, trial: Trial, recipe: Variant | Probe) -> bool:
        """Whether it is of this way of training, and of the images and weights that there are."""
        as_asked_for = recipe.trainable == "head" or self.precision in ("auto", trial.precision)
        return as_asked_for and trial.settings == self.settings(recipe, trial.draw)

    @cached_property
    def _code(self) -> dict[bool, str]:
        return {True: digest_of_code(OF_LAST_LAYER), False: digest_of_code(OF_WHOLE_NETWORK)}

    def code(self, recipe: Variant | Probe) -> str:
        return self._code[recipe.trainable == "head"]

    @cached_property
    def networks(self) -> Any:
        """What trains whole networks: torch and the decoded images, for those that need them."""
        with importing_torch():
            from stages.training.trials import Networks
        pretrained = Pretrained.read(paths.weights(self.model), self.model)
        files = [paths.images(self.dataset) / file for file in self.files]
        return Networks.of(pretrained, files, self.embeddings, self.preprocessing)

    def tried(self, name: str, recipe: Variant | Probe, draw: Draw) -> tuple[Trial, float]:
        """The trial, and how many seconds its training and evaluation took.

        With fewer images there are as many steps as with all: what is compared is the images.
        """
        train, val = self.pool.drawn(draw.split, draw.images)
        all_images, _ = self.pool.split(draw.split)
        if isinstance(recipe, Variant) and len(train) < recipe.batch_size:
            raise ProjectError(
                f"{paths.images(self.dataset)}: {len(train)} train images are fewer than {name}'s batch_size"
                f" ({recipe.batch_size}) in params.yaml: lower that, or add images"
            )
        networks = None if recipe.trainable == "head" else self.networks
        longer = recipe if isinstance(recipe, Probe) else recipe.with_steps_of(len(train), len(all_images))
        start = time.perf_counter()
        logits, precision = self.logits(name, longer, train, val, self.seed + draw.seed, networks)
        seconds = time.perf_counter() - start
        labels = self.embeddings.labels[val]
        right = logits.argmax(1) == labels
        balanced = float(f"{balanced_accuracy(right, labels):.6g}") if are_unequal(labels) else None
        trial = Trial(
            name, draw.images, draw.split, draw.seed, len(train), len(val), int((~right).sum()),
            float(f"{score(logits, labels)[0]:.6g}"), precision, self.settings(recipe, draw), self.code(recipe),
            balanced,
        )  # fmt: skip
        return trial, seconds

    def logits(
        self,
        name: str,
        recipe: Variant | Probe,
        train: np.ndarray,
        val: np.ndarray,
        seed: int,
        networks: Any,
        report: Report | None = None,
    ) -> tuple[np.ndarray, str]:
        """(n, classes) of the val images, after training on the train images; and the precision.

        A whole network's epochs go to `report`.
        """
        if networks is not None:
            return networks.logits(name, recipe, train, val, seed, report), networks.precision
        held_out = self.embeddings.part(val)
        head, _ = fit_last_layer(recipe, self.embeddings.part(train), held_out, seed)
        return head.logits(held_out.embeddings), "float32"
