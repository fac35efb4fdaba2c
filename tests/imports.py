"""What modules of the project import, read from their source."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "stages.settings"  # every stage has it check params.yaml: it can refuse, and changes no result


@cache
def imports(module: str) -> frozenset[str]:
    """The project's modules, and the top-level packages of others, that `module` itself imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inner if is_ours(name)} or {node.module}
    return frozenset(name if is_ours(name) else name.partition(".")[0] for name in found)


def source(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("stages", "scripts") and source(module).is_file()


def reachable(module: str) -> set[str]:
    """`module` and all that importing it, and calling what is in it, can import; see SETTINGS."""
    found: set[str] = set()
    left = {module}
    while left:
        found |= left
        left = {name for of in left if is_ours(of) for name in imports(of) if name != SETTINGS} - found
    return found


def packages(modules: set[str]) -> set[str]:
    """The packages of stages/ that these modules lie in."""
    return {name.split(".")[1] for name in modules if name.startswith("stages.") and name.count(".") == 2}
