"""requirements.lock has what is run, requirements-dev.lock what tests, checks and the site need beside it."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions

import pytest
from packaging.requirements import Requirement

from tests.imports import ROOT, imports

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDS = {"run": PYPROJECT["project"]["dependencies"], "dev": PYPROJECT["dependency-groups"]["dev"]}


def lines(lock: str) -> list[str]:
    return [line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def plain(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


PINS = {
    kind: {plain(re.split("[=;]", line)[0]) for line in lines(lock)}
    for kind, lock in (("run", "requirements.lock"), ("dev", "requirements-dev.lock"))
}
INSTALLED = {plain(found.metadata["Name"]): found for found in distributions()}


def closure(requirements: list[str]) -> set[str]:
    """The names of these and of all that they need here."""
    found: set[tuple[str, str]] = set()
    left = {(plain(of.name), extra) for of in map(Requirement, requirements) for extra in ("", *of.extras)}
    while left:
        found |= left
        needed = [
            Requirement(text)
            for name, extra in left
            for text in (INSTALLED[name].requires if name in INSTALLED else None) or ()
            if (marker := Requirement(text).marker) is None or marker.evaluate({"extra": extra})
        ]
        left = {(plain(of.name), extra) for of in needed for extra in ("", *of.extras)} - found
    return {name for name, _ in found}


def test_no_package_is_pinned_in_both() -> None:
    assert PINS["run"] & PINS["dev"] == set()


@pytest.mark.parametrize("kind", NEEDS)
def test_what_the_project_names_is_pinned(kind: str) -> None:
    assert {plain(Requirement(of).name) for of in NEEDS[kind]} <= PINS[kind]


def test_what_is_run_needs_nothing_of_the_second() -> None:
    needed = closure(NEEDS["run"])
    assert len(needed) > 100
    assert needed & PINS["dev"] == set()


def test_no_code_imports_what_make_env_leaves_out() -> None:
    left_out = {name for name, of in packages_distributions().items() if {plain(one) for one in of} & PINS["dev"]}
    found = set()
    for path in [*(ROOT / "stages").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found |= {(module, name) for name in imports(module) & left_out}
    assert found == {("scripts.measuring.audited_labels", "cleanlab")}  # of make bench-audit


def test_make_lock_writes_into_the_second_what_the_first_has_not() -> None:
    command = [sys.executable, "scripts/lock.py", "requirements.lock"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(lines("requirements-dev.lock")) <= set(written)
    assert set(lines("requirements.lock")) & set(written) == set()
