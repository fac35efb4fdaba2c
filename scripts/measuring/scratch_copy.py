"""A copy of the project, without its data and results, in which DVC runs without Git."""

import shutil
import subprocess
from pathlib import Path

from stages.ground.files import remove
from stages.ground.params import PARAMS_FILE

CODE = (
    str(PARAMS_FILE), "dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/plots", "data/corrections", "data/embedded",
    "data/manifests", "stages", "scripts",
)  # fmt: skip


def copy_project(folder: Path, source: Path = Path()) -> None:
    """Put it at `folder`, in the place of what is there."""
    remove(folder)
    for name in CODE:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copyfile
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(source / name, folder / name)
    for option in (["core.no_scm", "true"], ["core.autostage", "false"]):
        subprocess.run(["dvc", "config", *option], cwd=folder, check=True)
