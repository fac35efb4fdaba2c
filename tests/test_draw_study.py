"""stages/verdict.py and stages/draw_study.py, on made-up trials."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.ground import paths
from stages.ground.files import read_json
from stages.study.trials import Trial, write_trials
from tests.conftest import PROJECT
from tests.finished import call

CELL = ("mobilenet_v2", "ants_bees")


def trials(variant: str, count: int, mistakes: int) -> list[Trial]:
    rng = np.random.default_rng(mistakes)
    return [
        Trial(variant, number, number, 200, 100, int(mistakes + rng.integers(0, 3)), 0.1, "float32", "a", "b")
        for number in range(count)
    ]


@pytest.fixture
def made_up(in_folder: Path) -> Path:
    """unfrozen is far behind frozen, probe as good as that."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["study"]["variants"] = {"probe": {"trainable": "head", "solver": "newton"}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    write_trials(paths.trials(*CELL), [*trials("frozen", 30, 4), *trials("unfrozen", 10, 15), *trials("probe", 30, 4)])
    return in_folder


def test_each_way_of_training_has_its_numbers_and_its_sentence(
    made_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(f"verdict {' '.join(CELL)}") == 0
    of = read_json(paths.verdicts(*CELL))
    assert list(of) == ["frozen", "unfrozen", "probe"]
    assert [of[name]["trials"] for name in of] == [30, 10, 30]
    assert "sentence" not in of["frozen"]
    assert (of["unfrozen"]["pairs"], of["unfrozen"]["answer"], of["unfrozen"]["ahead"]) == (10, "worse", 0)
    assert of["unfrozen"]["difference_high"] < 0
    assert (of["probe"]["difference"], of["probe"]["answer"]) == (0, "same")
    said = capsys.readouterr().out.splitlines()
    assert said == [of[name]["sentence"] for name in ("unfrozen", "probe")]
    assert said[0].startswith("mobilenet_v2 on ants_bees: unfrozen is worse than frozen, -")


def test_too_few_trials_are_one_line(made_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trials(paths.trials(*CELL), [*trials("frozen", 30, 4), *trials("unfrozen", 1, 15)])
    assert call(f"verdict {' '.join(CELL)}") == 1
    assert capsys.readouterr().err == (
        f"error: {paths.trials(*CELL)}: fewer than two trials of unfrozen in it; run make study\n"
    )


def test_the_figure_is_drawn_out_of_both_and_is_the_same_each_time(made_up: Path) -> None:
    drawn = []
    for _ in range(2):
        for stage in ("verdict", "draw_study"):
            assert call(f"{stage} {' '.join(CELL)}") == 0
        drawn.append(paths.study_figure(*CELL).read_bytes())
    assert drawn[0] == drawn[1]
    with Image.open(paths.study_figure(*CELL)) as figure:
        assert figure.width > 900
    write_trials(paths.trials(*CELL), [*trials("frozen", 30, 4), *trials("unfrozen", 10, 5), *trials("probe", 30, 4)])
    for stage in ("verdict", "draw_study"):
        assert call(f"{stage} {' '.join(CELL)}") == 0
    assert paths.study_figure(*CELL).read_bytes() != drawn[0]
