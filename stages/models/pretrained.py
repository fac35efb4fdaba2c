"""A pretrained network's file: every layer but the last, which the new classes replace."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from stages.ground.errors import ProjectError
from stages.models.graph import Graph
from stages.models.tensors import Tensors, checksum, read_tensors, write_tensors


@dataclass(frozen=True)
class Pretrained:
    """weights/MODEL.safetensors: every layer of a network but the last."""

    network: str  # torchvision's name
    last_layer: str  # the name that torchvision gives to the layer that is left out, such as classifier.1
    width: int  # D, of an embedding
    graph: Graph
    tensors: Tensors

    def write(self, path: Path) -> None:
        graph = self.graph.model_dump(mode="json")
        about = {"network": self.network, "last_layer": self.last_layer, "width": self.width, "graph": graph}
        write_tensors(path, self.tensors, about)

    @classmethod
    def read(cls, path: Path, network: str) -> Self:
        """
        Raises:
            ProjectError: the file is not one that write() wrote, or of another network.
        """
        tensors, about = read_tensors(path, ("network", "last_layer", "width", "graph"))
        if about["network"] != network:
            raise ProjectError(f"{path}: not the weights of {network} that weights@{network} makes; run dvc repro")
        try:
            graph = Graph.model_validate_json(json.dumps(about["graph"]))
        except ValidationError as error:
            raise ProjectError(f"{path}: no graph in it that can be used; run dvc repro") from error
        return cls(network, about["last_layer"], about["width"], graph, tensors)

    def identity(self, preprocessing: object) -> str:
        """What embeddings depend on beside the image, in short."""
        return f"{self.network} {checksum(self.tensors):08x} {preprocessing}"
