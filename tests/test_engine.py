"""stages/engine: parts of a job here and on a Ray cluster; what is lost runs again, what is done stays."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from stages import audit, features
from stages.engine.parts import in_parts
from stages.engine.tasks import results
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.runtime import Runtime
from tests.conftest import to_yaml, wait_for
from tests.drawing import draw_split
from tests.finished import DATA, MODEL, call

HERE = Runtime()
DYING = """
import os
import sys
from pathlib import Path

import numpy as np

from stages.engine.parts import in_parts
from stages.ground.runtime import Runtime

runs = Path(sys.argv[1])


def dies(files):
    (runs / files[0].stem).write_text("")
    if len(list(runs.iterdir())) == 3:
        os.kill(os.getpid(), 9)
    names = np.array([file.name for file in files])
    return {"bytes": np.array([file.stat().st_size for file in files]), "names": names}


with in_parts("job", dies, sorted(Path("drawn").rglob("*.png")), 2, 0, Runtime(), lambda count: None):
    pass
"""
CELL = (MODEL, DATA)
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and not os.environ.get("REQUIRE_RAY"), reason="Ray is not installed"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a Ray cluster of two nodes, with a processor each."""
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have stages/ alone
    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(**node)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def on_ray(address: str) -> Runtime:
    return Runtime(engine="ray", address=address, workers=1, progress=False)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder in which each run of a part leaves a file of its own; see noting."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def noting(folder: Path, do: Callable, slowly: float = 0) -> Callable:
    """`do`, which says there who runs what, and takes `slowly` seconds longer."""

    def noted(given):
        import os
        import time
        import uuid

        first = given[0].stem if isinstance(given, list) else given
        (folder / f"{first} {uuid.uuid4()}").write_text(str(os.getpid()))
        time.sleep(slowly)
        return do(given)

    return noted


def workers(runs: Path) -> set[int]:
    return {int(pid) for path in runs.iterdir() if (pid := path.read_text())}


def set_runtime(**settings: object) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["runtime"].update(settings)
    Path("params.yaml").write_text(to_yaml(params))


