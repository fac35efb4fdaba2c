"""Which trials of a table are still of the settings, images, weights and code that there are."""

import math
from collections.abc import Mapping
from dataclasses import replace

from stages.ground import paths
from stages.recipes.variant import Probe, Variant
from stages.study.material import Material
from stages.study.trials import Trial


def still_valid(trials: list[Trial], recipes: Mapping[str, Variant | Probe], material: Material) -> list[Trial]:
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


def checked_again(trials: list[Trial], recipe: Variant | Probe, material: Material) -> list[Trial]:
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
