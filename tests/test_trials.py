"""stages/trials.py: what is tried, on which images, and what is kept when more is asked for or something changes."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import trials as stage
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_json
from stages.study import material as material_module
from stages.study import pool as pool_module
from stages.study.digests import digest_of_code
from stages.study.pool import Pool
from stages.study.trials import Trial, read_trials
from tests.conftest import to_yaml
from tests.finished import DATA, MODEL, call

TABLE = paths.trials(MODEL, DATA)
UNFROZEN = {
    "trainable": "all", "epochs": 1, "batch_size": 4, "lr": 0.001, "momentum": 0.9, "weight_decay": 0,
    "schedule": "cosine",
}  # fmt: skip


def set_study(quick_trials: int = 3, trials: int = 2, **variants: dict) -> None:
    """`variants` beside frozen and probe."""
    edit(
        lambda params: params["study"].update(
            quick_trials=quick_trials,
            trials=trials,
            variants={"probe": {"trainable": "head", "solver": "newton"}, **variants},
        )
    )


def edit(change: Callable[[dict], object]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    change(params)
    Path("params.yaml").write_text(to_yaml(params))


def run() -> list[Trial]:
    assert call(f"trials {MODEL} {DATA}") == 0
    return read_trials(TABLE)


@pytest.fixture
def project(finished_project: Path) -> Path:
    set_study()
    return finished_project


def test_each_way_of_training_has_its_trials_and_number_0_is_the_committed_one(project: Path) -> None:
    set_study(unfrozen=UNFROZEN, tuned=UNFROZEN | {"start": "probe", "recompute_batchnorm": True})
    found = run()
    assert Counter(of.variant for of in found) == {"frozen": 3, "probe": 3, "unfrozen": 2, "tuned": 2}
    committed = next(of for of in found if of.variant == "frozen" and of.split == 0)
    metrics = read_json(paths.metrics(MODEL, DATA, "frozen"))
    assert (committed.mistakes, committed.val_images) == (metrics["mistakes"], metrics["images"])
    assert committed.loss == pytest.approx(metrics["loss"], abs=1e-4)
    assert {(of.images, of.split == of.seed, of.train_images, of.val_images) for of in found} == {(0, True, 8, 6)}


@pytest.mark.parametrize("trainable", ["all", "last_2"])
def test_a_trial_of_more_than_the_last_layer_is_what_the_train_stage_trains(project: Path, trainable: str) -> None:
    recipe = UNFROZEN | {"start": "probe", "body_lr": 0.5, "trainable": trainable}
    edit(lambda params: params["variants"].update(unfrozen=recipe))
    set_study(trials=2)
    for name in ("train", "evaluate"):
        assert call(f"{name} {MODEL} {DATA} unfrozen") == 0
    committed = next(of for of in run() if of.variant == "unfrozen" and of.split == 0)
    metrics = read_json(paths.metrics(MODEL, DATA, "unfrozen"))
    assert (committed.mistakes, committed.precision) == (metrics["mistakes"], metrics["precision"])
    assert committed.loss == pytest.approx(metrics["loss"], rel=1e-5, abs=1e-4)


def test_splits_and_seeds_are_drawn_and_the_same_for_all(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[tuple[int, ...], set[int]] = {}
    fit = material_module.fit_last_layer

    def noting(recipe, train, val, seed):
        seen.setdefault(tuple(val.embeddings[:, 0]), set()).add(seed)
        return fit(recipe, train, val, seed)

    monkeypatch.setattr(material_module, "fit_last_layer", noting)
    run()
    assert sorted(seen.values(), key=min) == [{0}, {1}, {2}]  # three different splits, each with one seed


def test_more_trials_run_those_that_are_missing_and_give_the_bytes_of_a_study_at_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_study(quick_trials=5)
    run()
    at_once = TABLE.read_bytes()
    TABLE.unlink()
    set_study(quick_trials=2)
    run()
    set_study(quick_trials=5)
    capsys.readouterr()
    run()
    assert "4 trials are there, 6 to run" in capsys.readouterr().out
    assert TABLE.read_bytes() == at_once
    set_study(quick_trials=3)
    run()
    assert TABLE.read_bytes() == at_once  # what has run counts


def test_an_interrupted_study_goes_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    undisturbed = TABLE.read_bytes()
    TABLE.unlink()
    tried, count = material_module.Material.tried, []

    def interrupted(*of):
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return tried(*of)

    monkeypatch.setattr(material_module.Material, "tried", interrupted)
    assert call(f"trials {MODEL} {DATA}") == 130
    assert len(read_trials(TABLE)) == 3
    run()
    assert len(count) == 4 + 3
    assert TABLE.read_bytes() == undisturbed


def test_other_settings_run_anew_and_that_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {of for of in run() if of.variant == "probe"}
    edit(lambda params: params["variants"]["frozen"].update(lr=0.5))
    capsys.readouterr()
    after = run()
    said = capsys.readouterr().out
    assert (
        "3 trials of frozen are of other settings, images, splits or weights: they are taken out, and run anew" in said
    )
    assert "3 trials are there, 3 to run" in said
    assert {of for of in after if of.variant == "probe"} == before


def test_other_images_run_everything_anew(project: Path) -> None:
    before = run()
    picture = next(Path("data/shapes/train").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"more")
    assert {of.settings for of in before} & {of.settings for of in run()} == set()


def test_trials_of_other_code_that_gives_the_same_stand(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, code = run(), Path("stages/heads/probe.py")
    capsys.readouterr()
    code.write_text(code.read_text() + "\n# a comment\n")
    assert run() == before
    assert "other code" not in capsys.readouterr().out
    code.write_text(code.read_text() + "\nUNUSED = 4\n")
    after = run()
    said = capsys.readouterr().out
    assert "3 trials of frozen were made by other code; number 1, run again, comes to the same, so they stand\n" in said
    assert [replace(of, code="") for of in after] == [replace(of, code="") for of in before]
    assert {of.code for of in after} & {of.code for of in before} == set()


def test_trials_of_other_code_that_gives_something_else_are_kept_and_said_to_be(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, code = run(), Path("stages/heads/probe.py")
    code.write_text(code.read_text() + "\nUNUSED = 4\n")
    tried = material_module.Material.tried

    def otherwise(*of):
        trial, seconds = tried(*of)
        return replace(trial, loss=trial.loss * 1.1), seconds

    monkeypatch.setattr(material_module.Material, "tried", otherwise)
    capsys.readouterr()
    assert run() == before
    said = capsys.readouterr().out
    assert re.search(
        r"^warning: 3 trials of frozen were made by other code, or on another machine: number 1 had \d mistakes and"
        r" a loss"
        r" of \d\.\d{4}, in float32, and now has \d and \d\.\d{4}, in float32\. They are kept; to run them anew, take"
        rf" their lines out of {TABLE}$",
        said,
        re.MULTILINE,
    )


def test_other_splits_run_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {of.split: of for of in run() if of.variant == "frozen"}
    monkeypatch.setattr(pool_module, "SPLITS", 5)
    after = {of.split: of for of in run() if of.variant == "frozen"}
    assert after[0] == before[0]
    assert all(after[number].settings != before[number].settings for number in (1, 2))


def test_another_precision_that_is_asked_for_by_name_runs_whole_networks_anew(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_study(unfrozen=UNFROZEN)
    edit(lambda params: params.update(precision="float32"))
    run()
    edit(lambda params: params.update(precision="auto"))
    TABLE.write_text(re.sub(r"(unfrozen\t.*)float32", r"\1bfloat16", TABLE.read_text()))
    capsys.readouterr()
    run()
    assert "8 trials are there, 0 to run" in capsys.readouterr().out
    edit(lambda params: params.update(precision="float32"))
    assert {of.precision for of in run()} == {"float32"}
    assert "6 trials are there, 2 to run" in capsys.readouterr().out


def test_the_val_images_choose_no_epoch(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def add_wild(params: dict) -> None:
        wild = params["variants"]["frozen"] | {"epochs": 6, "lr": 50.0, "momentum": 0}  # each epoch another answer
        params["variants"] |= {"last": wild, "best": wild | {"select": "best"}}

    edit(add_wild)
    found = run()
    assert "best is tried with select: last, since the val images that choose its best epoch also judge it" in (
        capsys.readouterr().out
    )
    losses = {name: [of.loss for of in found if of.variant == name] for name in ("best", "last")}
    assert losses["best"] == losses["last"]


def test_there_are_never_fewer_quick_trials(project: Path) -> None:
    set_study(trials=4, quick_trials=2)
    assert Counter(of.variant for of in run()) == {"frozen": 4, "probe": 4}


@pytest.mark.parametrize(
    ("took", "names", "said"),
    [
        ({"a": 50.0, "b": 10.0}, ["a", "b", "a"], "; about 2 minutes to go"),
        ({"a": 1.0}, ["a"], "; about 1 minutes to go"),
        ({"a": 50.0}, ["a", "b"], ""),
        ({"a": 50.0}, [], ""),
    ],
)
def test_how_long_it_will_take_is_said_once_it_is_known(took: dict[str, float], names: list[str], said: str) -> None:
    assert stage.left(took, names) == said


def test_a_batch_that_cannot_be_filled_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_study(big=UNFROZEN | {"batch_size": 99})
    assert call(f"trials {MODEL} {DATA}") == 1
    assert capsys.readouterr().err == (
        "error: data/shapes: 8 train images are fewer than big's batch_size (99) in params.yaml: lower that, or add"
        " images\n"
    )


def test_blends_are_chosen_inside_the_train_images_of_each_trial(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_study(trials=2, tuned=UNFROZEN | {"lr": 1e-9, "start": "probe", "batch_norm": "frozen", "blend": "auto"})
    found = run()
    said = capsys.readouterr().out
    assert said.count("of the train images, to choose the blend on these\n") == 2
    assert said.count("; 0 is taken\n") == 2  # a rate of nothing makes nothing of it
    losses = {name: [of.loss for of in found if of.variant == name][:2] for name in ("probe", "tuned")}
    assert losses["tuned"] == pytest.approx(losses["probe"], rel=1e-3)


def test_trials_of_what_params_yaml_no_longer_has_stay(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    edit(lambda params: params["study"].update(variants={}))
    assert {of.variant for of in run()} == {"frozen", "probe"}
    assert "3 trials of probe, which params.yaml does not have, stay as they are" in capsys.readouterr().out


def test_a_table_that_is_damaged_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    TABLE.write_text(TABLE.read_text().replace("float32\t", "", 1))
    assert call(f"trials {MODEL} {DATA}") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {TABLE}, line 2: ")
    assert said.endswith(
        f"; git checkout {TABLE} brings back what was committed; without the file, make study runs all anew\n"
    )


def test_code_is_told_apart_by_what_it_does(in_folder: Path) -> None:
    code = Path("stages/heads/a.py")
    code.parent.mkdir(parents=True)

    def of(text: str) -> str:
        code.write_text(text)
        return digest_of_code(["heads"])

    first = of('"""Says."""\n\ndef f(x):\n    """Says."""\n    return x + 1\n')
    assert of("def f( x ):  # why\n\n    return (x + 1)\n") == first
    assert of("def f(x):\n    return x + 2\n") != first


def test_groups_stay_on_one_side_of_every_split() -> None:
    labels, groups = np.arange(120) % 3, np.arange(120) // 6
    pool = Pool(labels, np.arange(120) >= 90, groups)
    assert np.array_equal(pool.split(0)[1], np.arange(90, 120))
    splits = [pool.split(number) for number in range(1, 6)]
    for train, val in splits:
        assert set(groups[train]) & set(groups[val]) == set()
        assert sorted([*train, *val]) == list(range(120))
        assert 24 <= len(val) <= 36
    assert len({tuple(val) for _, val in splits}) == 5


def test_groups_that_cannot_be_split_are_refused() -> None:
    labels = np.arange(20) % 2
    with pytest.raises(ProjectError, match=r"^split 1 has a class without train or val images: it has too few groups"):
        Pool(labels, np.arange(20) >= 15, labels.copy()).split(1)


def test_groups_of_the_data_set_are_those_of_the_trials(project: Path) -> None:
    edit(lambda params: params["datasets"].update(shapes={"manifest": "shapes.sha256", "group_pattern": r"\d+"}))
    for name in (f"arrange {DATA}", f"features {MODEL} {DATA}"):
        assert call(name) == 0
    material = material_module.Material(MODEL, DATA)
    numbers = [re.search(r"\d+", Path(file).name)[0] for file in material.files]
    groups = material.pool.groups
    assert 1 < len(set(numbers)) == len(set(groups)) == len(set(zip(numbers, groups, strict=True))) < len(numbers)
    train, val = material.pool.split(1)
    assert set(groups[train]) & set(groups[val]) == set()
