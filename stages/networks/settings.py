"""The section models of params.yaml: networks, where their weights are, and the size of the images they see."""

import importlib.util
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from stages.ground.errors import ProjectError
from stages.ground.params import Fit, Pixels, Strict, Urls, did_you_mean, name

VIT_CROP = 224  # pixels; a ViT has an embedding for each place in an image of one size


def network_name(text: str) -> str:
    if text not in (known := _torchvision_networks()):
        raise ValueError(f"no classification network of torchvision{did_you_mean(text, known)}")
    return name(text)


def takes_one_size(network: str) -> bool:
    """Whether torchvision's network of that name takes images of VIT_CROP pixels only."""
    return network.startswith("vit_")


NetworkName = Annotated[str, AfterValidator(network_name)]


class Model(Strict):
    """`sha256` may be a beginning of the checksum, 8 digits or more: torchvision gives as many in its files' names."""

    urls: Urls
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    resize: Pixels
    crop: Pixels
    fit: Fit

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop must not be above resize ({self.resize}); received {self.crop}")
        return self


def _torchvision_networks() -> list[str]:
    """Names of torchvision's classification networks, out of its source: importing it takes seconds."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ProjectError("torchvision is not installed: run make env")
    sources = (Path(spec.origin).parent / "models").glob("*.py")
    pattern = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
    return sorted(name for source in sources for name in pattern.findall(source.read_text(encoding="utf-8")))
