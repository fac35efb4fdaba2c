"""notebooks/look.ipynb: it runs from a clone in which nothing was pulled, and Git keeps no outputs of it."""

import base64
import io
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from tests.conftest import MODEL, PROJECT, Project

NOTEBOOK = Path("notebooks/look.ipynb")


def executed(project: Path) -> tuple[str, list[Image.Image]]:
    """What its cells print, and the figures that they draw."""
    notebook = nbformat.read(project / NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(project / NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    said = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    return said, [Image.open(io.BytesIO(base64.b64decode(picture))) for picture in pictures]


@pytest.mark.filterwarnings("default")  # of the kernel's client
def test_it_runs_in_a_clone_without_data_and_shows_what_git_has(small_project: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone")
    small_project.run("git", "clone", "-q", ".", str(clone.folder))
    (clone.folder / NOTEBOOK).parent.mkdir()
    shutil.copyfile(PROJECT / NOTEBOOK, clone.folder / NOTEBOOK)
    said, (figure,) = executed(clone.folder)
    assert f"{MODEL}-shapes" in said
    assert f"{MODEL} on shapes: nothing can be said of unfrozen and frozen yet" in said
    assert f"{MODEL} on shapes: " in said
    assert "The pictures are not here" in said
    assert len(np.unique(np.asarray(figure.convert("L")))) > 20
    assert clone.run("git", "status", "--porcelain").split() == ["??", "notebooks/"]


@pytest.mark.filterwarnings("default")
def test_it_shows_the_projects_own_results() -> None:
    said, figures = executed(PROJECT)
    assert "mobilenet_v2-ants_bees" in said
    assert "with every variant" in said
    assert figures


def test_git_keeps_none_of_its_outputs() -> None:
    notebook = nbformat.read(PROJECT / NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    of_code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert of_code
    assert [cell.execution_count for cell in of_code] == [None] * len(of_code)
    assert [cell.outputs for cell in of_code] == [[]] * len(of_code)
    assert not any(cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
