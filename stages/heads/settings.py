"""The section learning_curve of params.yaml: on how many images the last layer is trained."""

from typing import Annotated

from pydantic import Field, field_validator

from stages.ground.params import Strict, ascending


class LearningCurve(Strict):
    """To see what more images are worth."""

    variant: str
    images: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    draws: Annotated[int, Field(ge=1)]

    @field_validator("images")
    @classmethod
    def _ascending(cls, images: list[int]) -> list[int]:
        return ascending(images)
