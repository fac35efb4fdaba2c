"""stages/training/checkpoint.py: interrupted training ends with the same bits as one that was not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from stages.training.checkpoint import Checkpoint
from tests.test_fit import examples, recipe, train_on

RECIPE = recipe(epochs=6, schedule="cosine", batch_size=3)


def new_network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def train(checkpoint: Checkpoint | None, stop_in: int | None = None, select: str = "last") -> tuple[list, dict]:
    """History and weights; with `stop_in`, interrupted in that epoch."""

    def report(history):
        if history[-1]["epoch"] == stop_in:
            raise KeyboardInterrupt

    network = new_network()
    settings = RECIPE.model_copy(update={"select": select})
    history = train_on(network, examples(10), examples(6, seed=1), settings, 0, report, checkpoint)
    return history, network.state_dict()


@pytest.mark.parametrize("select", ["last", "best"])
@pytest.mark.parametrize("stop_in", [1, 2, 4, 6])
def test_going_on_ends_with_the_same_bits(tmp_path: Path, stop_in: int, select: str) -> None:
    history, weights = train(None, select=select)
    checkpoint = Checkpoint(tmp_path / "run-0.pt")
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, stop_in, select)
    assert checkpoint.path.exists() == (stop_in > 1)
    resumed, weights_resumed = train(checkpoint, select=select)
    assert resumed == history
    assert all(torch.equal(weights[name], weights_resumed[name]) for name in weights)


def test_no_epoch_is_trained_twice(tmp_path: Path) -> None:
    checkpoint, epochs = Checkpoint(tmp_path / "run-0.pt"), []
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, stop_in=4)
    train_on(
        new_network(), examples(10), examples(6, seed=1), RECIPE, 0,
        lambda history: epochs.append(history[-1]["epoch"]), checkpoint,
    )  # fmt: skip
    assert epochs == [4, 5, 6]


def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run-0.pt")
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint, stop_in=4)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:100])
    assert train(checkpoint)[0] == train(None)[0]


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/a/1.png").write_bytes(b"one")
    (tmp_path / "weights.pt").write_bytes(b"w")
    return [tmp_path / "data", tmp_path / "weights.pt"]


def test_the_name_follows_from_stage_settings_and_the_content_of_the_inputs(tmp_path: Path, inputs: list[Path]) -> None:
    def name(stage: str = "m-d-v", settings: object = (1, {"lr": 0.1})) -> str:
        return Checkpoint.of(tmp_path / "work", stage, settings, inputs).path.name

    first = name()
    assert name() == first
    assert name(stage="m-d-w") != first
    assert name(settings=(1, {"lr": 0.2})) != first
    (tmp_path / "data/a/1.png").write_bytes(b"two")
    changed = name()
    assert changed != first
    (tmp_path / "data/a/1.png").rename(tmp_path / "data/a/2.png")
    assert name() not in (first, changed)


def test_a_finished_run_removes_its_own_checkpoints_only(tmp_path: Path) -> None:
    for name in ("m-d-frozen-1", "m-d-frozen-2", "m-d-unfrozen-1"):
        (tmp_path / f"{name}.pt").touch()
    Checkpoint(tmp_path / "m-d-frozen-1.pt").delete()
    assert [path.name for path in tmp_path.iterdir()] == ["m-d-unfrozen-1.pt"]
