"""stages/verdict.py and stages/draw_study.py, on made-up trials."""

from dataclasses import replace
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
        Trial(variant, 0, number, number, 200, 100, int(mistakes + rng.integers(0, 3)), 0.1, "float32", "a", "b")
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


def fewer(variant: str, images: int, mistakes: int) -> list[Trial]:
    return [replace(of, images=images, train_images=images) for of in trials(variant, 10, mistakes)]


def test_by_the_number_of_train_images_it_is_said_from_where_on_one_is_better(made_up: Path) -> None:
    of_all = [*trials("frozen", 30, 20), *trials("unfrozen", 10, 4), *trials("probe", 30, 20)]
    of_100 = [*fewer("frozen", 100, 30), *fewer("unfrozen", 100, 10), *fewer("probe", 100, 30)]
    of_50 = [*fewer("frozen", 50, 40), *fewer("unfrozen", 50, 40), *fewer("probe", 50, 40)]
    write_trials(paths.trials(*CELL), [*of_all, *of_100, *of_50])
    for stage in ("verdict", "draw_study"):
        assert call(f"{stage} {' '.join(CELL)}") == 0
    of = read_json(paths.verdicts(*CELL))
    assert of["unfrozen"]["from_images"] == (
        "mobilenet_v2 on ants_bees: unfrozen is better than frozen from 100 train images on (tried: 50, 100, 200)"
    )
    assert of["probe"]["from_images"] == (
        "mobilenet_v2 on ants_bees: probe is not shown to be better than frozen with any number of train images"
        " (50, 100, 200)"
    )
    assert of["unfrozen"]["by_images"]["50"]["answer"] in ("same", "open")
    assert of["unfrozen"]["by_images"]["100"]["answer"] == "better"
    assert of["frozen"]["by_images"]["50"]["accuracy"] == pytest.approx(0.59, abs=0.01)
    with Image.open(paths.study_figure(*CELL, "by_images")) as figure:
        assert figure.width > 800


def test_where_the_spread_comes_from(made_up: Path) -> None:
    other_seeds = [replace(of, split=0, seed=of.seed + 1) for of in trials("frozen", 5, 4)]
    other_splits = [replace(of, seed=0, split=of.split + 1, mistakes=4 * of.split) for of in trials("frozen", 5, 4)]
    write_trials(
        paths.trials(*CELL),
        [*trials("frozen", 30, 4), *other_seeds, *other_splits, *trials("unfrozen", 10, 4), *trials("probe", 30, 4)],
    )
    assert call(f"verdict {' '.join(CELL)}") == 0
    of = read_json(paths.verdicts(*CELL))["frozen"]
    assert of["deviation_of_seeds"] < 0.015 < 0.05 < of["deviation_of_splits"]
    assert of["trials"] == 30
    assert "deviation_of_seeds" not in read_json(paths.verdicts(*CELL))["probe"]
