"""params.yaml, read and checked whole: a wrong value is an error before any work starts.

Every stage does so as it starts, and no stage depends on this file: it can refuse, and changes no result. What a stage
works with is read section by section, by the schema that stands with what it configures. What each setting means
stands beside it in params.yaml.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from stages.datasets.settings import Dataset, DatasetName
from stages.fetching.settings import Download, file_name, is_address
from stages.ground.params import PARAMS_FILE, FalseAlarms, Name, Precision, Strict, checked, read_params
from stages.ground.runtime import Runtime
from stages.heads.settings import LearningCurve
from stages.networks.settings import Model
from stages.recipes.variant import Recipe, Variant
from stages.search.settings import Sweep
from stages.search.tries import recipes_of
from stages.study.settings import Study

WhereNone = BeforeValidator(lambda section: {} if section is None else section)  # its last entry was taken out


class Params(Strict):
    seed: Annotated[int, Field(ge=0)]
    precision: Precision
    false_alarms: FalseAlarms
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    downloads: Annotated[dict[DatasetName, Download], WhereNone]
    datasets: Annotated[dict[DatasetName, Dataset], WhereNone]
    variants: Annotated[dict[Name, Recipe], Field(min_length=1)]
    learning_curve: LearningCurve
    study: Study
    sweep: Sweep
    runtime: Runtime = Runtime()

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        problems = [
            f"downloads.{name} has no entry of that name under datasets"
            for name in self.downloads
            if name not in self.datasets
        ]
        problems += [
            f"study.variants.{name}: variants has one of that name, which the study tries anyway; take one out"
            for name in self.study.variants
            if name in self.variants
        ]
        problems += ambiguous_in_mirror({**self.models, **self.downloads})
        sgd = {name: of for name, of in self.variants.items() if isinstance(of, Variant)}
        frozen = [name for name, of in sgd.items() if (of.trainable, of.select) == ("head", "last")]
        if (name := self.learning_curve.variant) not in frozen:
            problems.append(
                "learning_curve.variant: expected a variant with trainable: head, select: last and no solver"
                f" ({', '.join(frozen) or 'add one'}); received {name!r}"
            )
        if problems:
            raise ValueError("; ".join(problems))
        recipes_of(self.sweep, {**self.variants, **self.study.variants})
        return self


def ambiguous_in_mirror(entries: Mapping[str, Model | Download]) -> list[str]:
    """DATA_MIRROR is looked in by the file's name: one file is not to be taken for another."""
    mirror = os.environ.get("DATA_MIRROR", "").rstrip("/")
    by_file: dict[str, dict[tuple[str, ...], str]] = {}
    for entry, of in entries.items():
        for file in {file_name(url) for url in of.urls} if mirror else ():
            by_file.setdefault(file, {}).setdefault(tuple(of.urls), entry)
    return [
        f"{' and '.join(same.values())} fetch files of one name, {file}, of which DATA_MIRROR has one: make it a folder"
        f" on this machine, with {' and '.join(f'{name}/{file}' for name in same.values())} in it"
        for file, same in by_file.items()
        if len(same) > 1 and (is_address(mirror) or Path(mirror, file).is_file())
    ]


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read `path`.

    Raises:
        ProjectError: with every problem found, each with its key, what is allowed and what came.
    """
    params: Params = checked(read_params(path), Params, path)
    return params
