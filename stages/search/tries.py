"""Which settings a sweep tries, drawn or counted out before the first of them runs; and the table of how they did."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from stages.ground.errors import ProjectError
from stages.ground.files import read_table, write_table
from stages.ground.seeds import derived_rng
from stages.recipes.variant import Probe, Variant
from stages.search.settings import Between, Sweep

SEED = 3000017  # of its own: of what trains, seeds are small numbers
NUMBERS = ("quarter", "half", "loss", "accuracy")


@dataclass(frozen=True)
class Try:
    """How one combination of settings did on train images that were held out."""

    settings: dict[str, Any]
    digest: str  # of all that it was made of
    loss: float  # mean cross-entropy, nats; of what was stopped, when it was
    accuracy: float
    quarter: float | None = None  # the loss after a quarter of the epochs, of whole networks
    half: float | None = None
    stopped: bool = False  # it was hopeless

    def __post_init__(self) -> None:
        """Numbers are as the table has them, so that a sweep that goes on finds what an undisturbed one does."""
        for name in NUMBERS:
            if (number := getattr(self, name)) is not None:
                object.__setattr__(self, name, float(f"{number:.6g}"))

    @property
    def shown(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.settings.items())

    @property
    def row(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in NUMBERS}  # None is nothing between two tabs
        settings = {key: json.dumps(value) for key, value in self.settings.items()}
        return {**settings, **numbers, "stopped": int(self.stopped), "digest": self.digest}


def combinations(sweep: Sweep) -> list[dict[str, Any]]:
    """The settings of each try, none twice; the first has none, and so is the variant as it stands."""
    if sweep.tries is None:
        lists = [list(of) for of in sweep.settings.values() if isinstance(of, list)]
        found = [dict(zip(sweep.settings, values, strict=True)) for values in itertools.product(*lists)]
    else:
        rng = derived_rng(SEED)
        found = [{key: _drawn(of, rng) for key, of in sweep.settings.items()} for _ in range(sweep.tries)]
    return [dict(items) for items in dict.fromkeys(tuple(of.items()) for of in [{}, *found])]


def _drawn(of: Between | list[Any], rng: np.random.Generator) -> Any:
    return of.at(rng.random()) if isinstance(of, Between) else of[rng.integers(len(of))]


def changed(recipe: Variant, settings: Mapping[str, Any], name: str) -> Variant:
    """The recipe with other settings.

    Raises:
        ProjectError: it cannot have them, or not together; names the sweep's section of params.yaml.
    """
    try:
        changed = Variant.model_validate(recipe.model_dump() | dict(settings))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or ", ".join(settings)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"no setting of {name}; it has: {', '.join(Variant.model_fields)}"
        raise ProjectError(
            f"params.yaml: sweep.settings: {key}: {message}; received"
            f" {', '.join(f'{name} {value}' for name, value in settings.items())}"
        ) from error
    return changed


def recipes_of(sweep: Sweep, variants: Mapping[str, Variant | Probe]) -> list[tuple[dict[str, Any], Variant]]:
    """The settings of each try and the recipe that has them, none twice; the first is the variant as it stands.

    Epochs are never chosen by the images that judge: select is last.

    Raises:
        ProjectError: there is no such variant, or it cannot have such settings; names the section sweep of params.yaml.
    """
    recipe = variants.get(sweep.variant)
    if not isinstance(recipe, Variant):
        sgd = [name for name, of in variants.items() if isinstance(of, Variant)]
        raise ProjectError(
            f"params.yaml: sweep.variant: expected a variant that has settings ({', '.join(sgd)}); received"
            f" {sweep.variant!r}"
        )
    recipe = recipe.model_copy(update={"select": "last"})
    found: list[tuple[dict[str, Any], Variant]] = []
    for settings in combinations(sweep):
        of = changed(recipe, settings, sweep.variant)
        if of not in [other for _, other in found]:
            found.append((settings, of))
    if len({of.trainable == "head" for _, of in found}) > 1:
        raise ProjectError(
            "params.yaml: sweep.settings: trainable: head is tried on all folds, and more than that on one: sweep them"
            " one after the other"
        )
    return found


def read_tries(path: Path, keys: Iterable[str]) -> dict[str, Try]:
    """{digest: try} of those that have run with values for these settings; none where there is no file yet."""
    if not path.is_file():
        return {}
    remedy = f"take it away, and make sweep makes it anew; or git checkout {path}"
    found = {}
    for number, row in enumerate(read_table(path, (*NUMBERS, "stopped", "digest"), True, remedy), start=2):
        try:
            settings = {key: json.loads(row[key]) for key in keys if row.get(key)}
            numbers: dict[str, Any] = {name: float(row[name]) for name in NUMBERS if row[name]}
            found[row["digest"]] = Try(settings, row["digest"], **numbers, stopped=row["stopped"] == "1")
        except (ValueError, TypeError) as error:
            raise ProjectError(f"{path}, line {number}: {error}; {remedy}") from error
    return found


def write_tries(path: Path, tries: Iterable[Try], keys: Iterable[str]) -> None:
    """In the order in which they run. What has no value for a setting has the variant's own."""
    write_table(path, [of.row for of in tries], (*keys, *NUMBERS, "stopped", "digest"))


def best(tries: Iterable[Try]) -> Try:
    """The least loss of those that ran to their end, the first of equal ones.

    Raises:
        ProjectError: none did.
    """
    whole = [of for of in tries if not of.stopped]
    if not whole:
        raise ProjectError("params.yaml: sweep: no try came to its end with a loss that is finite; lower lr")
    return min(whole, key=lambda of: of.loss)


def still_hopeless(of: Try, before: Iterable[Try]) -> bool:
    """Whether a try that was stopped would be stopped by these as well."""
    before = list(before)
    return math.isinf(of.loss) or any(
        hopeless(getattr(of, place), [getattr(other, place) for other in before]) for place in ("quarter", "half")
    )


def hopeless(loss: float | None, others: Iterable[float | None]) -> bool:
    """Whether a loss on the way is above the median of those that earlier tries had there, if these are three at least.

    The median stopping rule of Golovin et al., "Google Vizier", KDD 2017, with the losses at two fixed shares of the
    way, so that it depends on nothing but the tries before.
    """
    known = [of for of in others if of is not None]
    return loss is not None and len(known) >= 3 and loss > float(np.median(known))
