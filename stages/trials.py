"""Try every way of training on drawn splits: what differs from trial to trial is what a verdict must reckon with.

Each trial draws which of the train and val images train and which validate, and takes another seed; number 0 has the
committed split and seed. All ways of training are tried on the same splits with the same seeds. The table is added to:
what it has is not run again, as long as it is of the same settings, images and weights, and its code does the same.

In:  study, variants, seed, precision, models.MODEL.resize and .crop, data/DATASET/, weights/MODEL.safetensors,
     features/MODEL/DATASET.safetensors
Out: study/MODEL/DATASET/trials.tsv: variant, images, split, seed, train_images, val_images, mistakes, loss, precision,
     settings, code
"""

import math
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.cli import importing_torch, run
from stages.ground.errors import ProjectError
from stages.ground.files import append_row
from stages.ground.params import Precision, Seed, load_section
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings
from stages.models.features import Embedded, Features
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing
from stages.recipes.variant import Probe, Recipe, Variant
from stages.statistics.scores import score
from stages.study.digests import OF_LAST_LAYER, OF_WHOLE_NETWORK, digest, digest_of_code, digest_of_images
from stages.study.pool import Pool
from stages.study.settings import Study
from stages.study.trials import Draw, Trial, planned, read_trials, write_trials


def main(model: str, dataset: str) -> None:
    study: Study = load_section("study", Study)
    variants: dict[str, Variant | Probe] = load_section("variants", dict[str, Recipe])
    recipes = {name: as_tried(name, recipe) for name, recipe in {**variants, **study.variants}.items()}
    material, path = Material(model, dataset), paths.trials(model, dataset)
    kept = still_valid(read_trials(path), recipes, material)
    have = {(of.draw, of.variant) for of in kept}
    missing = [of for of in possible(planned(recipes, study), recipes, material.pool) if of not in have]
    print(f"{model} on {dataset}: {len(kept)} trials are there, {len(missing)} to run", flush=True)
    took: dict[str, float] = {}
    for done, (draw, name) in enumerate(missing, start=1):
        trial, took[name] = material.tried(name, recipes[name], draw)
        kept.append(trial)
        write_trials(path, kept)
        append_row(paths.seconds(model, dataset), {"variant": name, "seconds": round(took[name], 2)})
        if recipes[name].trainable != "head":
            print(f"{named(draw)} of {name}: accuracy {trial.accuracy:.4f}, {took[name]:.0f} s", end="")
            print(left(took, [name for _, name in missing[done:]]), flush=True)
    write_trials(path, kept)
    for name in recipes:
        if len(precisions := sorted({of.precision for of in kept if of.variant == name})) > 1:
            print(f"trials of {name} were trained in {' and '.join(precisions)}, on different machines")


def possible(plan: list[tuple[Draw, str]], recipes: dict[str, Variant | Probe], pool: Pool) -> list[tuple[Draw, str]]:
    """Of `plan` what these images allow: numbers of train images that are some of all, fill a batch and have each
    class (twice for a probe, which takes them apart); says what is left out."""
    classes, most = len(set(pool.labels)), int((~pool.val).sum())
    fits, without = [], {}
    for draw, name in plan:
        recipe = recipes[name]
        fewest = max(classes, recipe.batch_size) if isinstance(recipe, Variant) else 2 * classes
        if draw.images == 0 or fewest <= draw.images < most:
            fits.append((draw, name))
        else:
            why = f"{most} are all" if draw.images >= most else f"{fewest} are the fewest"
            without[name, draw.images] = f"{name} is not tried on {draw.images} train images: {why}"
    print("".join(f"{line}\n" for line in without.values()), end="")
    return fits


def named(draw: Draw) -> str:
    number = f"trial {draw.split}" if draw.split == draw.seed else f"split {draw.split} with seed {draw.seed}"
    return f"{number} on {draw.images} train images" if draw.images else number


def left(took: dict[str, float], names: list[str]) -> str:
    """How long these trials will take, each as long as the last one of its kind; nothing where there was none."""
    if not names or not took.keys() >= set(names):
        return ""
    return f"; about {max(1, round(sum(took[name] for name in names) / 60))} minutes to go"


