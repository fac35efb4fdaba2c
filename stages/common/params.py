"""params.yaml, read and checked whole: a wrong value is an error before any work starts.

What each setting means stands beside it in params.yaml.
"""

import difflib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stages.common.errors import ProjectError

PARAMS_FILE = Path("params.yaml")
RESERVED = ("raw", "manifests", "embedded")  # folders in data/ that are no data sets
VIT_CROP = 224  # pixels; a ViT has an embedding for each place in an image of one size

OTHER_NAMES = {  # what people know these settings as
    "lr": ("learning_rate", "learningrate", "eta"),
    "trainable": ("freeze", "frozen"),
    "schedule": ("scheduler", "lr_scheduler"),
    "step_epochs": ("step_size",),
    "step_factor": ("gamma",),
    "workers": ("num_workers",),
    "val_fraction": ("val_split", "validation_split", "test_size"),
    "crop": ("image_size", "img_size"),
    "sha256": ("checksum", "hash"),
}

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=32, le=1024)]


def _url(url: str) -> str:
    if not re.search(r"[^/]$", url.partition("?")[0]):
        raise ValueError(f"an address or a path ends with the file's name; received {url!r}")
    return url


Urls = Annotated[list[Annotated[str, AfterValidator(_url)]], Field(min_length=1)]


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("a name is small letters, digits and _, and begins with a letter")
    if name in ("yes", "no", "on", "off", "true", "false", "null", "y", "n"):
        raise ValueError("to YAML this is no name but a value")
    return name


def dataset_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"the names {', '.join(RESERVED[:-1])} and {RESERVED[-1]} are taken by folders in data/")
    return _name(name)


def network_name(name: str) -> str:
    if name not in (known := _torchvision_networks()):
        raise ValueError(f"no classification network of torchvision{_did_you_mean(name, known)}")
    return _name(name)


def takes_one_size(network: str) -> bool:
    """Whether torchvision's network of that name takes images of VIT_CROP pixels only."""
    return network.startswith("vit_")


Name = Annotated[str, AfterValidator(_name)]
DatasetName = Annotated[str, AfterValidator(dataset_name)]
NetworkName = Annotated[str, AfterValidator(network_name)]


class Strict(BaseModel):
    """Settings that are fixed once read and know no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Model(Strict):
    """A network, where its ImageNet weights are, and the size of the images it sees.

    `sha256` may be a beginning of the checksum, 8 digits or more: torchvision gives as many in its files' names.
    """

    urls: Urls
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    resize: Pixels
    crop: Pixels

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop must not be above resize ({self.resize}); received {self.crop}")
        return self


class Download(Strict):
    """Where the archive with a data set's images is."""

    urls: Urls


class Dataset(Strict):
    """How the images of data/raw/NAME are arranged."""

    manifest: str | None = None
    val_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    allow_duplicates: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.manifest and self.val_fraction:
            raise ValueError("give manifest or val_fraction, not both: a manifest already says which images validate")
        return self


class Augment(Strict):
    """Random changes to the training images."""

    min_scale: Annotated[float, Field(gt=0, le=1)]
    flip: bool
    small_crop: Pixels | None = None
    small_epochs: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.small_crop is None) != (self.small_epochs is None):
            raise ValueError("small_crop and small_epochs go together: the first epochs' crop and number")
        return self

    def crop(self, epoch: int, crop: int) -> int:
        """The side of the crops in `epoch`, counted from 1, where the network's own is `crop`, and the largest."""
        return min(self.small_crop, crop) if self.small_crop and epoch <= (self.small_epochs or 0) else crop


class Variant(Strict):
    """One way of training."""

    trainable: Literal["head", "all"]
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    schedule: Literal["step", "linear", "cosine"]
    step_epochs: Annotated[int, Field(ge=1)] | None = None
    step_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    select: Literal["last", "best"] = "last"
    augment: Augment | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.trainable == "head" and self.augment:
            raise ValueError("augment needs trainable: all; a frozen network's features are computed once")
        if {self.step_epochs is not None, self.step_factor is not None} != {self.schedule == "step"}:
            raise ValueError("schedule: step needs step_epochs and step_factor, and no other schedule takes them")
        return self


