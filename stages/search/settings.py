"""The section sweep of params.yaml: of which variant which settings are tried."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from stages.ground.params import Name, Strict

Value = int | float | str | bool | None


class Between(Strict):
    """Numbers that are drawn with equal chances for each order of magnitude; whole ones where both ends are."""

    low: Annotated[int | float, Field(gt=0, allow_inf_nan=False)]
    high: Annotated[int | float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high; received {self.low} and {self.high}")
        return self

    def at(self, share: float) -> int | float:
        """The number at this share, 0 to 1, of the way from low to high; of three digits."""
        number = float(f"{math.exp(math.log(self.low) + share * math.log(self.high / self.low)):.3g}")
        return round(number) if isinstance(self.low, int) and isinstance(self.high, int) else number


def _kind(settings: Any) -> str:
    return "[range]" if isinstance(settings, dict | Between) else "[list]"


Tried = Annotated[
    Annotated[Between, Tag("[range]")] | Annotated[list[Value], Field(min_length=1), Tag("[list]")],
    Discriminator(_kind),
]


class Sweep(Strict):
    variant: Name
    search: Literal["random", "grid"]
    tries: Annotated[int, Field(ge=1)] | None = None
    settings: Annotated[dict[str, Tried], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)]
    confirm: Annotated[int, Field(ge=2)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.search == "random") != (self.tries is not None):
            raise ValueError("search: random needs tries, how many; search: grid, which tries all, takes none")
        if "select" in self.settings:
            raise ValueError("settings: select: the images that judge must not choose the epoch; take it out")
        if "class_weights" in self.settings:
            raise ValueError("settings: class_weights: tries of other weights have other losses; take it out")
        if ranges := [key for key, of in self.settings.items() if isinstance(of, Between) and self.search == "grid"]:
            raise ValueError(f"search: grid needs a list of values for {', '.join(ranges)}")
        return self
