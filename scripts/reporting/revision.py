"""The project's files as they were in a commit or an experiment, or as they are; read from Git, since DVC takes seconds
to start."""

import csv
import json
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stages.ground.errors import ProjectError
from stages.ground.params import PARAMS_FILE, parsed

WORKSPACE = "workspace"


@dataclass(frozen=True)
class Revision:
    name: str  # as it was asked for
    commit: str | None  # None: the files as they are

    @classmethod
    def of(cls, name: str) -> "Revision":
        """
        Raises:
            ProjectError: neither Git nor DVC's experiments have it.
        """
        if name == WORKSPACE:
            return cls(name, None)
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found is None:
            listed = _git("for-each-ref", "--format=%(objectname) %(refname:lstrip=-1)", "refs/exps") or b""
            named = [line.split() for line in listed.decode().splitlines()]
            commits = [commit for commit, of in named if of == name]
            if len(commits) > 1:
                raise ProjectError(
                    f"{name!r} is the name of {len(commits)} experiments: {', '.join(commits)}; take one"
                )
            found = commits[0].encode() if commits else None
        if found is None:
            raise ProjectError(
                f"{name!r}: expected a commit, a branch, a tag, an experiment's name (dvc exp list) or {WORKSPACE}"
            )
        return cls(name, found.decode().strip())

    @property
    def title(self) -> str:
        if self.commit is None:
            return f"{WORKSPACE}, the files as they are"
        about = _git("log", "-1", "--format=%h %cd %s", "--date=short", self.commit) or b""
        return f"{self.name} ({about.decode(errors='replace').strip():.80})"

    def read(self, path: Path) -> bytes | None:
        """What the file holds; None where it is not there."""
        if self.commit is None:
            return path.read_bytes() if path.is_file() else None
        return _git("cat-file", "blob", f"{self.commit}:./{path.as_posix()}")

    def has(self, path: Path) -> bool:
        return path.is_file() if self.commit is None else path.as_posix() in _files_of(self.commit)

    def params(self) -> Any:
        """Unchecked: those of an old commit may not be what is allowed now."""
        content = self.read(PARAMS_FILE)
        if content is None:
            raise ProjectError(f"{self.name}: it has no {PARAMS_FILE}")
        return parsed(content, f"{PARAMS_FILE} of {self.name}")

    def json(self, path: Path) -> Any:
        """Of a file of write_json; empty where it is not there."""
        content = self.read(path)
        try:
            return json.loads(content) if content else {}
        except ValueError as error:
            raise ProjectError(f"{path} of {self.name}: not valid JSON ({error})") from error

    def table(self, path: Path, columns: Collection[str]) -> list[dict[str, str]] | None:
        """The rows of a file of write_table; None where it is not there.

        Raises:
            ProjectError: it lacks one of the columns.
        """
        content = self.read(path)
        if content is None:
            return None
        rows = list(csv.DictReader(content.decode(errors="replace").splitlines(), delimiter="\t"))
        if missing := [column for column in columns if not rows or rows[0].get(column) is None]:
            raise ProjectError(f"{path} of {self.name}: no column {missing[0]}, or no rows; run dvc repro")
        return rows


@cache
def _files_of(commit: str) -> frozenset[str]:
    return frozenset((_git("ls-tree", "-r", "-z", "--name-only", commit) or b"").decode().split("\0"))


def _git(*arguments: str) -> bytes | None:
    """What Git answers; None if it refuses."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise ProjectError("git is not installed, or not in PATH") from error
    return None if done.returncode else done.stdout
