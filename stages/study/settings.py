"""The section study of params.yaml: how often each way of training is tried, and what counts as the same."""

from typing import Annotated

from pydantic import Field

from stages.ground.params import Name, Strict
from stages.recipes.variant import Recipe

Count = Annotated[int, Field(ge=2)]


class Study(Strict):
    trials: Count
    quick_trials: Count
    margin: Annotated[float, Field(gt=0, lt=1)]
    variants: dict[Name, Recipe] = Field(default_factory=dict)
