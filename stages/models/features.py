"""Embeddings of a data set's images, as a file.

The images' names stand in its header, or in tensors of bytes where there are more than that can hold.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.ground.errors import ProjectError
from stages.ground.room import all_finite
from stages.models.tensors import Tensors, fits, read_tensors, write_tensors

KEYS = ("backbone", "classes", "files")


@dataclass(frozen=True)
class Embedded:
    """The images of one split."""

    files: list[str]  # relative to data/DATASET/
    embeddings: np.ndarray  # (N, D) float32
    labels: np.ndarray  # (N,) int64
    groups: np.ndarray | None = None  # (N,) int64, numbers of what stays on one side of a split


@dataclass(frozen=True)
class Features:
    """A frozen network's embeddings of the images that train, validate and, where there are any, test."""

    backbone: str  # see Pretrained.identity
    classes: list[str]
    splits: dict[str, Embedded]

    def write(self, path: Path) -> None:
        tensors: Tensors = {}
        for split, of in self.splits.items():
            tensors[f"{split}.embeddings"], tensors[f"{split}.labels"] = of.embeddings, of.labels
            if of.groups is not None:
                tensors[f"{split}.groups"] = of.groups
        about: dict[str, object] = {"backbone": self.backbone, "classes": self.classes}
        files: dict[str, list[str] | None] = {split: of.files for split, of in self.splits.items()}
        if not fits(about | {"files": files}):
            tensors |= {f"{split}.files": _to_bytes(of.files) for split, of in self.splits.items()}
            files = dict.fromkeys(files)
        write_tensors(path, tensors, about | {"files": files})

    @classmethod
    def read(cls, path: Path) -> "Features":
        """Their arrays stay in the file, and cannot be written to.

        Raises:
            ProjectError: the file is not one that write() wrote, with train and val images at least.
        """
        tensors, about = read_tensors(path, KEYS, mapped=True)
        try:
            splits = {
                split: Embedded(
                    _from_bytes(tensors[f"{split}.files"]) if files is None else files,
                    tensors[f"{split}.embeddings"],
                    tensors[f"{split}.labels"],
                    tensors.get(f"{split}.groups"),
                )
                for split, files in about["files"].items()
            }
        except KeyError as error:
            raise ProjectError(f"{path}: no {error} in it; run dvc repro") from error
        except ValueError as error:
            raise ProjectError(f"{path}: the names of its files cannot be read; run dvc repro") from error
        for split in ("train", "val"):
            if not _usable(splits.get(split), len(about["classes"])):
                raise ProjectError(f"{path}: no embeddings of {split} images in it that can be used; run dvc repro")
        return cls(about["backbone"], about["classes"], splits)


def _to_bytes(names: list[str]) -> np.ndarray:
    """(N,) uint8: JSON"""
    return np.frombuffer(json.dumps(names).encode(), np.uint8)


def _from_bytes(names: np.ndarray) -> list[str]:
    return list(json.loads(names.tobytes()))


def _usable(of: Embedded | None, classes: int) -> bool:
    if of is None or of.embeddings.ndim != 2 or not len(of.files) == len(of.labels) == len(of.embeddings) > 0:
        return False
    if of.groups is not None and (len(of.groups) != len(of.files) or of.groups.min() < 0):
        return False
    return all_finite(of.embeddings) and 0 <= of.labels.min() <= of.labels.max() < classes
