"""A finished network's file: its tensors under its library's names, and in the header all that is needed to use it."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, Field, ValidationError, model_validator

from stages.ground.errors import ProjectError
from stages.ground.params import FalseAlarms, Fit, Interpolation, Pixels, Positive
from stages.models.graph import Graph
from stages.models.tensors import Tensors, read_tensors, write_tensors
from stages.pictures.picture import Values
from stages.preprocessing.inputs import Preprocessing
from stages.statistics.novelty import Known, Novelty

Channels = tuple[float, float, float]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NONE_OF_THESE = "none_of_these."  # of the names of tensors that are none of the network's


class _NoneOfThese(BaseModel):
    """What Novelty has beside tensors."""

    medians: tuple[Finite, Finite]
    spans: tuple[Positive, Positive]
    threshold: Finite
    false_alarms: FalseAlarms


class _Header(BaseModel):
    """What the header of a model's file must hold; other keys are passed over."""

    network: str
    last_layer: str
    graph: Graph
    classes: Annotated[list[str], Field(min_length=1)]
    resize: Pixels
    crop: Pixels
    mean: Channels
    std: Channels
    values: Values | None = None
    fit: Fit = "crop"  # which older files do not say, as what follows
    interpolation: Interpolation = "bilinear"
    licence: str | None = None
    precision: str
    backbone: str | None = None
    none_of_these: _NoneOfThese | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) is above resize ({self.resize})")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two of its classes have one name")
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"images cannot be normalized by mean {self.mean} and std {self.std}")
        return self


@dataclass(frozen=True)
class ModelFile:
    """models/MODEL/DATASET/VARIANT.safetensors"""

    network: str  # its name in files, see network_of in stages/networks/settings.py
    last_layer: str  # its name; its weight (classes, D) and bias (classes,) are among the tensors
    graph: Graph  # of the layers before it
    classes: list[str]  # in the order of the outputs
    preprocessing: Preprocessing
    precision: str  # that it was trained in: bfloat16 or float32
    backbone: str | None  # Pretrained.identity, where the last layer alone was trained
    tensors: Tensors  # of the network
    novelty: Novelty | None = None  # tells what is none of the classes; None where that could not be learnt
    licence: str | None = None  # of the pretrained weights; None where an older file does not say

    @property
    def weight(self) -> np.ndarray:
        return self.tensors[f"{self.last_layer}.weight"]

    @property
    def bias(self) -> np.ndarray:
        return self.tensors[f"{self.last_layer}.bias"]

    def write(self, path: Path) -> None:
        about: dict[str, Any] = {
            "network": self.network,
            "last_layer": self.last_layer,
            "classes": self.classes,
            **asdict(self.preprocessing),
            "precision": self.precision,
            "licence": self.licence,
            "backbone": self.backbone,
            "graph": self.graph.model_dump(mode="json"),
            "none_of_these": _told(self.novelty) if self.novelty else None,
        }
        write_tensors(path, {**self.tensors, **(_known(self.novelty) if self.novelty else {})}, about)

    @classmethod
    def read(cls, path: Path) -> Self:
        """
        Raises:
            ProjectError: the file is not one that write() wrote.
        """
        tensors, about = read_tensors(path)
        try:
            header = _Header.model_validate_json(json.dumps(about))
            _check_tensors(tensors, header)
            novelty = _novelty(tensors, header)
        except (ValidationError, ValueError) as error:
            raise ProjectError(f"{path} is not a model that stages.train made: {_first_problem(error)}") from error
        preprocessing = Preprocessing(
            header.resize, header.crop, header.mean, header.std, header.values, header.fit, header.interpolation
        )
        return cls(
            header.network,
            header.last_layer,
            header.graph,
            header.classes,
            preprocessing,
            header.precision,
            header.backbone,
            {name: tensor for name, tensor in tensors.items() if not name.startswith(NONE_OF_THESE)},
            novelty,
            header.licence,
        )


def _told(novelty: Novelty) -> dict[str, object]:
    numbers = {"threshold": novelty.threshold, "false_alarms": novelty.false_alarms}
    return {"medians": novelty.medians.tolist(), "spans": novelty.spans.tolist(), **numbers}


def _known(novelty: Novelty) -> Tensors:
    return {NONE_OF_THESE + field.name: getattr(novelty.known, field.name) for field in fields(Known)}


def _novelty(tensors: Tensors, header: _Header) -> Novelty | None:
    if (told := header.none_of_these) is None:
        return None
    try:
        known = Known(**{field.name: tensors[NONE_OF_THESE + field.name] for field in fields(Known)})
    except KeyError as error:
        raise ValueError(f"no {error} in it") from error
    width = tensors[f"{header.last_layer}.weight"].shape[1]
    fit = known.directions.shape[1:] == known.axes.shape[1:] == (width,)
    if not fit or not len(known.directions) or known.centres.shape[1:] != known.axes.shape[:1]:
        raise ValueError("what tells none of these does not fit its network")
    medians, spans = (np.array(values, np.float32) for values in (told.medians, told.spans))
    return Novelty(known, medians, spans, told.threshold, told.false_alarms)


def _check_tensors(tensors: Tensors, header: _Header) -> None:
    weight, bias = (tensors.get(f"{header.last_layer}.{part}") for part in ("weight", "bias"))
    if weight is None or bias is None or len(weight) != len(header.classes) or bias.shape != weight.shape[:1]:
        raise ValueError(f"its last layer is not one of {len(header.classes)} classes")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("some of its weights are not finite")


def _first_problem(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        return f"{key}{': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}"
    return str(error)
