"""What `make repro` runs: check params.yaml, `dvc repro --keep-going`, then say what came out and what did not.

Exit status: 0 if every cell is done, 1 if one is missing, or if nothing could run.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from scripts.results import results_table
from stages.common import paths
from stages.common.cli import ERRORS_FILE, one_line_errors
from stages.common.errors import ProjectError
from stages.common.params import Params, load_params

LOCK, RWLOCK = "dvc.lock", ".dvc/tmp/rwlock"
STAGES = ("download", "arrange", "weights", "features", "learning_curve", "train", "evaluate", "compare")


def main() -> int:
    params = load_params()
    check_manifests(params)
    check_dvc_files()
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "errors")
        subprocess.run(["dvc", "repro", "--keep-going"], env={**os.environ, ERRORS_FILE: str(errors)}, check=False)
        reasons = errors.read_text(encoding="utf-8").splitlines() if errors.exists() else []

    cells = list(product(params.models, params.datasets))
    missing = missing_cells(cells)
    print("\nResults on the val images; each variant against the first, by the exact McNemar test:\n")
    print(results_table(cell for cell in cells if cell not in missing))
    for model, dataset in cells:
        if (model, dataset) in missing:
            print(f"MISSING {model} on {dataset}: {', '.join(missing[model, dataset])}")
        else:
            print(f"done    {model} on {dataset}: {paths.comparison(model, dataset)}")
    if missing:
        print("\nWhy:")
        for reason in [*reasons, "of anything else, DVC's messages above tell"]:
            print(f"  {reason}")
    return 1 if missing else 0


def check_manifests(params: Params) -> None:
    """A name mistyped in params.yaml is to be found before the archive is fetched."""
    for name, dataset in params.datasets.items():
        if dataset.manifest and not (paths.MANIFESTS / dataset.manifest).is_file():
            there = ", ".join(sorted(path.name for path in paths.MANIFESTS.glob("*")))
            raise ProjectError(
                f"params.yaml: datasets.{name}.manifest: {paths.MANIFESTS} has no file {dataset.manifest!r};"
                f" it has: {there}"
            )


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


def missing_cells(cells: list[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """The cells that are not done, or no longer true, each with its stages that `dvc status` names."""
    status = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode:
        return {cell: [f"dvc status failed ({' '.join(status.stderr.split())})"] for cell in cells}
    changed = [name.partition("@")[::2] for name in json.loads(status.stdout) if "@" in name]
    concerning = {
        cell: sorted({stage for stage, key in changed if _touches(stage, key.split("-"), *cell)}, key=STAGES.index)
        for cell in cells
    }
    return {cell: stages for cell, stages in concerning.items() if stages}


def _touches(stage: str, key: list[str], model: str, dataset: str) -> bool:
    if stage == "weights":
        return key == [model]
    if stage in ("download", "arrange"):
        return key == [dataset]
    return key[:2] == [model, dataset]


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
