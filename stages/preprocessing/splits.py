"""The files of data/DATASET/{train,val,test}/, with the class of each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.pictures.picture import find_pictures


@dataclass(frozen=True)
class LabelledFiles:
    """The files of one split, sorted, and for each the index of its class among `classes`, which are sorted too."""

    files: list[Path]
    labels: np.ndarray  # (N,) int64
    classes: list[str]


def list_split(folder: Path) -> LabelledFiles:
    """The images below folder/CLASS/, and below folders in it; classes and files are sorted by name."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(path, label) for label, name in enumerate(classes) for path in find_pictures(folder / name)]
    return LabelledFiles([path for path, _ in files], np.array([label for _, label in files], np.int64), classes)