class LearningCurve(Strict):
    """On how many images the last layer is trained, to see what more of them are worth."""

    variant: str
    images: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    draws: Annotated[int, Field(ge=1)]

    @field_validator("images")
    @classmethod
    def _ascending(cls, images: list[int]) -> list[int]:
        if images != sorted(set(images)):
            raise ValueError(f"expected ascending numbers, each once; received {images}")
        return images


class Runtime(Strict):
    """How the work is done; no stage declares it."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    workers: Annotated[int, Field(ge=1)] = 2
    image_cache_mib: Annotated[int, Field(ge=0)] = 4096
    progress: bool = True
    unpack_limit_gib: Positive = 10


class Params(Strict):
    seed: Annotated[int, Field(ge=0)]
    precision: Literal["auto", "bfloat16", "float32"]
    models: Annotated[dict[NetworkName, Model], Field(min_length=1)]
    downloads: dict[DatasetName, Download]
    datasets: Annotated[dict[DatasetName, Dataset], Field(min_length=1)]
    variants: Annotated[dict[Name, Variant], Field(min_length=1)]
    learning_curve: LearningCurve
    runtime: Runtime = Runtime()

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        problems = [
            f"models.{name}.crop must be {VIT_CROP}, the only one {name} takes; received {model.crop}"
            for name, model in self.models.items()
            if takes_one_size(name) and model.crop != VIT_CROP
        ]
        problems += [
            f"downloads.{name} has no entry of that name under datasets"
            for name in self.downloads
            if name not in self.datasets
        ]
        frozen = [name for name, of in self.variants.items() if (of.trainable, of.select) == ("head", "last")]
        if (name := self.learning_curve.variant) not in frozen:
            problems.append(
                "learning_curve.variant: expected a variant with trainable: head and select: last"
                f" ({', '.join(frozen) or 'add one'}); received {name!r}"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read `path`.

    Raises:
        ProjectError: with every problem found, each with its key, what is allowed and what came.
    """
    written = path.read_bytes()
    try:
        content = yaml.load(written.decode(), Loader=_Loader)
    except Exception as error:  # PyYAML raises nearly anything: a ValueError on 2026-99-99, a KeyError on !!bool x
        raise ProjectError(f"{path} is not valid YAML: {error}") from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ProjectError("; ".join(f"{path}: {problem}" for problem in _problems(error))) from error


def known_as(path: str, table: dict[str, Any], name: str) -> Any:
    """`table[name]`, or an error that lists the names there are; `path` is the table's key in params.yaml."""
    if name not in table:
        raise ProjectError(f"{PARAMS_FILE}: {path} has no entry {name!r}; it has: {', '.join(table)}")
    return table[name]


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 and DVC do, and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "the whole file"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            allowed = _keys_at(problem["loc"][:-1])
            message = f"unknown key{_did_you_mean(str(problem['loc'][-1]), allowed)}; allowed: {', '.join(allowed)}"
        elif problem["type"] == "missing":
            message = "missing"
        elif problem["type"] != "value_error":
            message += f"; received {problem['input']!r}"
        yield f"{key}: {message}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the settings at `location` may have."""
    sections: dict[int | str, type[Strict]] = {
        "models": Model,
        "downloads": Download,
        "datasets": Dataset,
        "variants": Variant,
        "learning_curve": LearningCurve,
        "runtime": Runtime,
    }
    section = Augment if location[2:] == ("augment",) else sections[location[0]] if location else Params
    return list(section.model_fields)


def _did_you_mean(name: str, known: list[str]) -> str:
    also = {other: key for key, others in OTHER_NAMES.items() if key in known for other in others}
    close = difflib.get_close_matches(name, [*known, *also], n=1, cutoff=0.6)
    return f"; did you mean {also.get(close[0], close[0])}?" if close else ""


def _torchvision_networks() -> list[str]:
    """Names of torchvision's classification networks, out of its source: importing it takes seconds."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ProjectError("torchvision is not installed: run make env")
    sources = (Path(spec.origin).parent / "models").glob("*.py")
    pattern = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
    return sorted(name for source in sources for name in pattern.findall(source.read_text(encoding="utf-8")))
