"""What `make repro` runs: check params.yaml, `dvc repro --keep-going`, then say what came out and what did not.

Exit status: 0 if every cell is done, 1 if one is missing or params.yaml is wrong.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.results import results_table
from stages.common import paths
from stages.common.cli import ERRORS_FILE
from stages.common.errors import ProjectError
from stages.common.params import load_params


def main() -> int:
    try:
        params = load_params()
    except (ProjectError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "errors")
        subprocess.run(["dvc", "repro", "--keep-going"], env={**os.environ, ERRORS_FILE: str(errors)}, check=False)
        reasons = errors.read_text(encoding="utf-8").splitlines() if errors.exists() else []

    print("\nResults on the val images; each variant against the first, by the exact McNemar test:\n")
    print(results_table(params))
    missing = missing_cells([*params.models], [*params.datasets])
    for model in params.models:
        for dataset in params.datasets:
            done = (model, dataset) not in missing
            print(f"{'done' if done else 'MISSING':8}{model} on {dataset}{_figure(model, dataset) if done else ''}")
    for reason in reasons or ["DVC's own messages above say it"] * bool(missing):
        print(f"\nWhy: {reason}")
    return 1 if missing else 0


def _figure(model: str, dataset: str) -> str:
    return f": {paths.comparison(model, dataset)}"


def missing_cells(models: list[str], datasets: list[str]) -> list[tuple[str, str]]:
    """The networks and data sets of which a stage, as `dvc status` says, is not done or no longer true."""
    status = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if status.returncode:
        return [(model, dataset) for model in models for dataset in datasets]
    changed = [name.partition("@")[::2] for name in json.loads(status.stdout) if "@" in name]
    return [
        (model, dataset)
        for model in models
        for dataset in datasets
        if any(_touches(stage, key.split("-"), model, dataset) for stage, key in changed)
    ]


def _touches(stage: str, key: list[str], model: str, dataset: str) -> bool:
    if stage == "weights":
        return key == [model]
    if stage in ("download", "arrange"):
        return key == [dataset]
    return key[:2] == [model, dataset]


if __name__ == "__main__":
    sys.exit(main())
