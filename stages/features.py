"""Compute the frozen network's embedding of every image, once.

Frozen means frozen: the network is in eval mode, so BatchNorm's statistics stand still, and the embedding
of an image never changes. Training a last layer on these takes a second.

In:  weights/MODEL.safetensors, data/DATASET/, models.MODEL.resize, .crop, .fit, .interpolation, .mean and .std
Out: features/MODEL/DATASET.safetensors: of train, val and, where there are any, test images, in the order of their
     names: SPLIT.embeddings (N, D) float32, SPLIT.labels (N,) int64 and, where there are groups, their numbers from 0,
     SPLIT.groups (N,) int64; in the header the classes and the files' names
     tables/MODEL/DATASET/embeddings.tsv: split, label, x, y, x_share, y_share: train and val images in the plane along
     which the train images vary most, and the share of the variance that each axis shows
"""

import numpy as np

from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import write_table
from stages.ground.runtime import Runtime, load_runtime
from stages.models.backbone import BATCH, Backbone
from stages.models.features import Embedded, Features
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, groups_of, list_splits
from stages.preprocessing.squares import read_squares
from stages.statistics.projection import Projection


def main(model: str, dataset: str) -> None:
    runtime, preprocessing = load_runtime(), Preprocessing.of(model, dataset)
    pretrained = Pretrained.read(paths.weights(model), model)
    try:
        backbone = Backbone(pretrained.graph, pretrained.tensors, runtime.device)
    except ProjectError as error:
        raise ProjectError(f"{paths.weights(model)}: {error}; run dvc repro") from error
    splits, classes, folder = {}, [], paths.images(dataset)
    for split, listed in list_splits(folder).items():
        files = [path.relative_to(folder).as_posix() for path in listed.files]
        embeddings, groups = embed(backbone, listed, preprocessing, runtime), groups_of(dataset, files)
        splits[split] = Embedded(files, embeddings, listed.labels, groups)
        classes = listed.classes
        print(f"{split}: {len(files)} images, {pretrained.width} features each")
    features = Features(pretrained.identity(preprocessing), classes, splits)
    features.write(paths.features(model, dataset))
    write_table(paths.embeddings(model, dataset), projected(features))


def embed(backbone: Backbone, listed: LabelledFiles, preprocessing: Preprocessing, runtime: Runtime) -> np.ndarray:
    """(N, D) float32. Images are read once and not kept."""
    batches = read_squares(listed.files, preprocessing, BATCH, runtime.workers, runtime.progress)
    return np.concatenate([backbone.embeddings(to_input(squares, preprocessing)) for squares in batches])


def projected(features: Features) -> list[dict[str, object]]:
    projection = Projection.of(features.splits["train"].embeddings)
    return [
        {"split": split, "label": features.classes[label], **point}
        for split in ("train", "val")
        for label, point in zip(
            features.splits[split].labels, projection.points(features.splits[split].embeddings), strict=True
        )
    ]


if __name__ == "__main__":
    run(main)
