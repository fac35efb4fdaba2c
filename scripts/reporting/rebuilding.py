"""Asking DVC for what is to be rebuilt, and hearing why it could not be."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scripts.reporting.graph import BEFORE_TRAINING, Cell
from stages.ground.cli import ERRORS_FILE


@dataclass(frozen=True)
class Failure:
    """Why a stage could not do its work."""

    stage: str  # such as weights@resnet18
    reason: str
    unreachable: bool  # it is this machine that does not get to the file

    @property
    def of_all(self) -> bool:
        """Whether all variants of the cells that it concerns want for what it should have made."""
        return self.stage.partition("@")[0] in BEFORE_TRAINING


@dataclass
class Rebuilding:
    """The cells that are to be rebuilt, and what has failed so far."""

    cells: list[Cell]
    failures: list[Failure] = field(default_factory=list)

    def possible(self, cell: Cell) -> bool:
        return not any(failure.of_all for failure in self.failures_of(cell))

    def failures_of(self, cell: Cell) -> list[Failure]:
        return [failure for failure in self.failures if cell.needs(failure.stage)]

    def run(self, *arguments: str) -> bool:
        """`dvc repro`; False if it failed without a word of its stages, whose words are kept."""
        with tempfile.TemporaryDirectory() as folder:
            errors = Path(folder, "errors")
            environment = {**os.environ, ERRORS_FILE: str(errors)}
            done = subprocess.run(["dvc", "repro", *arguments], env=environment, check=False)
            lines = errors.read_text(encoding="utf-8").splitlines() if errors.exists() else []
        self.failures += [Failure(**json.loads(line)) for line in lines]
        return not done.returncode or bool(lines)

    def run_each(self, stage: str) -> list[Cell]:
        """The same for `stage` of each cell; those that are done."""
        done = []
        for cell in self.cells:
            before = len(self.failures)
            if self.run(f"{stage}@{cell.model}-{cell.dataset}") and len(self.failures) == before:
                done.append(cell)
        return done

    def told_of_others(self, done: list[Cell]) -> int:
        """Say why the cells that are not done are not; the exit status."""
        others = [cell for cell in self.cells if cell not in done]
        for cell in others:
            reasons = [f"{failure.stage}: {failure.reason}" for failure in self.failures_of(cell)]
            print(f"not done: {cell}: {'; '.join(reasons) or 'DVC says why above'}", file=sys.stderr)
        return 1 if others else 0
