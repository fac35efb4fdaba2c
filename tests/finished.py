"""A small project of one network, one data set and one variant in which every stage has run, in this process."""

import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from stages.ground.cli import run
from tests.conftest import PROJECT, write_manifest, write_weights, zip_folder
from tests.drawing import draw_data_set
from tests.models import model_entry

MODEL, DATA = "mobilenet_v2", "shapes"
CELL = f"{MODEL} {DATA} frozen"
STAGES = (
    f"download {DATA}", f"arrange {DATA}", f"weights {MODEL}", f"features {MODEL} {DATA}", f"train {CELL}",
    f"evaluate {CELL}", f"learning_curve {MODEL} {DATA}", f"audit {MODEL} {DATA}", f"compare {MODEL} {DATA}",
    f"explain {CELL}", f"draw {MODEL} {DATA}",
)  # fmt: skip
ARCHIVE, PUBLISHED = Path("served/shapes.zip"), Path(f"served/{MODEL}.pth")
MANIFEST = Path("data/manifests/shapes.sha256")


def call(stage: str) -> int:
    """The exit status of `python -m stages.STAGE …`, run in this process."""
    name, *arguments = stage.split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        try:
            run(import_module(f"stages.{name}").main)
        except SystemExit as stopped:
            return stopped.code
    return 0


def everything() -> dict[str, bytes]:
    """All files below the current folder and their contents, but for the locks."""
    found = (path for path in Path().rglob("*") if path.is_file() and path.parts[:2] != ("work", "locks"))
    return {str(path): path.read_bytes() for path in found}


def make_finished() -> None:
    """The project, in the current folder."""
    draw_data_set(Path("served/shapes"), train=4, val=3)
    zip_folder(ARCHIVE, Path("served/shapes"))
    write_manifest(MANIFEST, Path("served/shapes"))
    _, checksum = write_weights(PUBLISHED.parent, MODEL)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["models"] = {MODEL: model_entry(MODEL, PUBLISHED, checksum)}
    params["downloads"] = {DATA: {"urls": [str(ARCHIVE)]}}
    params["datasets"] = {DATA: {"manifest": MANIFEST.name}}
    params["variants"] = {"frozen": params["variants"]["frozen"] | {"epochs": 1, "batch_size": 4}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(PROJECT / "stages", "stages", ignore=shutil.ignore_patterns("__pycache__"))
    assert [call(stage) for stage in STAGES] == [0] * len(STAGES)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DATA_MIRROR", raising=False)
        make_finished()
    return folder


@pytest.fixture
def finished_project(finished: Path, in_folder: Path) -> Path:
    """A copy, which the test runs in."""
    shutil.copytree(finished, in_folder, dirs_exist_ok=True)
    return in_folder
