"""scripts/demo.py: what it puts into its scratch folder. (`make demo` itself needs pip.)"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts import demo
from stages.common.params import load_params
from tests.conftest import PROJECT


def test_its_parameters_are_the_projects_for_one_network_by_pip_and_the_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    demo.write_params(tmp_path / "params.yaml")
    own, projects = load_params(tmp_path / "params.yaml"), load_params()
    assert list(own.models) == ["mobilenet_v2"]
    assert [url.partition(":")[0] for url in own.models["mobilenet_v2"].urls] == ["pypi"]
    assert list(own.datasets) == ["digits"]
    assert own.downloads == {}
    assert own.variants["frozen"] == projects.variants["frozen"]
    assert not own.variants["unfrozen"].augment.flip


def test_its_images_are_the_digits_three_and_eight(tmp_path: Path) -> None:
    demo.write_digits(tmp_path)
    counts = {folder.name: len(list(folder.glob("*.png"))) for folder in tmp_path.iterdir()}
    assert counts == {"three": 183, "eight": 174}
    pixels = np.asarray(Image.open(next((tmp_path / "eight").iterdir())))
    assert pixels.shape == (8, 8)
    assert pixels.max() > 200
