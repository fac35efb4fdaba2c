"""stages/training/distributed.py: two processes on the CPU give what one gives."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from stages import train
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_table
from stages.heads.linear import Head
from stages.models.classifier import Classifier
from stages.models.pretrained import Pretrained
from stages.preprocessing.inputs import Preprocessing, to_input
from stages.preprocessing.splits import list_split
from stages.preprocessing.squares import read_square
from stages.recipes.variant import Variant
from stages.statistics.scores import score
from stages.training import whole
from stages.training.batchnorm import recompute_statistics
from stages.training.compute import Compute
from stages.training.distributed import Team, launch
from stages.training.examples import Images
from stages.training.fit import fit
from tests.conftest import clean_environment, wait_for
from tests.test_fit import Points, logits

CPU = torch.device("cpu")
RECIPE = Variant(
    trainable="all", epochs=3, batch_size=7, lr=0.05, momentum=0.9, weight_decay=0.001, schedule="cosine",
    class_weights="balanced",
)  # fmt: skip  # of 25 examples: batches of 7, 6, 6, 6, and so shares that differ


def examples(count: int) -> Points:
    points = torch.randn(count, 5, generator=torch.Generator().manual_seed(count))
    return Points(points, (points.sum(1) > 1).long().numpy())


def fitted(team: Team) -> tuple[nn.Module, list]:
    """Without BatchNorm and dropout, of which tests/test_nodes.py knows."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
    val, compute = examples(11), Compute(CPU, "float32", team)
    mine = team.share(np.arange(11))  # of val images too, and shares that differ
    part = Points(val.points[mine], val.labels[mine])
    history = fit(network, examples(25), lambda of: team.gathered(logits(of, part)), val.labels, RECIPE, 0, compute)
    return network, history


def fit_and_write(team: Team, folder: str) -> None:
    network, history = fitted(team)
    torch.save(network.state_dict(), Path(folder, f"{team.rank}.pt"))
    Path(folder, f"{team.rank}.json").write_text(json.dumps(history))


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    launch(2, fit_and_write, str(tmp_path))
    network, history = fitted(Team())
    for rank in (0, 1):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, tensor in network.state_dict().items():
            assert torch.allclose(state[name], tensor, atol=1e-6), name
        for row, alone in zip(json.loads((tmp_path / f"{rank}.json").read_text()), history, strict=True):
            assert row == pytest.approx(alone, abs=1e-5)


def refuse(team: Team) -> None:
    if team.rank == 1:
        raise ProjectError("the loss is nan")
    torch.distributed.barrier()  # the other waits for it


def test_what_one_process_raises_is_raised() -> None:
    with pytest.raises(ProjectError, match=r"^the loss is nan$"):
        launch(2, refuse)


def test_a_stage_trains_in_two_processes(finished_project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["variants"]["unfrozen"] = params["variants"]["frozen"] | {"trainable": "all", "epochs": 2, "batch_size": 8}
    params["runtime"]["devices"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    cell = ("mobilenet_v2", "shapes", "unfrozen")
    train.main(*cell)
    history = read_table(paths.history(*cell))
    assert [row["split"] for row in history] == ["train", "val"] * 2
    classifier, val = Classifier.load(paths.model(*cell)), list_split(paths.images("shapes") / "val")
    squares = np.stack([read_square(path, classifier.preprocessing) for path in val.files])
    loss, accuracy = score(classifier.logits(squares), val.labels)
    assert (float(history[-1]["loss"]), float(history[-1]["accuracy"])) == pytest.approx((loss, accuracy), abs=1e-4)
    assert list(Path("work/checkpoints").iterdir()) == []
    printed, warned = capfd.readouterr()
    assert printed.count("epoch 2/2") == printed.count("training all layers of mobilenet_v2 on cpu in ") == 1
    assert warned == ""


class Part(Team):
    """A process that knows of no other."""

    def gathered(self, part: np.ndarray) -> np.ndarray:
        return part


@pytest.mark.parametrize("count", [5, 1])
def test_val_images_are_shared_in_their_order_also_where_one_process_gets_none(
    finished_project: Path, count: int
) -> None:
    pretrained, alone = Pretrained.read(paths.weights("mobilenet_v2"), "mobilenet_v2"), Compute(CPU, "float32")
    network = whole.with_last_layer(pretrained, Head.drawn(1280, 2, 0), alone)
    squares = np.random.default_rng(0).integers(0, 256, (8, 3, 36, 36), np.uint8)
    several, val = (Images(squares[:n], np.zeros(n, int), Preprocessing(36, 32)) for n in (8, count))
    recompute_statistics(network, several, alone)  # without it, drawn weights see all images as one
    with torch.inference_mode():
        expected = network(torch.from_numpy(to_input(val.squares, val.preprocessing))).numpy()
    assert len(np.unique(expected.round(2), axis=0)) == count  # or the test shows nothing
    assert np.allclose(whole.Validation(val, pretrained, alone).logits(network), expected, atol=1e-4)
    parts = [
        whole.Validation(val, pretrained, Compute(CPU, "float32", Part(rank, 2))).logits(network) for rank in (0, 1)
    ]
    assert list(map(len, parts)) == [count - count // 2, count // 2]
    assert np.allclose(np.concatenate(parts), expected, atol=1e-4)


@pytest.fixture
def long_training(finished_project: Path) -> Iterator[subprocess.Popen]:
    """A stage that trains for long in two processes, and is past its first epoch."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    recipe = params["variants"]["frozen"] | {"trainable": "all", "epochs": 10_000, "batch_size": 8}
    params["variants"]["unfrozen"], params["runtime"]["devices"] = recipe, 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with subprocess.Popen(
        [sys.executable, "-m", "stages.train", "mobilenet_v2", "shapes", "unfrozen"],
        env=clean_environment(), start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as stage:  # fmt: skip
        try:
            wait_for(lambda: list(Path("work/checkpoints").glob("*.pt")) or stage.poll() is not None)
            assert stage.poll() is None, stage.stdout.read()
            yield stage
        finally:
            stage.kill()


def members(stage: subprocess.Popen) -> list[int]:
    listed = subprocess.run(["ps", "-ww", "-o", "pid,args", "--ppid", str(stage.pid)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]


def test_ctrl_c_ends_all_processes_without_a_stack_trace(long_training: subprocess.Popen) -> None:
    both = members(long_training)
    assert len(both) == 2
    os.killpg(long_training.pid, signal.SIGINT)  # as a terminal does
    printed, _ = long_training.communicate(timeout=60)
    assert long_training.returncode == 130
    assert [line for line in printed.splitlines() if not line.startswith(("epoch", "training all layers"))] == []
    wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in both))
    assert list(Path("models").rglob("unfrozen*")) == []


def test_a_process_that_is_killed_ends_the_others_with_one_line(long_training: subprocess.Popen) -> None:
    both = members(long_training)
    os.kill(both[1], signal.SIGKILL)
    printed, _ = long_training.communicate(timeout=60)
    assert long_training.returncode == 1
    lines = [line for line in printed.splitlines() if not line.startswith(("epoch", "training all layers"))]
    assert lines == ["error: one of 2 training processes was ended from outside"]
    wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in both))


def test_more_devices_than_a_batch_has_images_are_refused(finished_project: Path) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["variants"]["unfrozen"] = params["variants"]["frozen"] | {"trainable": "all", "batch_size": 1}
    params["runtime"]["devices"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ProjectError, match=r"unfrozen\.batch_size \(1\) is less than runtime\.devices \(2\)"):
        train.main("mobilenet_v2", "shapes", "unfrozen")
