"""The section models of params.yaml: networks, where their weights are, and the images they see."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from stages.ground.errors import ProjectError
from stages.ground.params import Channels, Fit, Interpolation, Pixels, Spreads, Strict, Urls, did_you_mean
from stages.networks.names import OF_TIMM

Source = Literal["torchvision", "timm"]
VIT_CROP = 224  # pixels; a ViT of torchvision has an embedding for each place in an image of one size
NETWORKS = {  # in the source of either: importing them takes seconds
    "torchvision": re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE),
    "timm": re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE),
}


class Model(Strict):
    """`sha256` may be a beginning of the checksum, 8 digits or more: torchvision gives as many in its files' names."""

    source: Source
    name: str  # torchvision's, or timm's ARCHITECTURE.TAG
    urls: Urls
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    licence: Annotated[str, Field(min_length=1)]
    resize: Pixels
    crop: Pixels
    fit: Fit
    interpolation: Interpolation
    mean: Channels
    std: Spreads

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str, others: ValidationInfo) -> str:
        if source := others.data.get("source"):
            check_known(source, name)
        return name

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop must not be above resize ({self.resize}); received {self.crop}")
        if self.source == "torchvision" and self.name.startswith("vit_") and self.crop != VIT_CROP:
            raise ValueError(f"crop must be {VIT_CROP}, the only one {self.name} takes; received {self.crop}")
        return self


def network_of(model: Model) -> str:
    """The name that its network has in files: torchvision's name, or OF_TIMM and timm's."""
    return f"{OF_TIMM if model.source == 'timm' else ''}{model.name}"


def check_known(source: Source, name: str) -> None:
    """Raises ValueError where the library has no such network; of timm's, only the architecture is looked at."""
    architecture = name.partition(".")[0] if source == "timm" else name
    if any(architecture in names for names in _names_by_file(source, likely=architecture)):
        return
    kind = "classification network" if source == "torchvision" else "network"
    raise ValueError(f"no {kind} of {source}{did_you_mean(architecture, names_of(source))}; received {name!r}")


def names_of(source: Source) -> list[str]:
    return sorted(name for names in _names_by_file(source) for name in names)


def _names_by_file(source: Source, likely: str = "") -> Iterator[list[str]]:
    """The names of its networks, out of its files, those first whose own name is in the `likely` one."""
    spec = importlib.util.find_spec(source)
    if spec is None or spec.origin is None:
        raise ProjectError(f"{source} is not installed: run make env")
    files = sorted((Path(spec.origin).parent / "models").glob("*.py"), key=lambda file: file.stem not in likely)
    return (NETWORKS[source].findall(file.read_text(encoding="utf-8")) for file in files)
