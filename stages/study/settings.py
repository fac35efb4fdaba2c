"""The section study of params.yaml: how often each way of training is tried, and what counts as the same."""

from typing import Annotated

from pydantic import Field, field_validator

from stages.ground.params import Name, Strict, ascending
from stages.recipes.variant import Recipe

Count = Annotated[int, Field(ge=2)]


class Study(Strict):
    trials: Count
    quick_trials: Count
    part_trials: Annotated[int, Field(ge=0)] = 0
    images: list[Annotated[int, Field(ge=2)]] = Field(default_factory=list)
    margin: Annotated[float, Field(gt=0, lt=1)]
    variants: dict[Name, Recipe] = Field(default_factory=dict)

    @field_validator("images")
    @classmethod
    def _ascending(cls, images: list[int]) -> list[int]:
        return ascending(images)