def as_tried(name: str, recipe: Variant | Probe) -> Variant | Probe:
    """The val images must not choose the epoch, for they judge."""
    if not isinstance(recipe, Variant) or recipe.select == "last":
        return recipe
    print(f"{name} is tried with select: last, since the val images that choose its best epoch also judge it")
    return recipe.model_copy(update={"select": "last"})


def still_valid(trials: list[Trial], recipes: dict[str, Variant | Probe], material: "Material") -> list[Trial]:
    """Those of what there is now, and those of ways of training that params.yaml does not have (now); says what becomes
    of the others."""
    valid: list[Trial] = []
    for name in dict.fromkeys(of.variant for of in trials):
        of_variant = [of for of in trials if of.variant == name]
        if name not in recipes:
            print(f"{len(of_variant)} trials of {name}, which params.yaml does not have, stay as they are")
            valid += of_variant
            continue
        same = [of for of in of_variant if material.made(of, recipes[name])]
        if gone := len(of_variant) - len(same):
            print(
                f"{gone} trials of {name} are of other settings, images, splits or weights: they are taken out, and run"
                " anew"
            )
        valid += checked_again(same, recipes[name], material)
    return valid


def checked_again(trials: list[Trial], recipe: Variant | Probe, material: "Material") -> list[Trial]:
    """The same. Of those that were made by other code, one is run again, of a drawn split where there is one: if it
    comes to the same, they are of this code too; if not, be it the code or the rounding of another machine, that is
    said."""
    code, checked = material.code(recipe), []
    for other in dict.fromkeys((of.code, of.precision) for of in trials):
        of_other = [of for of in trials if (of.code, of.precision) == other]
        if other[0] == code:
            checked += of_other
            continue
        old = min(of_other, key=lambda of: (of.images, of.split == 0, of.draw))
        new, _ = material.tried(old.variant, recipe, old.draw)
        said = f"{len(of_other)} trials of {old.variant} were made by other code"
        if new.mistakes == old.mistakes and math.isclose(new.loss, old.loss, rel_tol=1e-3, abs_tol=1e-6):
            print(f"{said}; number {old.split}, run again, comes to the same, so they stand")
            checked += [replace(of, code=code) for of in of_other]
        else:
            print(
                f"warning: {said}, or on another machine: number {old.split} had {old.mistakes} mistakes and a loss of"
                f" {old.loss:.4f}, in {old.precision}, and now has {new.mistakes} and {new.loss:.4f}, in"
                f" {new.precision}. They are kept; to run them anew, take their lines out of"
                f" {paths.trials(material.model, material.dataset)}"
            )
            checked += of_other
    return checked


@dataclass
class Material:
    """All that trials of one network and data set are made of."""

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
        all_groups = None if groups[0] is None else np.concatenate(groups)
        return Embeddings(np.concatenate(embeddings), np.concatenate(labels), all_groups).part(self._order)

    @cached_property
    def pool(self) -> Pool:
        groups = self.embeddings.groups
        numbers = np.arange(len(self.files)) if groups is None else np.unique(groups, return_inverse=True)[1]
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
        trial = Trial(
            name, draw.images, draw.split, draw.seed, len(train), len(val),
            int((logits.argmax(1) != labels).sum()), float(f"{score(logits, labels)[0]:.6g}"), precision,
            self.settings(recipe, draw), self.code(recipe),
        )  # fmt: skip
        return trial, seconds

    def logits(
        self, name: str, recipe: Variant | Probe, train: np.ndarray, val: np.ndarray, seed: int, networks: Any
    ) -> tuple[np.ndarray, str]:
        """(n, classes) of the val images, after training on the train images; and the precision."""
        if networks is not None:
            return networks.logits(name, recipe, train, val, seed), networks.precision
        held_out = self.embeddings.part(val)
        head, _ = fit_last_layer(recipe, self.embeddings.part(train), held_out, seed)
        return head.logits(held_out.embeddings), "float32"


if __name__ == "__main__":
    run(main)
