"""Where a model's file comes from: what this project's files say of the very bytes that it has.

dvc.lock names the checksum of each model that a stage made, with the settings that it was made with, and those that
were evaluated. So nothing here is of another model that once had the same name. All is looked for in the current
folder.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stages.datasets.manifest import read_manifest
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_json, read_table

LOCK = Path("dvc.lock")
LICENCES = Path("data/licences.tsv")


@dataclass(frozen=True)
class Origin:
    model: str
    dataset: str
    variant: str
    recipe: dict[str, Any]  # as params.yaml had it
    seed: int | None
    images: dict[str, dict[str, int]] = field(default_factory=dict)  # by split and class, where a manifest pins them
    licence: str | None = None  # of the images
    metrics: dict[str, Any] | None = None  # None: it was not evaluated
    recalls: list[dict[str, str]] = field(default_factory=list)  # class, images, recall
    audit: dict[str, Any] | None = None
    verdicts: dict[str, Any] | None = None  # of the study, by way of training

    @property
    def baseline(self) -> str | None:
        """The way of training that the study compares the others with."""
        return next(iter(self.verdicts), None) if self.verdicts else None

    @property
    def sentences(self) -> list[str]:
        """What the study says of this way of training, or of the others if they are compared with it."""
        ways = self.verdicts or {}
        of = ways if self.variant == self.baseline else {self.variant: ways.get(self.variant, {})}
        return [way["sentence"] for way in of.values() if "sentence" in way]


def origin_of(file: Path) -> Origin | None:
    """None where no dvc.lock here knows these bytes.

    Raises:
        ProjectError: what it leads to cannot be read.
    """
    stages = _locked()
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    made = [
        (out["path"], stage)
        for name, stage in stages.items()
        for out in stage.get("outs", [])
        if name.startswith("train@") and out.get("md5") == md5
    ]
    if not made:
        return None
    path, stage = made[0]
    model, dataset, variant = Path(path).with_suffix("").parts[-3:]
    settings = stage.get("params", {}).get("params.yaml", {})
    evaluated = stages.get(f"evaluate@{model}-{dataset}-{variant}", {})
    known = {"path": path, "md5": md5}.items()
    cell = (model, dataset, variant)
    has_metrics = any(known <= dep.items() for dep in evaluated.get("deps", [])) and paths.metrics(*cell).is_file()
    arranged = stages.get(f"arrange@{dataset}", {}).get("params", {}).get("params.yaml", {})
    manifest = (arranged.get(f"datasets.{dataset}") or {}).get("manifest")
    return Origin(
        *cell,
        settings.get(f"variants.{variant}", {}),
        settings.get("seed"),
        _images(manifest) if manifest and (paths.MANIFESTS / manifest).is_file() else {},
        licence_of_images(dataset),
        read_json(paths.metrics(*cell)) if has_metrics else None,
        read_table(paths.recall(*cell)) if has_metrics and paths.recall(*cell).is_file() else [],
        _if_there(paths.audit_metrics(model, dataset)),
        _if_there(paths.verdicts(model, dataset)),
    )


def _locked() -> dict[str, Any]:
    if not LOCK.is_file():
        return {}
    try:
        return dict(yaml.load(LOCK.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{LOCK} is not whole: git checkout HEAD {LOCK}, or dvc repro") from error


def _images(manifest: str) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for name in read_manifest(manifest):
        split, label, _ = name.split("/")
        counts.setdefault(split, Counter())[label] += 1
    return {split: dict(counts[split]) for split in ("train", "val", "test") if split in counts}


def licence_of_images(dataset: str) -> str | None:
    rows = read_table(LICENCES, ("dataset", "licence", "source")) if LICENCES.is_file() else []
    return next((f"{row['licence']} ({row['source']})" for row in rows if row["dataset"] == dataset), None)


def _if_there(path: Path) -> Any:
    return read_json(path) if path.is_file() else None
