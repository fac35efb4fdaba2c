"""scripts/networks.py: networks beside each other, out of their trials."""

from pathlib import Path

import pytest
import yaml

from scripts import networks
from stages.ground import paths
from stages.ground.files import append_row
from stages.models.graph import EMBEDDINGS
from stages.models.pretrained import Pretrained
from stages.networks.graph import to_graph
from stages.networks.network import build, tensors_of
from stages.settings import load_params
from tests.conftest import PROJECT, to_yaml
from tests.models import model_entry
from tests.results import write_study

COSTS = {"small": networks.Cost("9.1", "5.0"), "other": networks.Cost("13.5", "8.0"), "untried": networks.NOT_HERE}


@pytest.fixture
def project(in_folder: Path) -> Path:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["models"] = {
        name: model_entry("resnet18", "a.pth", "0" * 8, licence=f"of {name}") for name in ("small", "other", "untried")
    }
    params["downloads"], params["datasets"] = {}, {"shapes": {}}
    params["study"]["variants"] = {"probe": {"trainable": "head", "solver": "newton"}}
    Path("params.yaml").write_text(to_yaml(params))
    names = ("frozen", "unfrozen", "probe")
    write_study("small", "shapes", {name: [10, 12, 11, 9, 10, 12] for name in names})
    write_study("other", "shapes", {name: [4, 6, 5, 3, 4] for name in names})
    append_row(paths.seconds("other", "shapes"), {"variant": "probe", "seconds": 1.5})
    return in_folder


def test_each_network_is_set_against_the_first_on_the_trials_that_both_have(project: Path) -> None:
    rows = networks.rows(load_params(), COSTS)
    assert [row[:7] for row in rows] == [
        ("shapes", model, *(COSTS[model].megabytes, COSTS[model].milliseconds), f"of {model}", name, trials)
        for name in ("frozen", "probe")
        for model, trials in (("small", "6"), ("other", "5"))
    ]
    assert rows[0][7:] == ("0.8933", "0.880 to 0.909", "baseline", "", "not timed here")
    assert rows[1][7] == "0.9560"
    assert rows[1][9].startswith("+0.0600 (+0.0")  # five trials in common, each six mistakes fewer
    assert rows[1][10] == "better"
    assert rows[3][11] == "1.5"


def test_networks_without_trials_in_common_are_not_compared(project: Path) -> None:
    write_study("other", "shapes", {name: [4, 6] for name in ("frozen", "unfrozen", "probe")})
    path = paths.trials("other", "shapes")
    path.write_text(path.read_text().replace("\t0\t0\t0\t", "\t0\t7\t7\t").replace("\t0\t1\t1\t", "\t0\t8\t8\t"))
    assert networks.rows(load_params(), COSTS)[1][9:11] == ("no trials in common", "")


def test_what_a_network_costs_is_measured_where_its_weights_are(project: Path) -> None:
    assert networks.cost("small") == networks.NOT_HERE
    network = build("resnet18").eval()
    tensors = {name: of for name, of in tensors_of(network).items() if not name.startswith("fc.")}
    graph = to_graph(network, 32)
    assert EMBEDDINGS.encode() in graph.onnx
    Pretrained("small", "resnet18", "fc", 512, 32, "MIT", graph, tensors).write(paths.weights("small"))
    found = networks.cost("small")
    assert found.megabytes == "44.7"
    assert 0 < float(found.milliseconds) < 1000


def test_the_table_is_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    networks.main()
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("| data set | network | MB ")
    assert len(lines) == 4
