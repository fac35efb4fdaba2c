"""A finished model as one file of torch.export, pt2, for programs that have torch."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from scripts.using.names import DISTANCE, NONE_OF_THESE, PROBABILITIES
from stages.models.model_file import ModelFile
from stages.networks.finished import load_model
from stages.networks.network import last_layer, set_last_layer
from stages.statistics.novelty import NEIGHBOURS, TINY, Novelty


def write_pt2(file: ModelFile, properties: dict[str, str], path: Path) -> None:
    """The network with its answers at its end, for any number of images."""
    network = load_model(file)
    network = set_last_layer(network, Answers(last_layer(network), file.novelty)).eval()
    images = torch.zeros(2, 3, file.preprocessing.crop, file.preprocessing.crop)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # which holds this machine's paths
    with path.open("wb") as opened:
        torch.export.save(program, opened, extra_files={"metadata.json": json.dumps(properties)})


class Answers(nn.Module):
    """In the last layer's place: what an exported file gives of embeddings."""

    def __init__(self, layer: nn.Module, novelty: Novelty | None) -> None:
        super().__init__()
        self.layer, self.distance = layer, None if novelty is None else Distance(novelty)

    def forward(self, embeddings: Tensor) -> dict[str, Tensor]:
        answers = {PROBABILITIES: self.layer(embeddings).softmax(1)}
        if self.distance is None:
            return answers
        distance = self.distance(embeddings)
        return {**answers, DISTANCE: distance, NONE_OF_THESE: distance > self.distance.threshold}


class Distance(nn.Module):
    """Novelty.distances in torch."""

    directions: Tensor
    axes: Tensor
    centres: Tensor
    medians: Tensor
    spans: Tensor

    def __init__(self, novelty: Novelty) -> None:
        super().__init__()
        self.threshold = novelty.threshold
        for of, names in ((novelty.known, ("directions", "axes", "centres")), (novelty, ("medians", "spans"))):
            for name in names:
                self.register_buffer(name, torch.from_numpy(getattr(of, name)))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(N, D) -> (N,)"""
        along = embeddings / embeddings.norm(dim=1, keepdim=True).clamp(min=TINY)
        similar = (along @ self.directions.float().T).topk(min(NEIGHBOURS, len(self.directions)), dim=1).values
        of_images = (2 - 2 * similar).clamp(min=0).sqrt().mean(1)
        of_plane = ((along @ self.axes.T)[:, None] - self.centres).norm(dim=2).amin(1)
        both = torch.stack((of_images, of_plane), dim=1)
        return ((both - self.medians) / self.spans).amax(1)


def run_pt2(path: Path, batches: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
    with path.open("rb") as file, torch.inference_mode():
        network = torch.export.load(file).module()
        answers = [network(torch.from_numpy(images)) for images in batches]
    return [{name: tensor.numpy() for name, tensor in of.items()} for of in answers]
