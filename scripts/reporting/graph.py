"""What DVC tells of the graph: which stages are to run, and whether its own files are whole."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.ground.errors import ProjectError
from stages.ground.params import known_as
from stages.settings import Params

LOCK, RWLOCK = "dvc.lock", ".dvc/tmp/rwlock"
BEFORE_TRAINING = ("download", "arrange", "weights", "features")
OF_STUDY = ("trials", "verdict", "draw_study", "sweep", "draw_sweep")
STAGES = (*BEFORE_TRAINING, "learning_curve", "train", "evaluate", "compare", "explain", "draw")


@dataclass(frozen=True)
class Cell:
    """One network on one data set."""

    model: str
    dataset: str

    def __str__(self) -> str:
        return f"{self.model} on {self.dataset}"

    def needs(self, stage: str) -> bool:
        """Whether its results come from the stage of that name, such as train@mobilenet_v2-ants_bees-frozen."""
        kind, _, key = stage.partition("@")
        of = key.split("-")
        if kind == "weights":
            return of == [self.model]
        if kind in ("download", "arrange"):
            return of == [self.dataset]
        return kind in (*STAGES, *OF_STUDY) and of[:2] == [self.model, self.dataset]


def cells_of(params: Params, model: str | None, dataset: str | None) -> list[Cell]:
    """Of one data set or all, of one network or the first.

    Raises:
        ProjectError: params.yaml has none of that name.
    """
    model = model or next(iter(params.models))
    known_as("models", params.models, model)
    datasets = [dataset] if dataset else list(params.datasets)
    for name in datasets:
        known_as("datasets", params.datasets, name)
    return [Cell(model, name) for name in datasets]


@dataclass(frozen=True)
class Changes:
    """The stages whose inputs or outputs are not as dvc.lock has them; those that follow them may be left out."""

    stages: dict[str, list[Any]]  # by name, as `dvc status --json` has it

    def of(self, cell: Cell) -> list[str]:
        """The kinds of stages, in the graph's order, that stand between this cell and its results."""
        return sorted({name.partition("@")[0] for name in self.stages if cell.needs(name)}, key=STAGES.index)

    def outdate(self, cell: Cell) -> bool:
        """Whether code, settings or files of this cell are others than dvc.lock has, and not just missing here."""
        return any(_differs(changes) for name, changes in self.stages.items() if cell.needs(name))


def _differs(changes: Any) -> bool:
    """Of a part of what `dvc status --json` says of a stage: lists and mappings, down to words such as `modified`."""
    if isinstance(changes, dict):
        return any(map(_differs, changes.values()))
    return any(map(_differs, changes)) if isinstance(changes, list) else changes not in ("deleted", "not in cache")


def changes() -> Changes:
    """Of the stages of dvc.yaml; those of the study are another file's.

    Raises:
        ProjectError: DVC cannot tell, as when it was killed while it wrote.
    """
    status = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode:
        check_dvc_files()
        raise ProjectError(f"dvc status failed: {' '.join(status.stderr.split())}")
    return Changes({name: of for name, of in json.loads(status.stdout).items() if ":" not in name})


def check_dvc_files() -> None:
    """DVC writes two files in place: killed meanwhile, it leaves half of one, and then can do nothing."""
    if not half_written():
        return
    time.sleep(1)  # or another DVC is writing it right now
    if LOCK in (damaged := half_written()):
        raise ProjectError(
            f"{LOCK} is damaged, by a kill while DVC wrote it or by a merge: git checkout HEAD {LOCK}, or rm {LOCK}"
            " where Git has none, then try again; what ran since comes back from DVC's cache"
        )
    if RWLOCK in damaged:
        raise ProjectError(
            f"{RWLOCK} is damaged, by a kill while DVC wrote it: end all that DVC runs here, rm {RWLOCK}, then"
            " try again"
        )


def half_written() -> list[str]:
    """Which of the two DVC cannot read."""
    listed = subprocess.run(["dvc", "stage", "list", "--name-only"], capture_output=True, text=True, check=False)
    damaged = [LOCK] if re.search(rf"{LOCK}',? (is invalid|validation failed|is not valid)", listed.stderr) else []
    try:
        json.loads(Path(RWLOCK).read_bytes())
    except FileNotFoundError:
        pass
    except ValueError:
        damaged.append(RWLOCK)
    return damaged
