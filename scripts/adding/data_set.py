"""Makes what lies at data/raw/NAME a data set: DVC keeps it, and params.yaml names it; or all of it goes away again."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from scripts.adding.artifacts import DVC_FILE
from scripts.adding.entry import add_entry, check_entry
from stages.datasets.settings import dataset_name
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import remove
from stages.ground.params import PARAMS_FILE
from stages.settings import Params


def check_name(name: str, params: Params) -> None:
    """
    Raises:
        ProjectError: it is no name, or there is such a data set.
    """
    try:
        dataset_name(name)
    except ValueError as error:
        raise ProjectError(f"{name!r} cannot be the name of a data set: {error}") from error
    if name in params.datasets:
        raise ProjectError(f"{PARAMS_FILE} has a data set {name} already; choose another name")


def check_not_there(name: str) -> None:
    for taken in (*made_of(name), paths.images(name)):
        if taken.exists():
            raise ProjectError(f"{taken} is there already; choose another name, or remove it")


@contextmanager
def put_in(name: str, entry: Mapping[str, object], params: Params, where: str) -> Iterator[list[str]]:
    """What is put to data/raw/NAME meanwhile becomes the data set of `entry`, which may grow; the lines that are put
    into the list are printed, then `where` it is and what to do next. After an error nothing of it is left."""
    check_entry("datasets")
    lines: list[str] = []
    try:
        yield lines
        versioned = version(paths.raw(name))
        written = yaml.safe_dump(dict(entry), allow_unicode=True, width=1000).splitlines()
        add_entry("datasets", [f"{name}:", *(f"  {line}" for line in written)] if entry else [f"{name}: {{}}"])
    except BaseException:
        for made in made_of(name):
            remove(made)
        raise
    print("\n".join(dict.fromkeys(filter(None, lines))))
    print(f"\n{where}; {PARAMS_FILE} has {name} under datasets. Next:")
    print("\n".join(f"  {command}" for command in next_commands(name, versioned, entry, list(params.models))))


def made_of(name: str) -> tuple[Path, Path, Path]:
    return paths.raw(name), dvc_file(paths.raw(name)), groups_file(name)


def groups_file(name: str) -> Path:
    return paths.MANIFESTS / f"{name}.groups"


def dvc_file(raw: Path) -> Path:
    return raw.with_name(f"{raw.name}.dvc")


def version(raw: Path) -> bool:
    """`dvc add`, in a DVC project with Git: queued and temporary runs see only what Git tracks or DVC holds."""
    if not (Path(".dvc").is_dir() and Path(".git").exists()):
        return False
    command = [sys.executable, "-m", "dvc", "add", "--quiet", str(raw)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProjectError(f"dvc add {raw} failed: {done.stderr.strip()}")
    return True


def next_commands(name: str, versioned: bool, entry: Mapping[str, object], models: list[str]) -> Iterator[str]:
    raw, what = paths.raw(name), "list" if "shards" in entry else "images"
    if versioned:
        groups = f" {groups_file(name)}" if groups_file(name).is_file() else ""
        files = f"{PARAMS_FILE} {DVC_FILE} {dvc_file(raw)}{groups}"
        yield f"git add {files}   # dvc add {raw} is done: DVC keeps the {what}, Git their version"
    else:
        yield f"dvc add {raw}   # in a project with Git: DVC keeps the {what}, Git their version"
    if "shards" in entry:
        yield f"dvc repro arrange@{name}   # reads all of them once, and says what is in them"
    yield from (f"dvc repro draw@{model}-{name}" for model in models)
