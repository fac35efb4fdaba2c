"""Compute the frozen network's embedding of every image that trains or validates, once.

Frozen means frozen: the network is in eval mode, so BatchNorm's statistics stand still, and the embedding
of an image never changes. Training a last layer on these takes a second.

In:  weights/MODEL.pt, data/DATASET/, models.MODEL.resize and .crop
Out: features/MODEL/DATASET.pt: {"classes": [name], "train" and "val": {"embeddings": (N, D) float32,
     "labels": (N,) int64}}, images in the order of their names
     plots/MODEL/DATASET-embeddings.png: the embeddings in two dimensions
"""

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from stages.common import paths
from stages.common.cli import run
from stages.common.compute import choose_device
from stages.common.examples import READ_BATCH
from stages.common.figures import save_figure
from stages.common.figures.embeddings import draw_embeddings
from stages.common.images import LabelledFiles, Preprocessing, list_split, read_squares, to_input
from stages.common.network import load_pretrained, set_last_layer
from stages.common.params import Runtime, known_as, load_params
from stages.common.projection import Projection
from stages.common.tensors import save_tensors

SPLITS = ("train", "val")


def main(model: str, dataset: str) -> None:
    params = load_params()
    settings = known_as("models", params.models, model)
    preprocessing = Preprocessing(settings.resize, settings.crop)
    device = choose_device(params.runtime.device)
    network = set_last_layer(load_pretrained(model, paths.weights(model)), nn.Identity()).to(device)
    features: dict[str, Any] = {}
    for split in SPLITS:
        listed = list_split(paths.images(dataset) / split)
        embeddings = embed(network, listed, preprocessing, device, params.runtime)
        features["classes"] = listed.classes
        features[split] = {"embeddings": embeddings, "labels": listed.labels}
        print(f"{split}: {len(embeddings)} images, {embeddings.shape[1]} features each")
    save_tensors(paths.features(model, dataset), features)
    save_figure(paths.embeddings(model, dataset), embeddings_figure(f"{model} on {dataset}", features))


def embeddings_figure(title: str, features: dict[str, Any]) -> Figure:
    """All images in the plane along which the train images vary most."""
    projection = Projection.of(features["train"]["embeddings"])
    points = {split: (projection(features[split]["embeddings"]), features[split]["labels"]) for split in SPLITS}
    return draw_embeddings(f"{title}: what the frozen network sees", features["classes"], points, projection.shares)


@torch.inference_mode()
def embed(
    network: nn.Module, listed: LabelledFiles, preprocessing: Preprocessing, device: torch.device, runtime: Runtime
) -> Tensor:
    """The output of `network`, in eval mode, for each image: (N, D) float32. Images are read once and not kept."""
    network.eval().to(memory_format=torch.channels_last)
    embeddings = []
    for squares in read_squares(listed.files, preprocessing.resize, READ_BATCH, runtime.workers, runtime.progress):
        embeddings.append(network(to_input(squares.to(device), preprocessing)).cpu())
    return torch.cat(embeddings)


if __name__ == "__main__":
    run(main)
