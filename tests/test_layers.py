"""The packages of stages/: what each may import, and that dvc.yaml names for each stage what it can import."""

import ast
import re
from graphlib import TopologicalSorter

import pytest
import yaml

from tests.imports import ROOT, imports, packages, reachable

DVC = {
    name: stage
    for file in ("dvc.yaml", "study/dvc.yaml")
    for name, stage in yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["stages"].items()
}
PACKAGES = sorted(path.parent.name for path in ROOT.glob("stages/*/__init__.py"))
HEAVY = {"torch", "torchvision", "timm", "matplotlib"}
MAY = re.compile(r"(?:May import (?P<named>.+)|Imports no other package)\.$")


def sentence(package: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / "stages" / package / "__init__.py").read_text(encoding="utf-8"))) or ""


def allowed(package: str) -> set[str]:
    """What the last sentence of its __init__ names."""
    found = MAY.search(sentence(package))
    assert found, f"stages/{package}/__init__.py does not end in what it may import"
    names = (found["named"] or "").removeprefix("all others but ")
    named = set(re.findall(r"\w+", names)) - {"and"}
    return set(PACKAGES) - {package} - named if "all others but" in found[0] else named


def imported(package: str) -> set[str]:
    modules = [f"stages.{package}.{path.stem}" for path in (ROOT / "stages" / package).glob("*.py")]
    direct = {name for module in modules for name in imports(module.removesuffix(".__init__"))}
    return packages(direct) - {package}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_it_says_and_uses_all_of_it(package: str) -> None:
    assert imported(package) == allowed(package)


def test_packages_form_layers() -> None:
    list(TopologicalSorter({package: imported(package) for package in PACKAGES}).static_order())  # raises on a circle


def test_packages_import_no_stage_and_no_script() -> None:
    for package in PACKAGES:
        for path in (ROOT / "stages" / package).glob("*.py"):
            others = {
                name for name in imports(f"stages.{package}.{path.stem}") if name.startswith(("stages.", "scripts"))
            }
            assert all(name.count(".") == 2 or name == "stages.settings" for name in others), path


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_depends_on_the_code_that_it_can_import(stage: str) -> None:
    code = {path for path in DVC[stage]["deps"] if path.startswith("stages")}
    assert code == {f"stages/{stage}.py"} | {f"stages/{name}" for name in packages(reachable(f"stages.{stage}"))}


@pytest.mark.parametrize("stage", DVC)
def test_no_stage_both_computes_and_draws(stage: str) -> None:
    used = reachable(f"stages.{stage}") & HEAVY
    assert "matplotlib" not in used or used == {"matplotlib"}


@pytest.mark.parametrize(
    "stage", [
        "features", "learning_curve", "evaluate", "compare", "arrange", "download", "draw", "verdict", "draw_study",
        "draw_sweep",
    ],
)  # fmt: skip
def test_these_stages_need_no_torch(stage: str) -> None:
    assert "torch" not in reachable(f"stages.{stage}")


def test_every_package_stands_in_the_design() -> None:
    design = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    assert [name for name in PACKAGES if f"| {name} |" not in design] == []


def test_imports_inside_functions_are_seen() -> None:
    assert "stages.training.whole" in imports("stages.train")
    assert "stages.settings" not in reachable("stages.train")
