"""Try many settings of one variant inside the train images, and see on others what the best of them is worth.

No val or test image has a say in which settings are best: a last layer is tried on folds of the train images, whole
networks on the first of the folds, where what is hopeless is stopped on the way. The best are then trained on all train
images, with other seeds, and judged by the val images, beside the settings that params.yaml has. What has run is not
run again.

In:  sweep, study.variants, variants, seed, precision, what models.MODEL says of images, data/DATASET/,
     weights/MODEL.safetensors, features/MODEL/DATASET.safetensors
Out: study/MODEL/DATASET/sweep-VARIANT.tsv: of each try its settings (none: those of params.yaml), loss and accuracy on
     train images that were held out
     study/MODEL/DATASET/sweep-VARIANT-confirmed.tsv: which val images the best and the present settings have wrong
     study/MODEL/DATASET/sweep-VARIANT.json: what that comes to; `sentence` says it
"""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import DivergedError
from stages.ground.files import write_json
from stages.ground.params import load_section
from stages.recipes.variant import Probe, Recipe, Variant
from stages.search.confirmed import Confirmed, confirmed, read_answers, sentence, write_answers
from stages.search.inside import Inside
from stages.search.settings import Sweep
from stages.search.tries import Try, best, read_tries, recipes_of, still_hopeless, write_tries
from stages.study.material import Material
from stages.study.settings import Study

DIGITS = 4


def main(model: str, dataset: str) -> None:
    sweep, study = load_section("sweep", Sweep), load_section("study", Study)
    variants: dict[str, Variant | Probe] = load_section("variants", dict[str, Recipe])
    recipes = recipes_of(sweep, {**variants, **study.variants})
    inside = Inside(Material(model, dataset), sweep.variant, sweep.folds)
    for _, of in recipes:
        inside.check(of)
    tries = tried_all(recipes, inside, sweep)
    result = summary(tries, judged(best(tries), recipes, inside, sweep), f"{model} on {dataset}", sweep)
    write_json(paths.sweep_result(model, dataset, sweep.variant), result)
    print(result["sentence"])


def tried_all(recipes: list[tuple[dict[str, Any], Variant]], inside: Inside, sweep: Sweep) -> list[Try]:
    """All tries, of which those that the table has are not run again."""
    path = paths.sweep(inside.material.model, inside.material.dataset, sweep.variant)
    known, tries = read_tries(path, sweep.settings), list[Try]()
    there = sum(inside.digest(recipe) in known for _, recipe in recipes)
    print(f"{path}: {there} tries are there, {len(recipes) - there} to run", flush=True)
    for number, (settings, recipe) in enumerate(recipes):
        found = known.get(inside.digest(recipe))
        if found and not (found.stopped and not still_hopeless(found, tries)):
            tries.append(replace(found, settings=settings))
            continue
        tries.append(inside.tried(settings, recipe, tries))
        write_tries(path, [*tries, *(of for of in known.values() if of not in tries)], sweep.settings)
        if recipe.trainable != "head":
            of = tries[-1]
            what, how = of.shown or "as params.yaml has it", "stopped at" if of.stopped else "has"
            print(f"try {number} of {len(recipes) - 1}, {what}: {how} a loss of {of.loss:.4f}", flush=True)
    write_tries(path, tries, sweep.settings)
    return tries


def judged(winner: Try, recipes: list[tuple[dict[str, Any], Variant]], inside: Inside, sweep: Sweep) -> Confirmed:
    """The best settings and those of params.yaml, trained on all train images with other seeds, on the val images."""
    material = inside.material
    _, val = material.pool.split(0)
    path = paths.sweep_answers(material.model, material.dataset, sweep.variant)
    sides = [next(recipe for settings, recipe in recipes if settings == wanted) for wanted in (winner.settings, {})]
    keys = [[(inside.digest(recipe), seed) for seed in range(1, sweep.confirm + 1)] for recipe in sides]
    answers = read_answers(path, [*keys[0], *keys[1]], len(val))
    for recipe, of_side in zip(sides, keys, strict=True):
        networks = None if recipe.trainable == "head" else material.networks
        for key in of_side:
            if key not in answers:
                answers[key] = wrong(inside, recipe, key[1], networks)
                write_answers(path, answers)
    write_answers(path, answers)
    groups = None if material.embeddings.groups is None else material.embeddings.groups[val]
    of_best, of_present = ([answers[key] for key in of] for of in keys)
    return confirmed(of_best, of_present, groups, material.embeddings.labels[val])


def wrong(inside: Inside, recipe: Variant, seed: int, networks: Any) -> np.ndarray:
    """Which of the val images are wrong after training on all train images; all, if its loss did not stay finite."""
    material = inside.material
    train, val = material.pool.split(0)
    try:
        logits, _ = material.logits(inside.name, recipe, train, val, material.seed + seed, networks)
    except DivergedError as error:
        print(f"warning: with seed {seed} {error}: all answers count as wrong", file=sys.stderr)
        return np.ones(len(val), bool)
    answers: np.ndarray = logits.argmax(1) != material.embeddings.labels[val]
    return answers


def summary(tries: list[Try], of: Confirmed, cell: str, sweep: Sweep) -> dict[str, Any]:
    winner, before = best(tries), tries[0]
    numbers: dict[str, float | None] = {
        "confirmed_difference": of.difference,
        "confirmed_low": of.low,
        "confirmed_high": of.high,
        "confirmed_accuracy": of.accuracy,
        "confirmed_accuracy_before": of.before,
        "confirmed_balanced_accuracy": of.balanced,
        "confirmed_balanced_accuracy_before": of.balanced_before,
        "inside_difference": winner.accuracy - before.accuracy,
        "inside_accuracy": winner.accuracy,
        "inside_accuracy_before": before.accuracy,
    }
    return {
        "sentence": sentence(of, cell, sweep.variant, winner.shown, len(tries), winner.accuracy - before.accuracy),
        "tries": len(tries),
        "stopped": sum(of.stopped for of in tries),
        "seeds": sweep.confirm,
        **{key: round(number, DIGITS) for key, number in numbers.items() if number is not None},
        "settings": winner.settings,
    }


if __name__ == "__main__":
    run(main)
