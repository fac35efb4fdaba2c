"""Every stage reads exactly what its entry in dvc.yaml declares: each file, each parameter, no more and no less.

Per stage: the union over the cells of one template. Code (stages/) and runtime settings are not looked at, nor are
archives: where an address or a path under `downloads` leads is no dependency, and a manifest pins what it gives.
"""

import importlib
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from stages.ground import params as params_module
from tests.conftest import PROJECT, Project
from tests.opened_files import recording

GRAPH = {
    name: stage
    for file in ("dvc.yaml", "study/dvc.yaml")
    for name, stage in yaml.safe_load((PROJECT / file).read_text())["stages"].items()
}
NAMES = {"model": ["mobilenet_v2"], "dataset": ["shapes"], "variant": ["frozen", "unfrozen"]}


class ReadKeys:
    """Notes each key of params.yaml that is read through stages/ground/params.py."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.keys: set[str] = set()
        checked = params_module.checked
        monkeypatch.setattr(
            params_module, "checked", lambda content, schema, path, key: self.watch(
                checked(content, schema, path, key), ".".join(key)
            )
        )  # fmt: skip

    def watch(self, value, key: str):
        if isinstance(value, BaseModel) and key != "runtime":
            return WatchedSettings(self, value, key)
        if isinstance(value, dict):
            self.keys.add(key)
            return WatchedDict(self, value, key)
        self.keys.add(key)
        return value


class WatchedSettings:
    def __init__(self, reads: ReadKeys, settings: BaseModel, key: str):
        self._reads, self._settings, self._key = reads, settings, key

    @property
    def __class__(self):  # for isinstance
        return type(self._settings)

    def __getattr__(self, name: str):
        derived = getattr(type(self._settings), name, None)
        if isinstance(derived, property):  # which reads keys of its own
            return derived.fget(self)
        return self._reads.watch(getattr(self._settings, name), f"{self._key}.{name}".lstrip("."))


class WatchedDict(dict):
    """A section such as `variants`; reading one entry of it does not read the section."""

    def __init__(self, reads: ReadKeys, content: dict, key: str):
        super().__init__(content)
        self._reads, self._key = reads, key

    def __getitem__(self, name: str):
        self._reads.keys.discard(self._key)
        return self._reads.watch(super().__getitem__(name), f"{self._key}.{name}")


def cells(stage: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for axis in GRAPH[stage]["matrix"]:
        found = [[*cell, name] for cell in found for name in NAMES[axis]]
    return found


def declared(stage: str, what: str) -> set[str]:
    """The entries of `deps` or `params` of all cells, but for code."""
    result = set()
    for cell in cells(stage):
        for entry in GRAPH[stage].get(what, []):
            for axis, name in zip(GRAPH[stage]["matrix"], cell, strict=True):
                entry = entry.replace(f"${{item.{axis}}}", name)
            result.add(of_section(entry))
    return {entry for entry in result if not entry.startswith("stages")}


def of_section(entry: str) -> str:
    """With the variants that the small project's sections name."""
    return entry.replace("${learning_curve.variant}", "frozen").replace("${sweep.variant}", "unfrozen")


def under(place: str, parents: set[str], separator: str) -> str | None:
    """Which of `parents` holds `place`."""
    return next((parent for parent in parents if place == parent or place.startswith(parent + separator)), None)


@pytest.mark.parametrize("stage", GRAPH)
def test_stage_reads_exactly_what_it_declares(
    stage: str, small_project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_project.folder)
    module = importlib.import_module(f"stages.{stage}")
    reads, files = ReadKeys(monkeypatch), set()
    if stage in ("trials", "sweep"):  # which read what trains only if there is something to train
        for table in Path("study/mobilenet_v2/shapes").glob(f"{stage}*.tsv"):
            table.unlink()
    for cell in cells(stage):
        with recording() as names:
            module.main(*cell)
        files |= set(names)
    small_project.run("dvc", "checkout", "-q", "--force")

    top_level = {"data", "features", "metrics", "models", "plots", "study", "tables", "weights"}
    produced = {
        next(iter(out)) if isinstance(out, dict) else out
        for kind in ("outs", "plots", "metrics")
        for out in GRAPH[stage].get(kind, [])
    }
    own = {entry for cell in cells(stage) for entry in filled(produced, stage, cell)}
    read = {re.sub(r"(^|/)\.([^/]*)\.part", r"\1\2", name) for name in files if name.split("/")[0] in top_level}
    outside = {name for name in read if not under(name, own, "/") and not name.startswith("data/embedded/")}
    deps, keys = declared(stage, "deps"), {key for key in reads.keys if not key.startswith("runtime")}
    settings = declared(stage, "params")
    assert {name for name in outside if not under(name, deps, "/")} == set(), "files read, not declared"
    assert deps - {under(name, deps, "/") for name in outside} == set(), "files declared, not read"
    assert {key for key in keys if not under(key, settings, ".")} == set(), "parameters read, not declared"
    assert settings - {under(key, settings, ".") for key in keys} == set(), "parameters declared, not read"


def filled(names: set[str], stage: str, cell: list[str]) -> set[str]:
    result = set()
    for name in names:
        for axis, value in zip(GRAPH[stage]["matrix"], cell, strict=True):
            name = name.replace(f"${{item.{axis}}}", value)
        result.add(of_section(name))
    return result


def test_each_stage_is_a_module() -> None:
    """Which code it depends on is checked in tests/test_layers.py."""
    modules = {path.stem for path in (PROJECT / "stages").glob("*.py")} - {"__init__", "settings"}
    assert modules == set(GRAPH)
    for stage, entry in GRAPH.items():
        axes = " ".join(f"${{item.{axis}}}" for axis in entry["matrix"])
        assert entry["cmd"] == f"python -m stages.{stage} {axes}"
        assert Path(PROJECT / f"tests/test_{stage}.py").is_file()
