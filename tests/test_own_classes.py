"""scripts/measuring/own_classes.py: a network with the last layer that it came with."""

import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2

from scripts.measuring import own_classes
from stages.ground.errors import ProjectError
from stages.networks.settings import Model
from tests.conftest import sha256_of
from tests.finished import DATA, MODEL
from tests.models import model_entry


def published(foreign: bool, with_last: bool) -> Model:
    torch.manual_seed(0)
    state = mobilenet_v2(weights=None).state_dict()
    state["classifier.1.bias"][7] = 100  # so that every image is of this class
    given = {name: of for name, of in state.items() if with_last or not name.startswith("classifier.")}
    torch.save({f"x.{number}": of for number, of in enumerate(given.values())} if foreign else given, "own.pth")
    return Model(**model_entry(MODEL, Path("own.pth").absolute(), sha256_of(Path("own.pth"))))


@pytest.mark.parametrize("foreign", [True, False])
def test_the_last_layer_is_the_files_own(in_folder: Path, foreign: bool) -> None:
    network = own_classes.whole(published(foreign, with_last=True), MODEL)
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 32, 32)).argmax(1).tolist() == [7, 7]


@pytest.mark.parametrize("foreign", [True, False])
def test_a_file_without_a_last_layer_is_refused(in_folder: Path, foreign: bool) -> None:
    with pytest.raises(ProjectError, match="its last layer is not in it, so that it has no classes of its own"):
        own_classes.whole(published(foreign, with_last=False), MODEL)


def test_what_is_called_rightly_is_counted_for_each_change(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = published(False, True)
    monkeypatch.setattr(own_classes, "whole", lambda *_: own_classes_network(settings))
    monkeypatch.setattr(sys, "argv", ["own_classes", MODEL, DATA, "discs=3,7", "squares=8"])
    own_classes.main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| as params.yaml has it", "| bicubic", "| mean and std 0.5", "| fit: squash"]
    assert {row[1] for row in rows} == {"0.500 of 6"}


def own_classes_network(settings: Model) -> torch.nn.Module:
    network = mobilenet_v2(weights=None).eval()
    network.load_state_dict(torch.load(settings.urls[0], weights_only=True))
    return network


def test_a_class_that_there_is_not_is_named(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["own_classes", MODEL, DATA, "ants=310"])
    with pytest.raises(SystemExit):
        own_classes.main()
    assert "has no class ants; it has: discs, squares" in capsys.readouterr().err
