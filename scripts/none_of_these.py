"""How well models tell what is none of their classes: `make bench-none`, docs/none_of_these.md.

python -m scripts.none_of_these

Measures the first network of params.yaml on all its data sets, whose features/ and models/ are to be there (`dvc
repro`), and writes the tables of that page. Of the first variant, which is to train the last layer alone, models are
trained here, as stages.train would; of those that train more, the finished ones are taken.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from scripts.measuring.foreign_pictures import KINDS, drawn
from scripts.measuring.novelty_scores import BASELINE, SHIPPED, Scores, auroc, scores
from scripts.measuring.temperature import calibrated
from scripts.results import between_marks, markdown
from stages.evaluate import embed
from stages.ground import paths
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.ground.params import FalseAlarms, Seed, load_section
from stages.ground.runtime import load_runtime
from stages.ground.seeds import derived_rng
from stages.heads.fit import fit_last_layer
from stages.heads.linear import Embeddings, Head
from stages.heads.novelty import novelty_of
from stages.models.backbone import Backbone
from stages.models.classifier import Classifier
from stages.models.features import Features
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import list_splits
from stages.recipes.variant import Probe, Variant
from stages.settings import load_params
from stages.statistics.novelty import FOLDS, Novelty
from stages.statistics.sampling import numbered, stratified
from stages.statistics.scores import softmax

PAGE = Path("docs/none_of_these.md")
BEGIN, END = "<!-- make bench-none -->\n", "<!-- end of make bench-none -->\n"
DRAWN = 100  # pictures of each kind
INNER = 5  # folds of the train images, on which scores are compared
SEEDS = 5  # of the temperature
PARTS = (1, 2, 4, 8)  # of the train images one in so many
OTHERS = "the other sets"

Rows = list[tuple[str, ...]]
Table = tuple[tuple[str, ...], Rows]
Recipe = Variant | Probe


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m scripts.none_of_these",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    with one_line_errors():
        page = PAGE.read_text(encoding="utf-8")
        if not 0 <= page.find(BEGIN) < page.find(END):
            raise ProjectError(f"{PAGE} has no place for the tables: add the lines {BEGIN.strip()} and {END.strip()}")
        tables = "\n".join(f"{title}\n\n{markdown(*table)}" for title, table in measured())
        with written_whole(PAGE) as part:
            part.write_text(between_marks(page, tables, BEGIN, END), encoding="utf-8")


def measured() -> Iterator[tuple[str, Table]]:
    params = load_params()
    network, datasets = next(iter(params.models)), list(params.datasets)
    first, *others = params.variants
    if len(datasets) < 2:
        raise ProjectError("params.yaml: datasets has one entry; expected two, of which one is foreign to the other")
    if (recipe := params.variants[first]).trainable != "head":
        raise ProjectError(f"params.yaml: variants.{first} is the first; expected one with trainable: head")
    probes = {name: of for name, of in params.study.variants.items() if isinstance(of, Probe)}
    most = max(datasets, key=lambda dataset: len(features(network, dataset).classes))
    yield f"Variant {first}, val images against pictures of something else:", far(network, datasets, recipe)
    yield f"The hard case: each class of {most} left out of training, val images:", near(network, most, recipe)
    yield "Variants that train more layers, in embeddings of their own, val images:", whole(network, datasets, others)
    yield f"What was tried, AUROC, on {INNER} folds of the train images:", tried(network, datasets, most, recipe)
    yield "With fewer train images, val images:", by_images(network, datasets, most, recipe)
    yield (
        f"A temperature fitted on folds of the train images, val images, means of {SEEDS} seeds:",
        temperatures(network, datasets, {first: recipe, **probes}),
    )


@dataclass(frozen=True)
class Fitted:
    """A last layer, and what tells none of its classes, as stages.train makes them."""

    train: Embeddings
    recipe: Recipe
    head: Head
    novelty: Novelty

    @classmethod
    def of(cls, train: Embeddings, recipe: Recipe) -> "Fitted":
        seed: int = load_section("seed", Seed)
        novelty = novelty_of(train, seed)
        assert novelty is not None
        return cls(train, recipe, fit_last_layer(recipe, train, train, seed)[0], novelty)

    def scores(self, embeddings: np.ndarray) -> Scores:
        return scores(self.train, self.head, self.novelty, embeddings)

    def thresholds(self) -> Scores:
        """Of the shipped distance, and of the greatest probability: that of so many held-out train images is less."""
        rate: float = load_section("false_alarms", FalseAlarms)
        held_out, fold = [], self.train.folds(FOLDS, 0)
        for number in range(fold.max() + 1):
            rest, out = self.train.part(fold != number), self.train.part(fold == number)
            held_out.append(-softmax(fit_last_layer(self.recipe, rest, rest, 0)[0].logits(out.embeddings)).max(1))
        return {SHIPPED: np.array(self.novelty.threshold), BASELINE: np.quantile(np.concatenate(held_out), 1 - rate)}


@cache
def features(network: str, dataset: str) -> Features:
    return Features.read(paths.features(network, dataset))


def split(network: str, dataset: str, name: str) -> Embeddings:
    return Embeddings.of(features(network, dataset).splits[name])


def other_sets(network: str, datasets: list[str], dataset: str, name: str) -> np.ndarray:
    return np.concatenate([split(network, other, name).embeddings for other in datasets if other != dataset])


def foreign(network: str, datasets: list[str], dataset: str) -> dict[str, np.ndarray]:
    """{what the pictures show: their embeddings by the pretrained network}"""
    look, pretrained = Preprocessing.of(network, dataset), Pretrained.read(paths.weights(network), network)
    backbone = Backbone(pretrained.graph, pretrained.tensors)
    shown = {kind: backbone.embeddings(to_input(drawn(kind, DRAWN, look.side), look)) for kind in KINDS}
    return {OTHERS: other_sets(network, datasets, dataset, "val"), **shown}


def far(network: str, datasets: list[str], recipe: Recipe) -> Table:
    rows: Rows = []
    for dataset in datasets:
        fitted = Fitted.of(split(network, dataset, "train"), recipe)
        known, thresholds = fitted.scores(split(network, dataset, "val").embeddings), fitted.thresholds()
        alarms = [f"{(known[name] > thresholds[name]).mean():.3f}" for name in (SHIPPED, BASELINE)]
        rows.append((dataset, "val images: false alarms", "", alarms[0], "", alarms[1]))
        for kind, embeddings in foreign(network, datasets, dataset).items():
            found = fitted.scores(embeddings)
            told = [
                (f"{auroc(known[name], found[name]):.4f}", f"{(found[name] > thresholds[name]).mean():.3f}")
                for name in (SHIPPED, BASELINE)
            ]
            rows.append((dataset, kind, *told[0], *told[1]))
    return ("data set", "pictures", "AUROC", "told", "AUROC by softmax", "told by softmax"), rows


def without(of: Embeddings, label: int) -> Embeddings:
    """Without a class; the others have numbers from 0 again."""
    kept = of.part(of.labels != label)
    return Embeddings(kept.embeddings, numbered(kept.labels), kept.groups)


def near(network: str, dataset: str, recipe: Recipe) -> Table:
    train, val, names = (
        split(network, dataset, "train"),
        split(network, dataset, "val"),
        (SHIPPED, "5 nearest images", BASELINE),
    )
    numbers = []
    for label in range(len(features(network, dataset).classes)):
        fitted, is_new = Fitted.of(without(train, label), recipe), val.labels == label
        found, thresholds = fitted.scores(val.embeddings), fitted.thresholds()
        aurocs = [auroc(found[name][~is_new], found[name][is_new]) for name in names]
        told = [(found[name][of] > thresholds[name]).mean() for name in (SHIPPED, BASELINE) for of in (is_new, ~is_new)]
        numbers.append([*aurocs, *told])
    classes = [*features(network, dataset).classes, "mean"]
    rows = [
        (name, *(f"{of:.3f}" for of in row)) for name, row in zip(classes, [*numbers, np.mean(numbers, 0)], strict=True)
    ]
    told_by = ("told", "false alarms", "told by softmax", "its false alarms")
    return ("left out", "AUROC", "… by 5 nearest images", "… by softmax", *told_by), rows


def whole(network: str, datasets: list[str], variants: list[str]) -> Table:
    """Of finished models, through whole images; those that there are."""
    rows: Rows = []
    runtime = load_runtime()
    for dataset in datasets:
        for variant in variants:
            if not (path := paths.model(network, dataset, variant)).is_file():
                continue
            classifier = Classifier.load(path)
            novelty = classifier.file.novelty
            if novelty is None or classifier.file.backbone is not None:
                continue
            of = {name: embed(classifier, list_splits(paths.images(name))["val"], runtime) for name in datasets}
            known, others = of.pop(dataset), np.concatenate(list(of.values()))
            apart = [novelty.distances(embeddings) for embeddings in (known, others)]
            likely = [-softmax(classifier.answers(embeddings)).max(1) for embeddings in (known, others)]
            told = [f"{(distances > novelty.threshold).mean():.3f}" for distances in apart]
            rows.append((dataset, variant, told[0], f"{auroc(*apart):.4f}", told[1], f"{auroc(*likely):.4f}"))
    return ("data set", "variant", "false alarms", f"AUROC, {OTHERS}", "told", "AUROC by softmax"), rows


def tried(network: str, datasets: list[str], most: str, recipe: Recipe) -> Table:
    """Each fold's images against pictures of other sets, and of a class that was left out, all of train images."""
    found: dict[str, dict[str, list[float]]] = {}

    def note(column: str, known: Scores, strange: Scores) -> None:
        for name, values in known.items():
            found.setdefault(name, {}).setdefault(column, []).append(auroc(values, strange[name]))

    for dataset in datasets:
        train = split(network, dataset, "train")
        fold = train.folds(INNER, 1)
        for number in range(fold.max() + 1):
            rest, out = train.part(fold != number), train.part(fold == number)
            fitted = Fitted.of(rest, recipe)
            note(dataset, fitted.scores(out.embeddings), fitted.scores(other_sets(network, datasets, dataset, "train")))
            for label in np.unique(train.labels) if dataset == most else ():
                known, strange = (
                    Fitted.of(without(rest, label), recipe).scores(out.embeddings[of])
                    for of in (out.labels != label, out.labels == label)
                )
                note("a class left out", known, strange)
    columns = ("a class left out", *datasets)
    rows = [(name, *(f"{np.mean(of[column]):.4f}" for column in columns)) for name, of in found.items()]
    return ("", f"a class of {most} left out", *(f"{name}, {OTHERS}" for name in datasets)), rows


