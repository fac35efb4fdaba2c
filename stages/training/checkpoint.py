"""Interrupted training goes on after its last whole epoch.

DVC deletes a stage's outputs before it runs the stage, so this lies in the git-ignored scratch folder. The
file's name follows from all that the result depends on: whoever changes a parameter, an image or the code
starts afresh. Nothing of a generator's state is kept: randomness follows from (seed, epoch).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.ground.digests import digest
from stages.ground.errors import ProjectError
from stages.ground.files import list_files, sha256
from stages.ground.shards import is_indexed
from stages.networks.pickles import load_pickle, save_pickle

State = dict[str, Any]
KEYS = ("network", "optimizer", "history", "best_accuracy", "best_state")  # what stages/training/fit.py saves


@dataclass(frozen=True)
class Checkpoint:
    """The scratch file of one training run."""

    path: Path
    parts: Mapping[str, str] = field(default_factory=dict)  # of what the result depends on: digests

    @classmethod
    def of(cls, folder: Path, stage: str, settings: object, inputs: Iterable[Path]) -> "Checkpoint":
        """The checkpoint of `stage` with these settings (JSON) and these input files and folders, by content."""
        parts = {"params.yaml": digest(settings)}
        for given in inputs:
            files = [path for path in list_files(given) if not is_indexed(path)]  # the index has a tar file's checksum
            parts[given.as_posix()] = digest([(path.as_posix(), sha256(path)) for path in files])
        return cls(folder / f"{stage}-{digest(parts)}.pt", parts)

    def load(self) -> State | None:
        """What was saved last, or None. A damaged file counts as none: training then starts afresh."""
        try:
            return load_pickle(self.path, KEYS) if self.path.exists() else None
        except ProjectError:
            return None

    def save(self, state: State) -> None:
        save_pickle(self.path, state)

    def delete(self) -> None:
        """The run is done: remove its checkpoint, and those that the same stage left under other settings."""
        stage = self.path.stem.rpartition("-")[0]
        for path in self.path.parent.glob(f"{stage}-*.pt"):
            path.unlink(missing_ok=True)
