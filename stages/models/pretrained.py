"""A pretrained network's file: every layer but the last, which the new classes replace."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from stages.ground.errors import ProjectError
from stages.models.graph import Graph
from stages.models.tensors import Tensors, checksum, read_tensors, write_tensors

KEYS = ("model", "network", "last_layer", "width", "crop", "licence")


@dataclass(frozen=True)
class Pretrained:
    """weights/MODEL.safetensors: every layer of a network but the last."""

    model: str  # its key under models in params.yaml
    network: str  # its name in files, see network_of in stages/networks/settings.py
    last_layer: str  # the name that its library gives to the layer that is left out, such as classifier.1
    width: int  # D, of an embedding
    crop: int  # the side of the images that its graph is of
    licence: str  # of the weights
    graph: Graph
    tensors: Tensors

    def write(self, path: Path) -> None:
        about = {name: getattr(self, name) for name in KEYS}
        write_tensors(path, self.tensors, {**about, "graph": self.graph.model_dump(mode="json")})

    @classmethod
    def read(cls, path: Path, model: str) -> Self:
        """
        Raises:
            ProjectError: the file is not one that write() wrote, or of another model.
        """
        tensors, about = read_tensors(path, (*KEYS, "graph"))
        if about["model"] != model:
            raise ProjectError(f"{path}: not the weights of {model} that weights@{model} makes; run dvc repro")
        try:
            graph = Graph.model_validate_json(json.dumps(about["graph"]))
        except ValidationError as error:
            raise ProjectError(f"{path}: no graph in it that can be used; run dvc repro") from error
        return cls(**{name: about[name] for name in KEYS}, graph=graph, tensors=tensors)

    def identity(self, preprocessing: object) -> str:
        """What embeddings depend on beside the image, in short."""
        return f"{self.network} {checksum(self.tensors):08x} {preprocessing}"