def by_images(network: str, datasets: list[str], most: str, recipe: Recipe) -> Table:
    rows: Rows = []
    for dataset in datasets:
        train, val = split(network, dataset, "train"), split(network, dataset, "val")
        for part in PARTS:
            few = train.part(stratified(train.labels, len(train.labels) // part, derived_rng(0)))
            novelty = Fitted.of(few, recipe).novelty
            known = novelty.distances(val.embeddings)
            others = novelty.distances(other_sets(network, datasets, dataset, "val"))
            left_out = [
                auroc(
                    *(
                        Fitted.of(without(few, label), recipe).novelty.distances(val.embeddings[of])
                        for of in (val.labels != label, val.labels == label)
                    )
                )
                for label in (np.unique(train.labels) if dataset == most else ())
            ]
            shares = (f"{(known > novelty.threshold).mean():.3f}", f"{auroc(known, others):.4f}")
            rows.append((dataset, str(len(few.labels)), *shares, f"{np.mean(left_out):.3f}" if left_out else ""))
    return ("data set", "train images", "false alarms", f"AUROC, {OTHERS}", "AUROC, a class left out"), rows


def temperatures(network: str, datasets: list[str], recipes: dict[str, Recipe]) -> Table:
    rows: Rows = []
    for dataset in datasets:
        train, val = split(network, dataset, "train"), split(network, dataset, "val")
        for name, recipe in recipes.items():
            of = [calibrated(recipe, train, val, seed) for seed in range(SEEDS)]
            pairs = [
                f"{before:.4f} → {after:.4f}"
                for before, after in (np.mean([one.losses for one in of], 0), np.mean([one.errors for one in of], 0))
            ]
            rows.append((dataset, name, f"{np.mean([one.temperature for one in of]):.2f}", *pairs))
    return ("data set", "variant", "temperature", "log loss", "ece"), rows


if __name__ == "__main__":
    main()
