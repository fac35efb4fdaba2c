"""The files of data/DATASET/{train,val,test}/, with the class of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.ground import paths
from stages.ground.errors import ProjectError, some
from stages.ground.files import read_json
from stages.ground.shards import read_index, shards_in
from stages.pictures.listing import LeftOut, files_below
from stages.pictures.system_names import is_of_a_system


@dataclass(frozen=True)
class LabelledFiles:
    """The files of one split, sorted, and for each the index of its class among `classes`, which are sorted too."""

    files: list[Path]
    labels: np.ndarray  # (N,) int64
    classes: list[str]


def list_split(folder: Path) -> LabelledFiles:
    """The images below folder/CLASS/, and below folders in it; classes and files are sorted by name. Of indexed tar
    files all that is in them, in its order, since it is read in that."""
    if shards := shards_in(folder):
        return _inside(shards)
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not is_of_a_system(path.name))
    files = [
        (path, label) for label, name in enumerate(classes) for path in sorted(files_below(folder / name, LeftOut()))
    ]
    return LabelledFiles([path for path, _ in files], np.array([label for _, label in files], np.int64), classes)


def _inside(shards: Sequence[Path]) -> LabelledFiles:
    files, names = [], []
    for shard in shards:
        for file in read_index(shard).files:
            files.append(Path(f"{shard}/{file}"))
            names.append(file.partition("/")[0])
    classes = sorted(set(names))
    numbers = {name: number for number, name in enumerate(classes)}
    return LabelledFiles(files, np.array([numbers[name] for name in names], np.int64), classes)


def list_splits(folder: Path) -> dict[str, LabelledFiles]:
    """The images of train and val and, where there are any, test, of data/DATASET/.

    Raises:
        ProjectError: one is empty, or of other classes than train.
    """
    names = ("train", "val", "test") if (folder / "test").is_dir() else ("train", "val")
    splits = {name: list_split(folder / name) for name in names}
    for name, of in splits.items():
        if not of.files or of.classes != splits["train"].classes:
            raise ProjectError(
                f"{folder / name}: expected images of the same classes as in train; found {len(of.files)} of"
                f" {', '.join(of.classes) or 'none'}; run dvc repro, which arranges them anew"
            )
    return splits


def groups_of(dataset: str, files: list[str]) -> np.ndarray | None:
    """(N,) numbers of the groups of these files, which other splits number alike; None where there are none.

    Raises:
        ProjectError: a file has no group.
    """
    path = paths.groups(dataset)
    if not path.is_file():
        return None
    names = read_json(path)
    if missing := [file for file in files if file not in names]:
        raise ProjectError(f"{path}: no group of {some(missing)}; run dvc repro, which arranges the images anew")
    numbers = {name: number for number, name in enumerate(sorted(set(names.values())))}
    return np.array([numbers[names[file]] for file in files], np.int64)
