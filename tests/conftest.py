"""What many tests share: a server on 127.0.0.1, and a small project that the real `dvc repro` goes through."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import pytest
import torch
import torchvision
import yaml
from filelock import FileLock

from stages.datasets.corrections import COLUMNS as CORRECTIONS
from stages.ground.files import write_table
from tests.browser import browser as browser
from tests.drawing import draw_data_set
from tests.models import model_entry
from tests.results import write_results

pytest_plugins = ["tests.finished"]
hypothesis.settings.register_profile("tests", deadline=None)  # a busy machine is slow
hypothesis.settings.load_profile("tests")
torch.set_num_threads(1)  # tests run in parallel

PROJECT = Path(__file__).parent.parent
MODEL = "mobilenet_v2"  # of the small project
CODE = (
    "dvc.yaml",
    "study/dvc.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvc/plots",
    "data/corrections/README.md",
    "stages",
    "scripts",
)


@dataclass(frozen=True)
class Project:
    """A copy of this project with data and parameters of its own."""

    folder: Path

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it: stdout and stderr, together."""
        if command[0] == "python":
            command = (sys.executable, *command[1:])
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def repro(self, *arguments: str) -> list[str]:
        """`dvc repro`: the stages that ran."""
        lines = self.run("dvc", "repro", *arguments).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def edit_params(self, change: Callable[[dict], None]) -> None:
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        change(params)
        path.write_text(to_yaml(params))

    def files(self, *below: str) -> dict[str, bytes]:
        """{path: content} of the files below these folders."""
        found = [path for name in below for path in (self.folder / name).rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in sorted(found)}

    def commit(self) -> None:
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "x")


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def to_yaml(content: object) -> str:
    """With what stands in two places written twice: aliases are refused."""
    return yaml.dump(content, Dumper=_WithoutAliases, sort_keys=False)


def clean_environment() -> dict[str, str]:
    """The environment without what would lead a stage elsewhere; one thread, since tests run in parallel."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATA_MIRROR", "REPRO_ERRORS_FILE")}
    bin_folder = Path(sys.executable).parent
    return kept | {"OMP_NUM_THREADS": "1", "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def copy_code(folder: Path) -> None:
    for name in CODE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        copy(PROJECT / name, folder / name)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(path: Path, folder: Path) -> None:
    """As `sha256sum` would, of all files below `folder`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{sha256_of(file)}  {file.relative_to(folder).as_posix()}\n" for file in files))


def zip_folder(archive: Path, folder: Path, wrapped_in: str = "") -> None:
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            zipped.write(file, Path(wrapped_in) / file.relative_to(folder))


def write_weights(folder: Path, name: str) -> tuple[Path, str]:
    """A file of weights as they are published, drawn from a seed, and its checksum.

    resnet18: torchvision's names, with the last layer. Others: foreign names, without it.
    """
    torch.manual_seed(0)
    state = torchvision.models.get_model(name, weights=None).state_dict()
    if name != "resnet18":
        state = {f"renamed.{key}": tensor for key, tensor in state.items() if not key.startswith("classifier")}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.pth"
    torch.save(state, path)
    return path, sha256_of(path)


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[Path], str]]:
    """Serve folders on 127.0.0.1: a function from a folder to its address."""
    servers = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    def serve(folder: Path) -> str:
        http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=http.serve_forever, daemon=True).start()
        servers.append(http)
        return f"http://127.0.0.1:{http.server_port}"

    yield serve
    for http in servers:
        http.shutdown()
        http.server_close()


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which the test runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def committed_results(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Made-up results of two classes in the first commit, better ones in the second; resnet18 has none."""
    project = Project(tmp_path_factory.mktemp("project"))
    copy_code(project.folder)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text()) | {"downloads": {}, "datasets": {"two": {}}}
    (project.folder / "params.yaml").write_text(to_yaml(params))
    project.run("git", "init", "-q")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(project.folder)
        for wrong in (2, 1):
            write_results(MODEL, "two", ["cats", "dogs"], ["frozen", "unfrozen"], wrong)
            project.commit()
    return project


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One network with weights from a seed, one small data set out of a zip; the graph and the study have run once.

    The first of the processes that run tests makes it, and each has a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, name = shared / "made", "Bäume und 树"  # so the whole graph runs in such a folder
    with FileLock(shared / "made.lock"):
        if not made.exists():
            part = made.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            make_small_project(part / name, shared / "served")
            part.rename(made)
    folder = tmp_path_factory.mktemp("a project") / name
    shutil.copytree(made / name, folder)
    return Project(folder)


def make_small_project(folder: Path, served: Path) -> None:
    copy_code(folder)
    draw_data_set(served / "drawn")
    archive = "data/embedded/shapes.zip"
    (folder / archive).parent.mkdir(parents=True)
    zip_folder(folder / archive, served / "drawn", wrapped_in="shapes_data")
    write_manifest(folder / "data/manifests/shapes.sha256", served / "drawn")
    write_table(folder / "data/corrections/shapes.tsv", [], CORRECTIONS)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    path, checksum = write_weights(served / "weights", MODEL)
    params["models"] = {MODEL: model_entry(MODEL, path, checksum)}
    params["downloads"] = {"shapes": {"urls": [archive]}}
    params["datasets"] = {"shapes": {"manifest": "shapes.sha256"}}
    for variant in params["variants"].values():
        variant |= {"epochs": 2, "batch_size": 4}
    params["study"] |= {
        "trials": 2,
        "quick_trials": 3,
        "variants": {"probe": {"trainable": "head", "solver": "newton"}},
    }
    params["sweep"] |= {
        "variant": "unfrozen",
        "tries": 2,
        "settings": {"lr": {"low": 0.0001, "high": 0.01}, "momentum": [0, 0.9]},
        "folds": 2,
        "confirm": 2,
    }
    (folder / "params.yaml").write_text(to_yaml(params))
    project = Project(folder)
    project.run("git", "init", "-q")
    project.repro()
    project.repro(f"study/dvc.yaml:draw_study@{MODEL}-shapes", f"study/dvc.yaml:draw_sweep@{MODEL}-shapes")
    project.commit()
