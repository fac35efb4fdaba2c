"""The experiments of `dvc exp run`, and those that are queued: what each changed and what came of it, in 100 columns.

make table

What `dvc exp show` knows, without the columns that are the same in all rows. Settings and accuracies are set beside
those of the commit that an experiment began from.
"""

import argparse
import json
import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from scripts.compare import flat
from stages.ground.cli import one_line_errors
from stages.ground.errors import ProjectError
from stages.ground.params import PARAMS_FILE

WIDTH = 100  # columns
NAME, SETTINGS = 14, 40  # columns of it, with two between them
RESULTS = WIDTH - NAME - SETTINGS - 4
SHA = re.compile(r"^([0-9a-f]{7})[0-9a-f]{33}$")
METRICS = re.compile(r"metrics/(?P<model>[^/]+)/(?P<dataset>[^/]+)/(?P<variant>[^/]+)\.json")


@dataclass(frozen=True)
class Run:
    """A commit, the workspace or an experiment."""

    name: str
    state: str  # such as queued; empty: done
    settings: dict[str, Any]  # by dotted keys
    accuracies: dict[str, float]  # by `MODEL DATASET VARIANT`; balanced ones have a word more

    @classmethod
    def of(cls, told: Any, state: str = "") -> "Run":
        """Of one entry of `dvc exp show --json`."""
        data = told.get("data") or {}
        params = ((data.get("params") or {}).get(str(PARAMS_FILE)) or {}).get("data")
        accuracies = {}
        for path, of in (data.get("metrics") or {}).items():
            if (match := METRICS.fullmatch(path)) and "accuracy" in ((of or {}).get("data") or {}):
                accuracies[" ".join(match.groups())] = float(of["data"]["accuracy"])
                if "class_ratio" in of["data"]:  # classes are unequal
                    accuracies[f"{' '.join(match.groups())}, balanced"] = float(of["data"]["balanced_accuracy"])
        if told.get("error"):
            state = f"failed: {told['error'].get('msg', '')}"
        return cls(
            told.get("name") or SHA.sub(r"\1", told["rev"]), state, dict(flat(params)) if params else {}, accuracies
        )


def main() -> None:
    argparse.ArgumentParser(
        prog="make table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    show = ["dvc", "exp", "show", "--json", *(word for commit in beginnings() for word in ("--rev", commit))]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProjectError(f"dvc exp show: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")
    print("\n".join(table(json.loads(done.stdout))))


def beginnings() -> list[str]:
    """HEAD, and the commits that experiments began from: all of them would take DVC minutes."""
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"], capture_output=True, text=True, check=False
    ).stdout
    found = (re.match(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/", ref) for ref in listed.splitlines())
    return ["HEAD", *dict.fromkeys("".join(of.groups()) for of in found if of)]


def table(told: list[Any]) -> list[str]:
    """A block for each commit with experiments, which come after it; the workspace, where it differs, first."""
    workspace, *commits = told
    lines: list[str] = []
    if commits:
        lines += block(Run.of(workspace), Run.of(commits[0]))
    for commit in {of["rev"]: of for of in commits if of.get("experiments")}.values() or commits[:1]:
        start = Run.of(commit)
        lines += ["", f"{start.name}, and the experiments that began from it"]
        runs = [run for experiment in commit.get("experiments") or [] for run in runs_of(experiment)]
        lines += [line for run in runs for line in block(run, start)]
        if not runs:
            lines.append("  none yet: dvc exp run -S variants.frozen.lr=0.01 draw@mobilenet_v2-ants_bees")
    return lines


def runs_of(experiment: Any) -> Iterator[Run]:
    state = (experiment.get("executor") or {}).get("state") or ""
    for told in experiment["revs"]:
        yield Run.of(told, "" if state.lower() == "success" else state.lower())


def block(run: Run, start: Run) -> list[str]:
    """Its name; on the left the settings that differ from those of `start`, on the right the accuracies that do."""
    settings = [f"{key} {value}" for key, value in run.settings.items() if start.settings.get(key, ...) != value]
    settings += [f"{key} taken out" for key in start.settings if run.settings and key not in run.settings]
    results = [
        f"{cell} {accuracy:.4f}"
        + (f" ({100 * (accuracy - start.accuracies[cell]):+.1f})" if cell in start.accuracies else "")
        for cell, accuracy in run.accuracies.items()
        if start.accuracies.get(cell) != accuracy
    ]
    names = [*pieces(run.name, NAME), *pieces(run.state, NAME)]
    if not run.state:
        settings, results = settings or ["no setting differs"], results or ["no accuracy differs"]
    left = [part for line in settings for part in pieces(line, SETTINGS)]
    right = [part for line in results for part in pieces(line, RESULTS)]
    rows = zip_longest(names, left, right, fillvalue="")
    return [f"{name:{NAME}}  {setting:{SETTINGS}}  {result}".rstrip() for name, setting, result in rows]


def pieces(text: str, width: int) -> list[str]:
    """The text in lines of this width; those that go on are set in."""
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
