"""A finished model as one file of torch.export, pt2, for programs that have torch."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stages.models.model_file import ModelFile
from stages.networks.finished import load_model


def write_pt2(file: ModelFile, properties: dict[str, str], path: Path) -> None:
    """The network and a softmax after it, for any number of images."""
    network = nn.Sequential(load_model(file), nn.Softmax(dim=1))
    images = torch.zeros(2, 3, file.preprocessing.crop, file.preprocessing.crop)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # which holds this machine's paths
    with path.open("wb") as opened:
        torch.export.save(program, opened, extra_files={"metadata.json": json.dumps(properties)})


def run_pt2(path: Path, batches: list[np.ndarray]) -> list[np.ndarray]:
    with path.open("rb") as file, torch.inference_mode():
        network = torch.export.load(file).module()
        return [network(torch.from_numpy(images)).numpy() for images in batches]
