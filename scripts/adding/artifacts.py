"""Writes dvc.yaml's artifacts: a name for each model, by which `dvc artifacts get` fetches and Git's tags release it.

DVC's matrices make stages, and no artifacts: these are one entry a model.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import written_whole
from stages.settings import Params

DVC_FILE = Path("dvc.yaml")
HEADING = "\n# The models' names, for releases and for fetching (docs/tools.md), by `python -m scripts.artifacts`.\n"
SECTION = re.compile(rf"(?:{re.escape(HEADING)})?^artifacts:.*\n(?: .*\n)*", re.MULTILINE)
ENTRY = re.compile(r"^  \S.*\n(?:   .*\n)*", re.MULTILINE)
OF_A_MODEL = "\n    path: models/"


def write_artifacts(params: Params) -> None:
    """Write an entry for each model of `params` in the place of those that are there; other artifacts stay.

    Raises:
        ProjectError: two models would have one name; the file is left as it was.
    """
    text = DVC_FILE.read_bytes().decode()
    section = SECTION.search(text)
    others = [entry for entry in ENTRY.findall(section[0]) if OF_A_MODEL not in entry] if section else []
    written = "".join([HEADING, "artifacts:\n", *others, *entries(params)])
    start, end = section.span() if section else (len(text), len(text))
    with written_whole(DVC_FILE) as part:
        part.write_bytes((text[:start] + written + text[end:]).encode())


def entries(params: Params) -> Iterator[str]:
    """In params.yaml's order, indented as in dvc.yaml.

    Raises:
        ProjectError: two models would have one name.
    """
    taken: dict[str, str] = {}
    for model, dataset, variant in product(params.models, params.datasets, params.variants):
        path = paths.model(model, dataset, variant).as_posix()
        name = artifact_name(model, dataset, variant)
        if other := taken.get(name):
            raise ProjectError(f"{path} and {other} would both be the artifact {name}: rename an entry of params.yaml")
        taken[name] = path
        yield (
            f"  {name}:\n"
            f"    path: {path}\n"
            "    type: model\n"
            f"    desc: The {variant} {model}, trained on {dataset}\n"
            f"    labels: [{model}, {dataset}, {variant}]\n"
        )


def artifact_name(model: str, dataset: str, variant: str) -> str:
    """Of letters, digits and single "-", as gto wants it."""
    return re.sub(r"[-_]+", "-", f"{model}-{dataset}-{variant}").strip("-")