def draw(folder: Path, count: int) -> list[Path]:
    draw_split(folder, count // 2)
    return sorted(folder.rglob("*.png"))


def sizes(files: list[Path]) -> dict[str, np.ndarray]:
    return {
        "bytes": np.array([file.stat().st_size for file in files]),
        "names": np.array([file.name for file in files]),
    }


def all_sizes(do: Callable, files: list[Path], runtime: Runtime = HERE, settings: object = 0) -> list[np.ndarray]:
    with in_parts("job", do, files, 2, settings, runtime, lambda count: None) as found:
        both = list(found)
    return [np.concatenate([of[name] for of in both]) for name in ("bytes", "names")]


def test_here_each_is_done_as_it_is_asked_for() -> None:
    done = []
    found = results(lambda first, second: done.append(first) or first + second, [(1, 2), (3, 4)], HERE)
    assert next(found) == (0, 3)
    assert done == [1]
    assert list(found) == [(1, 7)]


def test_parts_are_in_the_pictures_order_and_leave_nothing(in_folder: Path) -> None:
    files = draw(Path("drawn"), 10)
    counts = []
    with in_parts("job", sizes, files, 4, 0, HERE, counts.append) as found:
        both = list(found)
    assert [len(of["bytes"]) for of in both] == [4, 4, 2]
    assert [name for of in both for name in of["names"]] == [file.name for file in files]
    assert sum(counts) == 10
    assert not Path("work/parts/job").exists()


def test_what_fits_one_part_touches_no_disk(in_folder: Path) -> None:
    files = draw(Path("drawn"), 2)
    with in_parts("job", sizes, files, 2, 0, HERE, lambda count: None) as found:
        assert next(found)["bytes"].tolist() == sizes(files)["bytes"].tolist()
        assert not Path("work").exists()


def test_after_a_kill_only_what_is_missing_runs(in_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draw(Path("drawn"), 8)
    undisturbed = all_sizes(sizes, files)
    command = [sys.executable, "-c", DYING, str(runs)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    assert len(list(Path("work/parts/job").iterdir())) == 2
    found = all_sizes(noting(runs, sizes), files)
    assert len(list(runs.iterdir())) == 3 + 2
    assert all((one == other).all() for one, other in zip(found, undisturbed, strict=True))


@pytest.mark.parametrize("what", ["settings", "picture", "code", "half"])
def test_what_depends_on_something_that_changed_runs_anew(
    what: str, in_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, settings = draw(Path("drawn"), 8), 0

    def fails_last(of):
        if of[0] == files[6]:
            raise ProjectError("broken")
        return sizes(of)

    with pytest.raises(ProjectError, match="broken"):
        all_sizes(fails_last, files)
    kept = sorted(Path("work/parts/job").iterdir())
    assert len(kept) == 3
    again = 4
    if what == "settings":
        settings = 1
    elif what == "picture":
        os.utime(files[0], ns=(0, 0))
        again = 2
    elif what == "code":
        Path("code").mkdir()
        Path("code/other.py").touch()
        monkeypatch.setattr(paths, "CODE", Path("code"))
    else:
        kept[0].write_bytes(kept[0].read_bytes()[:-30])
        again = 2
    all_sizes(noting(runs, sizes), files, settings=settings)
    assert len(list(runs.iterdir())) == again


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "stages.engine.on_ray", raising=False)
    with pytest.raises(ProjectError, match=r"runtime.engine: ray needs .* make env EXTRAS=ray"):
        list(results(sizes, [], Runtime(engine="ray")))


def test_ray_has_one_version() -> None:
    project = Path(__file__).parents[1]
    [pinned] = tomllib.loads((project / "pyproject.toml").read_text())["project"]["optional-dependencies"]["ray"]
    assert f"$(EXTRAS:ray={pinned})" in (project / "Makefile").read_text()


def test_without_it_no_stage_imports_ray() -> None:
    code = "import sys, stages.features, stages.audit, stages.trials; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


@needs_ray
def test_workers_have_the_code_alone_and_stand_in_the_folder(
    in_folder: Path, on_ray: Runtime, capfd: pytest.CaptureFixture[str]
) -> None:
    def seen(number):
        from pathlib import Path

        import stages

        print("chatter")
        shipped = Path(stages.__file__).parents[1]
        return number, [path.name for path in shipped.iterdir()], str(Path.cwd())

    found = dict(results(seen, [(number,) for number in range(5)], on_ray))
    assert found == {number: (number, ["stages"], str(in_folder)) for number in range(5)}
    assert capfd.readouterr() == ("", "")


@needs_ray
def test_auto_is_the_cluster_that_the_environment_names(
    in_folder: Path, on_ray: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", on_ray.address)
    assert list(results(lambda number: -number, [(3,)], on_ray.model_copy(update={"address": "auto"}))) == [(0, -3)]


@needs_ray
def test_errors_are_raised_at_once_and_name_the_node(in_folder: Path, runs: Path, on_ray: Runtime) -> None:
    def broken(number):
        from stages.pictures.picture import UnusableError

        raise UnusableError("not a whole picture", name="a.jpg")

    with pytest.raises(ProjectError, match=r"^a.jpg: not a whole picture$"):
        list(results(noting(runs, broken), [(0,)], on_ray))
    assert len(list(runs.iterdir())) == 1
    with pytest.raises(ProjectError, match=rf"^on the node {socket.gethostname()}: .*not/there.png.*{in_folder}"):
        list(results(lambda name: open(name), [("not/there.png",)], on_ray))  # noqa: SIM115, PTH123


@needs_ray
def test_an_address_where_nothing_answers_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ProjectError, match=f"runtime.address: no Ray cluster at {nowhere} can be used"):
        list(results(sizes, [()], Runtime(engine="ray", address=nowhere)))


@needs_ray
def test_a_task_that_fits_no_node_is_one_line(in_folder: Path, on_ray: Runtime) -> None:
    with pytest.raises(ProjectError, match=r"runtime.workers is 64: no node of the Ray .* that one has is \d+$"):
        list(results(sizes, [()], on_ray.model_copy(update={"workers": 64})))


@needs_ray
def test_a_killed_worker_costs_the_part_that_it_had(in_folder: Path, runs: Path, on_ray: Runtime) -> None:
    files = draw(Path("drawn"), 12)
    killed: set[int] = set()

    def kill(count: int) -> None:
        if len(killed) < 2 and (alive := [pid for pid in workers(runs) - killed if psutil.pid_exists(pid)]):
            killed.add(alive[0])
            os.kill(alive[0], signal.SIGKILL)

    before = all_sizes(sizes, files)
    with in_parts("job", noting(runs, sizes, slowly=0.5), files, 2, 0, on_ray, kill) as found:
        both = list(found)
    assert len(killed) == 2
    assert 6 <= len(list(runs.iterdir())) <= 6 + len(killed)
    assert [name for of in both for name in of["names"]] == before[1].tolist()
    assert [size for of in both for size in of["bytes"]] == before[0].tolist()


def run_on_ray(runtime: Runtime) -> None:
    set_runtime(engine="ray", address=runtime.address, workers=1)


@needs_ray
def test_features_on_ray_have_the_same_bytes_though_workers_are_killed(finished_project: Path, on_ray: Runtime) -> None:
    draw_split(paths.images(DATA) / "train", features.PART // 2, first=100)
    draw_split(paths.images(DATA) / "test", features.PART // 4)
    assert call(f"features {MODEL} {DATA}") == 0
    outputs = (paths.features(*CELL), paths.embeddings(*CELL))
    here = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    run_on_ray(on_ray)
    stage = subprocess.Popen([sys.executable, "-m", "stages.features", *CELL], stdout=subprocess.PIPE, text=True)
    wait_for(busy_workers)
    for worker in busy_workers():
        worker.kill()
    said, _ = stage.communicate()
    assert stage.returncode == 0, said
    assert [path.read_bytes() for path in outputs] == here
    assert list(Path("work/parts").iterdir()) == []


def busy_workers() -> list[psutil.Process]:
    """Those of the cluster that this process started, but for the dead."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "".join(process.cmdline()).startswith("ray::_done"):
                found.append(process)
    return found


@needs_ray
def test_an_audit_on_ray_finds_the_same(
    finished_project: Path, on_ray: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PART", 4)
    outputs = sorted(paths.audit(*CELL).iterdir())
    here = [path.read_bytes() for path in [*outputs, paths.audit_metrics(*CELL)]]
    run_on_ray(on_ray)
    assert call(f"audit {MODEL} {DATA}") == 0
    assert sorted(paths.audit(*CELL).iterdir()) == outputs
    assert [path.read_bytes() for path in [*outputs, paths.audit_metrics(*CELL)]] == here


@needs_ray
def test_trials_on_ray_come_to_the_same_table(finished_project: Path, on_ray: Runtime) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    whole = {
        "trainable": "all", "epochs": 1, "batch_size": 4, "lr": 0.001, "momentum": 0.9, "weight_decay": 0,
        "schedule": "cosine",
    }  # fmt: skip
    params["study"].update(quick_trials=3, trials=2, variants={"unfrozen": whole})
    params["precision"] = "float32"
    Path("params.yaml").write_text(to_yaml(params))
    assert call(f"trials {MODEL} {DATA}") == 0
    here = paths.trials(*CELL).read_bytes()
    paths.trials(*CELL).unlink()
    paths.seconds(*CELL).unlink()
    run_on_ray(on_ray)
    assert call(f"trials {MODEL} {DATA}") == 0
    assert paths.trials(*CELL).read_bytes() == here
    assert len(paths.seconds(*CELL).read_text().splitlines()) == 1 + 3 + 2
