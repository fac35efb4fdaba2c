"""Whether a trial that has run is still of the settings, the images and the code that there are."""

import ast
from collections.abc import Iterable
from pathlib import Path

from stages.ground import digests, paths
from stages.ground.files import list_files, sha256

DIGITS = 8
OF_LAST_LAYER = (
    "ground/room.py",
    "ground/seeds.py",
    "heads",
    "models",
    "pictures",
    "preprocessing",
    "recipes",
    "statistics/sampling.py",
    "statistics/scores.py",
    "statistics/selection.py",
    "study/pool.py",
)
OF_WHOLE_NETWORK = (*OF_LAST_LAYER, "networks", "training")


def digest(*of: object) -> str:
    """Of anything that JSON can hold."""
    return digests.digest(*of)[:DIGITS]


def digest_of_images(folder: Path, files: Iterable[str]) -> str:
    """Of their names, with the class and the split that these begin with, and of what they hold."""
    return digest(*([file, sha256(folder / file)] for file in files))


def digest_of_code(parts: Iterable[str]) -> str:
    """Of what these files and folders of stages/ do: comments, docstrings and layout are not looked at."""
    trees = []
    for path in (file for part in parts for file in list_files(paths.CODE / part)):
        if path.suffix == ".py":
            trees.append([path.as_posix(), ast.dump(_without_docstrings(ast.parse(path.read_text(encoding="utf-8"))))])
    return digest(*trees)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [of for of in body if not (isinstance(of, ast.Expr) and isinstance(of.value, ast.Constant))]  # type: ignore[attr-defined]
    return tree
