"""Compute the frozen network's embedding of every image, once.

Frozen means frozen: the network is in eval mode, so BatchNorm's statistics stand still, and the embedding
of an image never changes. Training a last layer on these takes a second.

In:  weights/MODEL.safetensors, data/DATASET/, models.MODEL.resize, .crop, .fit, .interpolation, .mean and .std
Out: features/MODEL/DATASET.safetensors: of train, val and, where there are any, test images, in the order of their
     names: SPLIT.embeddings (N, D) float32, SPLIT.labels (N,) int64 and, where there are groups, their numbers from 0,
     SPLIT.groups (N,) int64; in the header the classes and the files' names (stages/models/features.py)
     tables/MODEL/DATASET/embeddings.tsv: split, label, x, y, x_share, y_share: train and val images in the plane along
     which the train images vary most, and the share of the variance that each axis shows
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.engine.parts import Columns, in_parts
from stages.ground import paths
from stages.ground.cli import run
from stages.ground.errors import ProjectError
from stages.ground.files import write_table
from stages.ground.room import filled
from stages.ground.runtime import Runtime, load_runtime
from stages.models.backbone import BATCH, Backbone, providers
from stages.models.features import Embedded, Features
from stages.models.pretrained import Pretrained
from stages.pictures.picture import progress_bar
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import LabelledFiles, groups_of, list_splits
from stages.preprocessing.squares import read_squares
from stages.statistics.projection import Projection

PART = 1024  # pictures; what is lost at a kill are seconds of a processor


@dataclass
class Embedder:
    """A network that gives embeddings; each process that has a copy makes its own session, once."""

    pretrained: Pretrained
    preprocessing: Preprocessing
    runtime: Runtime
    progress: bool
    _backbone: Backbone | None = field(default=None, init=False)

    def __call__(self, files: Sequence[Path]) -> Columns:
        """embeddings: (N, D) float32. Pictures are read once and not kept."""
        backbone = self._backbone = self._backbone or self._opened()
        batches = read_squares(files, self.preprocessing, BATCH, self.runtime.workers, self.progress)
        parts = [backbone.embeddings(to_input(squares, self.preprocessing)) for squares in batches]
        return {"embeddings": np.concatenate(parts)}

    def _opened(self) -> Backbone:
        threads = self.runtime.workers if self.runtime.engine == "ray" else 0
        try:
            return Backbone(self.pretrained.graph, self.pretrained.tensors, self.runtime.device, threads)
        except ProjectError as error:
            raise ProjectError(f"{paths.weights(self.pretrained.model)}: {error}; run dvc repro") from error


def main(model: str, dataset: str) -> None:
    runtime, preprocessing = load_runtime(), Preprocessing.of(model, dataset)
    pretrained = Pretrained.read(paths.weights(model), model)
    identity, listed = pretrained.identity(preprocessing), list_splits(paths.images(dataset))
    pictures = [path for of in listed.values() for path in of.files]
    files = {split: names_of(of, paths.images(dataset)) for split, of in listed.items()}
    at_once = len(pictures) <= PART
    embedder = Embedder(pretrained, preprocessing, runtime, runtime.progress and at_once)
    given, job = (identity, providers(runtime.device)), f"features-{model}-{dataset}"
    with (
        progress_bar(len(pictures), runtime.progress and not at_once) as bar,
        in_parts(job, embedder, pictures, PART, given, runtime, bar.update) as parts,
    ):
        embeddings = filled((len(pictures), pretrained.width), np.float32, (of["embeddings"] for of in parts))
        features = Features(identity, listed["train"].classes, by_split(dataset, files, listed, embeddings))
        for split, of in features.splits.items():
            print(f"{split}: {len(of.files)} images, {pretrained.width} features each")
        features.write(paths.features(model, dataset))
        write_table(paths.embeddings(model, dataset), projected(features))


def names_of(listed: LabelledFiles, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in listed.files]


def by_split(
    dataset: str, files: dict[str, list[str]], listed: dict[str, LabelledFiles], embeddings: np.ndarray
) -> dict[str, Embedded]:
    """(N, D) of all pictures -> of each split's"""
    splits, start = {}, 0
    for split, names in files.items():
        part = embeddings[start : start + len(names)]
        splits[split] = Embedded(names, part, listed[split].labels, groups_of(dataset, names))
        start += len(names)
    return splits


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
