"""Training by several processes that the surroundings tell of, as on several machines: here on loopback addresses."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from stages import train
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table
from stages.networks.network import build
from stages.training.distributed import ALONE, Team, launch
from stages.training.seeds import seed_torch
from stages.training.surroundings import Surroundings, is_first, surroundings
from stages.training.together import together
from tests.conftest import clean_environment, wait_for

CELL = ("mobilenet_v2", "shapes", "unfrozen")
COMMAND = ("-m", "stages.train", *CELL)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def around(rank: int, port: int, address: str = "127.0.0.1", size: int = 2) -> dict[str, str]:
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": address, "MASTER_PORT": str(port)}


# What a share of a batch comes to.


def drops(images: torch.Tensor) -> torch.Tensor:
    return F.dropout(images.flatten(0, 1), 0.5).unflatten(0, images.shape[:2])  # rows of an image apart, as windows are


class Several(nn.Module):
    """All that depends on the other images of a batch, or is drawn at random."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout2d(0.3),
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8, affine=False),
            StochasticDepth(0.4, "row"),
            nn.Dropout(0.2),
        )
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(128, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(drops(self.layers(images)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "several": Several,
    "mobilenet_v2": lambda: build("mobilenet_v2"),
    "timm's, with BatchNormAct2d": lambda: build("timm/efficientnet_b0", 64),
}


def steps(team: Team, name: str) -> dict[str, torch.Tensor]:
    """The weights, statistics and gradients after a step or two on five images, in float64."""
    torch.manual_seed(0)
    network = NETWORKS[name]().double().to(memory_format=torch.channels_last).train()
    side = 8 if name == "several" else 64
    images = torch.randn(5, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    images, labels = images.contiguous(memory_format=torch.channels_last), torch.arange(5)
    joined, mine = team.joined(network), team.share(np.arange(5))
    for step in range(2 if name == "several" else 1):
        seed_torch(0, step)
        with together(team, 5):
            logits = joined(images[mine])
        network.zero_grad()
        (F.cross_entropy(logits, labels[mine], reduction="sum") / 5 * team.size).backward()
        with torch.no_grad():
            for weight in network.parameters():
                weight -= 0.01 * weight.grad
    return network.state_dict() | {f"{name}.grad": of.grad for name, of in network.named_parameters()}


def all_steps(team: Team, folder: str) -> None:
    for number, name in enumerate(NETWORKS):
        torch.save(steps(team, name), Path(folder, f"{number}-{team.rank}.pt"))


def test_shares_of_a_batch_are_computed_as_parts_of_it(tmp_path: Path) -> None:
    """Of three and two images. In float64, for layers of drawn weights make much of what rounding float32 does."""
    launch(2, all_steps, str(tmp_path))
    for number, name in enumerate(NETWORKS):
        alone = steps(ALONE, name)
        for rank in (0, 1):
            several = torch.load(tmp_path / f"{number}-{rank}.pt", weights_only=True)
            for key, tensor in alone.items():
                assert torch.allclose(several[key], tensor, rtol=1e-6, atol=1e-7), (name, key)


# The stage.


@pytest.fixture
def project(finished_project: Path) -> Path:
    """With a variant of all layers, of steps so small that layers of drawn weights make no more of rounding."""
    change(lambda params: params["variants"].update(unfrozen=recipe(params)))
    return finished_project


def recipe(params: dict, **changes: object) -> dict:
    few = {"trainable": "all", "epochs": 3, "batch_size": 8, "lr": 1e-6}
    return params["variants"]["frozen"] | few | changes


def change(what: Callable[[dict], None]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["precision"] = "float32"
    what(params)
    Path("params.yaml").write_text(yaml.safe_dump(params))


def start(rank: int, port: int, folder: Path = Path(), command: tuple[str, ...] = COMMAND) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=clean_environment() | around(rank, port), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@contextmanager
def nodes(*folders: Path) -> Iterator[list[subprocess.Popen]]:
    """A process in each of these folders, as on machines of their own."""
    port = free_port()
    started = [start(rank, port, folder) for rank, folder in enumerate(folders)]
    try:
        yield started
    finally:
        for process in started:
            with process:
                process.kill()


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    printed, warned = process.communicate(timeout=900)
    return process.returncode, printed, warned


def other_machine(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(project, folder)
    for results in ("work", "models", "plots"):
        shutil.rmtree(folder / results)
    return folder


def result() -> tuple[dict[str, np.ndarray], list]:
    return load_file(paths.model(*CELL)), [float(row["loss"]) for row in read_table(paths.history(*CELL))]


def assert_near(several: tuple, of_one: tuple) -> None:
    """Losses of dropout and of whole batches, and the statistics of these: were four of eight images normalized by
    themselves, they would differ by hundredths."""
    assert several[1] == pytest.approx(of_one[1], abs=1e-3)
    for name, tensor in of_one[0].items():
        if "none_of_these" not in name:
            assert np.allclose(several[0][name], tensor, rtol=1e-2, atol=1e-3), name


def test_two_machines_train_as_one_does_and_after_a_kill_one_goes_on(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    train.main(*CELL)
    of_one, other = result(), other_machine(project, tmp_path_factory)
    shutil.rmtree(paths.model(*CELL).parent)
    with nodes(project, other) as (first, second):
        (status, printed, warned), of_second = ended(first), ended(second)
    assert (status, warned, of_second) == (0, "", (0, "", ""))
    assert printed.count("training all layers") == printed.count("epoch 3/3") == 1
    assert_near(result(), of_one)
    assert [name for name in ("models", "plots") if (other / name).exists()] == []

    change(lambda params: params["variants"].update(unfrozen=recipe(params, epochs=10_000)))
    shutil.copyfile("params.yaml", other / "params.yaml")
    for killed in (1, 0):
        with nodes(project, other) as both:
            if killed:
                wait_for(lambda: list(Path("work/checkpoints").glob("*.pt")))
            else:  # what rank 0 kept, both go on from
                wait_for(lambda: "going on after epoch" in both[0].stdout.readline())
            both[killed].kill()
            status, _, warned = ended(both[1 - killed])
        assert status == 1
        assert warned == (
            "error: another of 2 processes has ended, or its machine does not answer; started again, all of them or one"
            " alone, training goes on after the last whole epoch\n"
        )
    command = [sys.executable, *COMMAND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as one:
        try:
            wait_for(lambda: "going on after epoch" in one.stdout.readline())
        finally:
            one.kill()


def test_torchrun_starts_it_and_other_images_are_refused(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other, port = other_machine(project, tmp_path_factory), free_port()
    (image, *_) = sorted((other / "data/shapes/train").rglob("*.*"))
    kept = image.read_bytes()

    by_hand = [(f"--node-rank={rank}", "--master-addr=127.0.0.1", f"--master-port={port}") for rank in (0, 1)]
    by_itself = f"--rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:{port} --rdzv-id=x --local-addr=127.0.0.1".split()

    def run(meeting: list) -> list[tuple[int, str, str]]:
        """As docs/scale.md has it."""
        command = ("-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1")
        folders = (project, other)
        started = [start(rank, port, folders[rank], (*command, *meeting[rank], *COMMAND)) for rank in (0, 1)]
        return [ended(process) for process in started]

    shutil.copyfile(next(path for path in image.parent.iterdir() if path != image), image)
    (status, _, first), (_, _, second) = run(by_hand)
    assert status == 1
    line = "error: RANK 1 has another data/shapes than RANK 0 ("
    assert first.count(line) == second.count(line) == 1, first + second
    assert "stages/train.py" not in first  # no trace of its own; torchrun has one
    image.write_bytes(kept)
    shutil.rmtree(paths.model(*CELL).parent)
    both = run([by_itself, by_itself])
    assert [status for status, *_ in both] == [0, 0], both
    trained = [(folder / paths.model(*CELL)).is_file() for folder in (project, other)]
    assert sorted(trained) == [False, True]
    assert both[trained.index(True)][1].count("epoch 3/3") == 1


@pytest.fixture
def surrounded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_variables(**variables: str) -> None:
        for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def test_the_surroundings_say_which_process_this_is(surrounded: Callable[..., None]) -> None:
    surrounded()
    assert surroundings() is None
    surrounded(MASTER_ADDR="10.0.0.1")  # some set it for all that runs there
    assert surroundings() is None
    for alone in (around(0, 29500, size=1), {"WORLD_SIZE": "1"}, {"RANK": "0"}):
        surrounded(**alone)
        assert surroundings() is None
    surrounded(**around(2, 29500, size=4))
    assert surroundings() == Surroundings(2, 4, 0, 1)
    assert not is_first()
    surrounded(**around(2, 29500, size=4), LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    assert surroundings() == Surroundings(2, 4, 1, 2)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set in the environment"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE is not set in the environment"),
        ({"RANK": ""}, "RANK is not set in the environment"),
        ({"RANK": "one"}, "RANK is 'one' in the environment; expected a whole number, 0 to 1"),
        ({"RANK": "2"}, "RANK is '2' in the environment; expected a whole number, 0 to 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0' in the environment; expected a whole number, 1 or more"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT is 'http' in the environment; expected a whole number, 1 to 65535"),
        ({"LOCAL_WORLD_SIZE": "3"}, "LOCAL_WORLD_SIZE is '3' in the environment; expected a whole number, 1 to 2"),
        ({"LOCAL_RANK": "1"}, "LOCAL_RANK is '1' in the environment; expected a whole number, 0 to 0"),
    ],
)
def test_bad_surroundings_are_refused(surrounded: Callable[..., None], changes: dict, line: str) -> None:
    surrounded(**(around(0, 29500) | changes))
    with pytest.raises(ProjectError, match=f"^{line}"):
        surroundings()


def test_too_many_processes_or_two_who_start_them_are_refused(project: Path, surrounded: Callable[..., None]) -> None:
    surrounded(**around(0, 29500, size=9))
    with pytest.raises(ProjectError, match=r"unfrozen\.batch_size \(8\) is less than WORLD_SIZE \(9\)"):
        train.main(*CELL)
    change(lambda params: params["runtime"].update(devices=2))
    with pytest.raises(ProjectError, match=r"runtime\.devices is 2, and WORLD_SIZE in the environment 9"):
        train.main(*CELL)


def test_a_last_layer_is_trained_by_the_first_process_alone(
    project: Path, surrounded: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    written = paths.model("mobilenet_v2", "shapes", "frozen")
    written.unlink()
    surrounded(**around(1, 29500))
    train.main("mobilenet_v2", "shapes", "frozen")
    assert capsys.readouterr().out == (
        "frozen trains the last layer alone, which RANK 0 does: there is nothing to do here\n"
    )
    assert not written.exists()
    surrounded(**around(0, 29500))
    train.main("mobilenet_v2", "shapes", "frozen")
    assert written.exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_an_address_where_nobody_comes_is_waited_for_no_longer_than_said(rank: int, project: Path) -> None:
    port = free_port()
    soon = (
        "import sys; sys.argv[0] = '-m'; from stages import train; from stages.ground.cli import one_line_errors;"
        "import os; os.environ['TORCH_CPP_LOG_LEVEL'] = 'FATAL'; from stages.training import distributed;"
        "from datetime import timedelta; distributed.MEETING = timedelta(seconds=1)\n"
        f"with one_line_errors(): train.main(*{CELL})"
    )
    status, _, warned = ended(start(rank, port, command=("-c", soon)))
    assert (status, warned.count("\n")) == (1, 1), warned
    assert warned.startswith(
        f"error: MASTER_ADDR 127.0.0.1, MASTER_PORT {port}: 2 processes (WORLD_SIZE) did not come together there within"
        f" 1 s, of which this is RANK {rank} "
    )


def refuse_others(team: Team) -> None:
    team.check_alike({"device": "cpu"})
    team.check_alike({"device": "cpu", "params.yaml": "a" if team.rank == 0 else "b"})


def test_a_process_with_other_settings_is_named() -> None:
    with pytest.raises(ProjectError, match=r"^RANK 1 has another params\.yaml than RANK 0 \(b and a\): all processes"):
        launch(2, refuse_others)


def test_ctrl_c_ends_one_without_a_trace_and_the_other_with_its_line(
    project: Path,
) -> None:
    change(lambda params: params["variants"].update(unfrozen=recipe(params, epochs=10_000)))
    with nodes(project, project) as (first, second):  # of one folder: the first alone has the cell's lock
        wait_for(lambda: list(Path("work/checkpoints").glob("*.pt")) or first.poll() is not None)
        second.send_signal(signal.SIGINT)
        status, printed, warned = ended(second)
        assert (status, printed, warned) == (130, "", "")
        status, _, warned = ended(first)
    assert (status, warned.count("\n")) == (1, 1), warned
