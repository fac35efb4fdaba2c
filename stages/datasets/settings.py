"""The section datasets of params.yaml: which images train and which validate."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stages.ground.params import Strict, name

RESERVED = ("raw", "manifests", "embedded", "corrections")  # folders in data/ that are no data sets


def dataset_name(text: str) -> str:
    if text in RESERVED:
        raise ValueError(f"the names {', '.join(RESERVED[:-1])} and {RESERVED[-1]} are taken by folders in data/")
    return name(text)


Finite = Annotated[float, Field(allow_inf_nan=False)]
DatasetName = Annotated[str, AfterValidator(dataset_name)]


class Dataset(Strict):
    """How the images of data/raw/NAME are arranged."""

    manifest: str | None = None
    val_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    groups: str | None = None
    group_pattern: str | None = None
    allow_duplicates: bool = False
    values: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None
    shards: dict[Literal["train", "val", "test"], Annotated[list[str], Field(min_length=1)]] | None = None

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.values and self.values[0] >= self.values[1]:
            raise ValueError(f"values: expected what becomes black and a greater one that becomes white: {self.values}")
        return self

    @model_validator(mode="after")
    def _one_kind_of_groups(self) -> Self:
        if self.groups and self.group_pattern:
            raise ValueError("give groups or group_pattern, not both")
        if self.group_pattern:
            try:
                re.compile(self.group_pattern)
            except re.error as error:
                raise ValueError(f"group_pattern is no regular expression: {error}") from error
        return self

    @model_validator(mode="after")
    def _of_shards(self) -> Self:
        if self.shards is not None and not {"train", "val"} <= self.shards.keys():
            raise ValueError("shards: expected places of train and val")
        if self.shards and (self.manifest or self.val_fraction):
            raise ValueError("shards says which images validate: take manifest or val_fraction out")
        return self

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.manifest and self.val_fraction:
            raise ValueError("give manifest or val_fraction, not both: a manifest already says which images validate")
        return self
