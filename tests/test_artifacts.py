"""dvc.yaml's artifacts: each model's name, how it is kept, and how a model is released and fetched by it."""

import re
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
import yaml
from gto.constants import name_re

from scripts import artifacts
from scripts.adding.artifacts import HEADING, artifact_name, write_artifacts
from scripts.adding.entry import add_entry
from stages.ground.errors import ProjectError
from stages.settings import load_params
from tests.conftest import MODEL, PROJECT, Project, clean_environment

DVC_FILE, PARAMS_FILE = Path("dvc.yaml"), Path("params.yaml")
GUIDE = (PROJECT / "docs/tools.md").read_text(encoding="utf-8")
RELEASE = re.search(r"## Release a model\n.*?```sh\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def project(in_folder: Path) -> Path:
    for file in (DVC_FILE, PARAMS_FILE):
        shutil.copyfile(PROJECT / file, file)
    return in_folder


def read() -> dict[str, dict]:
    return yaml.safe_load(DVC_FILE.read_text())["artifacts"]


def test_dvc_yaml_names_the_models_of_params_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    params = load_params()
    cells = list(product(params.models, params.datasets, params.variants))
    lacking = "run python -m scripts.artifacts"
    assert {name: of["path"] for name, of in read().items()} == {
        artifact_name(*cell): f"models/{'/'.join(cell)}.safetensors" for cell in cells
    }, lacking
    assert [(of["type"], of["labels"]) for of in read().values()] == [("model", list(cell)) for cell in cells], lacking
    assert "mobilenet-v2-ants-bees-frozen" in read()


@pytest.mark.parametrize("cell", [("a", "b", "c"), ("resnet18", "a__b", "frozen_"), ("vit_b_16", "mine", "last_6")])
def test_names_are_such_as_gto_takes(cell: tuple[str, str, str]) -> None:
    assert name_re.match(artifact_name(*cell))


def test_what_is_added_gets_names_and_all_else_stays(project: Path) -> None:
    before = DVC_FILE.read_text()
    add_entry("datasets", ["mine: {}"])
    assert len(read()) == before.count("type: model") + 6
    assert read()["resnet18-mine-frozen"]["labels"] == ["resnet18", "mine", "frozen"]
    assert DVC_FILE.read_text().startswith(before[: before.index(HEADING)])


def test_entries_removed_by_hand_go_and_artifacts_of_others_stay(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "  photos:\n    path: data/raw/mine\n    labels:\n      - ours\n"
    DVC_FILE.write_text(DVC_FILE.read_text().replace("artifacts:\n", "artifacts:\n" + own) + "\n# the end\nplots: []\n")
    params = yaml.safe_load(PARAMS_FILE.read_text())
    del params["models"]["resnet18"]
    PARAMS_FILE.write_text(yaml.safe_dump(params, sort_keys=False))
    monkeypatch.setattr("sys.argv", ["artifacts"])
    artifacts.main()
    assert read().pop("photos") == {"path": "data/raw/mine", "labels": ["ours"]}
    assert not any(name.startswith("resnet18") for name in read())
    assert DVC_FILE.read_text().endswith("\n# the end\nplots: []\n")
    written = DVC_FILE.read_bytes()
    artifacts.main()
    assert DVC_FILE.read_bytes() == written


def test_a_file_without_artifacts_gets_them_at_its_end(project: Path) -> None:
    text = DVC_FILE.read_text()
    DVC_FILE.write_text(text[: text.index(HEADING)])
    write_artifacts(load_params())
    assert DVC_FILE.read_text() == text


def test_two_models_of_one_name_are_refused_and_nothing_is_changed(project: Path) -> None:
    add_entry("datasets", ["a_b: {}"])
    before = DVC_FILE.read_bytes(), PARAMS_FILE.read_bytes()
    both = "models/mobilenet_v2/a__b/frozen.safetensors and models/mobilenet_v2/a_b/frozen.safetensors"
    with pytest.raises(ProjectError, match=f"^{both} would both be the artifact mobilenet-v2-a-b-frozen: rename"):
        add_entry("datasets", ["a__b: {}"])
    assert (DVC_FILE.read_bytes(), PARAMS_FILE.read_bytes()) == before


def test_a_model_is_released_and_fetched_as_the_guide_says(small_project: Project, tmp_path: Path) -> None:
    """Names of models that were never made, for their weights are not to be had, do no harm."""
    assert RELEASE
    elsewhere, origin = tmp_path / "elsewhere", tmp_path / "origin.git"
    project = Project(tmp_path / "project")
    shutil.copytree(small_project.folder, project.folder, symlinks=True)
    project.edit_params(lambda params: params["models"].update(never=params["models"][MODEL]))
    project.run("python", "-m", "scripts.artifacts")
    project.commit()
    project.run("git", "clone", "-q", "--bare", ".", str(origin))
    project.run("git", "remote", "add", "origin", str(origin))
    for setting in (["user.name", "t"], ["user.email", "t@example.org"]):
        project.run("git", "config", *setting)
    elsewhere.mkdir()
    commands = RELEASE[1].replace("ants_bees", "shapes").replace("ants-bees", "shapes")
    commands = commands.replace("/mnt/shared/store", str(tmp_path / "store")).replace("ADDRESS", str(origin))
    for line in commands.splitlines():
        folder = elsewhere if line.startswith("dvc artifacts") else project.folder
        done = subprocess.run(
            line, shell=True, cwd=folder, env=clean_environment(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stdout}"
    (fetched,) = elsewhere.glob("*.safetensors")
    assert fetched.read_bytes() == (project.folder / f"models/{MODEL}/shapes/frozen.safetensors").read_bytes()
    assert "never-shapes-frozen" in yaml.safe_load((project.folder / "dvc.yaml").read_text())["artifacts"]
    for command in ("status", "data status --granular --json", "exp show --json", "push", "ls . models -R"):
        project.run("dvc", *command.split())
    unmade = project.run("dvc", "artifacts", "get", str(origin), "never-shapes-frozen", check=False)
    assert "Unable to find artifact 'never-shapes-frozen'" in unmade
    assert "Traceback" not in unmade
