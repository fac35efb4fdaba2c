"""stages/sweep.py: what is tried inside the train images, what goes on after a kill, and what is said of the best."""

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from scipy.stats import ttest_1samp

from scripts.reporting.graph import Cell
from scripts.sweep import report
from stages.ground import paths
from stages.ground.errors import DivergedError, ProjectError
from stages.ground.files import read_json, read_table
from stages.heads.linear import Embeddings
from stages.recipes.variant import Variant
from stages.search.confirmed import Confirmed, confirmed, sentence
from stages.search.inside import HopelessError, Inside, _watching
from stages.search.settings import Between, Sweep
from stages.search.tries import (
    Try,
    best,
    combinations,
    hopeless,
    read_tries,
    recipes_of,
    still_hopeless,
    write_tries,
)
from stages.settings import load_params
from stages.statistics.paired import over_images
from stages.study.material import Material
from tests.finished import DATA, MODEL, call, everything
from tests.test_trials import UNFROZEN, edit

SWEEP = {
    "variant": "frozen", "search": "random", "tries": 4, "folds": 2, "confirm": 2,
    "settings": {"lr": {"low": 0.001, "high": 1.0}, "batch_size": [2, 4]},
}  # fmt: skip
TABLE = paths.sweep(MODEL, DATA, "frozen")


def set_sweep(**changes: object) -> None:
    edit(lambda params: params.update(sweep=SWEEP | changes))


@pytest.fixture
def project(finished_project: Path) -> Path:
    set_sweep()
    return finished_project


def test_random_tries_are_drawn_once_and_for_all_and_the_first_is_the_variant_as_it_stands() -> None:
    sweep = Sweep.model_validate(SWEEP | {"tries": 200})
    tries = combinations(sweep)
    assert tries[0] == {}
    assert tries[:5] == combinations(Sweep.model_validate(SWEEP | {"tries": 4}))  # more tries begin with the fewer
    rates = np.array([of["lr"] for of in tries[1:]])
    assert 0.001 <= rates.min() < 0.002
    assert 0.5 < rates.max() <= 1
    assert (rates < 0.0316).mean() == pytest.approx(0.5, abs=0.1)  # each order of magnitude is as likely
    assert {of["batch_size"] for of in tries[1:]} == {2, 4}


def test_a_grid_is_all_combinations_and_no_try_comes_twice() -> None:
    sweep = Sweep.model_validate(
        SWEEP | {"search": "grid", "tries": None, "settings": {"lr": [0.1, 0.2, 0.1], "epochs": [1, 2]}}
    )
    assert combinations(sweep) == [{}, *({"lr": lr, "epochs": n} for lr in (0.1, 0.2) for n in (1, 2))]


def test_between_whole_numbers_are_whole_numbers() -> None:
    of = Between(low=1, high=1000)
    assert [of.at(share) for share in (0, 0.5, 1)] == [1, 32, 1000]
    assert all(isinstance(of.at(share), int) for share in (0.1, 0.7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"lr": {"low": 0.1, "high": 0.01}}}, "sweep.settings.lr: low must be less than high"),
        (
            {"settings": {"lr": {"low": 0, "high": 0.01}}},
            "sweep.settings.lr.low: Input should be greater than 0; received 0",
        ),
        ({"settings": {"lr": 0.1}}, "sweep.settings.lr: Input should be a valid list; received 0.1"),
        ({"settings": {"lr": [-1.0]}}, "params.yaml: sweep.settings: lr: Input should be greater than 0"),
        ({"settings": {"rate": [1.0]}}, "sweep.settings: rate: no setting of frozen; it has: trainable, epochs"),
        ({"settings": {"select": ["best"]}}, "settings: select: the images that judge must not choose the epoch"),
        ({"settings": {"class_weights": ["none", "balanced"]}}, "settings: class_weights: tries of other weights"),
        ({"settings": {"trainable": ["head", "all"]}}, "sweep them one after the other"),
        ({"settings": {"blend": [0.5]}}, "sweep.settings: blend: blend: only with trainable: all or last_N"),
        ({"settings": {"batch_size": [40]}}, "batch_size 40 is more than the 4 train images"),
        ({"variant": "probe"}, "sweep.variant: expected a variant that has settings (frozen"),
        ({"variant": "nothing"}, "sweep.variant: expected a variant that has settings (frozen"),
        ({"search": "grid"}, "search: grid, which tries all, takes none"),
        ({"search": "grid", "tries": None}, "search: grid needs a list of values for lr"),
        ({"tries": None}, "search: random needs tries"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str], changes: dict, message: str
) -> None:
    set_sweep(**changes)
    before = everything()
    assert call(f"sweep {MODEL} {DATA}") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert everything() == before


def test_a_sweep_writes_its_tries_and_what_was_confirmed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(f"sweep {MODEL} {DATA}") == 0
    rows = read_table(TABLE)
    assert len(rows) == 5
    assert (rows[0]["lr"], rows[0]["batch_size"]) == ("", "")
    assert all(0 <= float(row["accuracy"]) <= 1 and float(row["loss"]) > 0 for row in rows)
    result = read_json(paths.sweep_result(MODEL, DATA, "frozen"))
    assert result["sentence"] in capsys.readouterr().out
    assert (result["tries"], result["seeds"]) == (5, 2)
    losses = [float(row["loss"]) for row in rows]
    winner = rows[int(np.argmin(losses))]
    assert {key: str(value) for key, value in result["settings"].items()} == {
        key: winner[key] for key in ("lr", "batch_size") if winner[key]
    }


def test_no_val_image_has_a_say_in_which_settings_are_best(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, logits = [], Material.logits

    def noting(material, name, recipe, train, val, *rest):
        asked.append((set(train), set(val)))
        return logits(material, name, recipe, train, val, *rest)

    monkeypatch.setattr(Material, "logits", noting)
    assert call(f"sweep {MODEL} {DATA}") == 0
    train, val = (set(of) for of in Material(MODEL, DATA).pool.split(0))
    inside, outside = asked[: 5 * 2], asked[5 * 2 :]
    assert all(known | held_out == train and not known & held_out for known, held_out in inside)
    assert all(of == (train, val) for of in outside)
    assert len(outside) in (2, 4)  # two seeds of the best and of the present settings, which may be the same


@pytest.mark.parametrize(("kind", "loss"), [("none", 0.5133), ("balanced", 0.8133)])
def test_the_loss_of_a_try_is_weighted_as_its_training_is(kind: str, loss: float) -> None:
    """Eight in ten are of the class that all answers name, with a loss of 0.3133 and, of the others, 1.3133."""
    labels = np.arange(20) % 5 // 4
    material = SimpleNamespace(
        embeddings=Embeddings(np.zeros((20, 2), np.float32), labels),
        seed=0,
        pool=SimpleNamespace(split=lambda _: (np.arange(20), np.arange(0))),
        logits=lambda name, recipe, known, asked, *_: (np.tile(np.float32([1, 0]), (len(asked), 1)), "float32"),
    )
    recipe = Variant.model_validate(UNFROZEN | {"trainable": "head", "class_weights": kind})
    losses, right = Inside(material, "frozen", 2)._held_out(recipe, [], {})
    assert (losses.mean(), right.mean()) == pytest.approx((loss, 0.8), abs=1e-4)


@pytest.mark.parametrize("kind", ["frozen", "unfrozen"])
def test_a_sweep_that_is_killed_goes_on_and_gives_the_same_bytes(
    project: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    edit(lambda params: params["variants"].update(unfrozen=UNFROZEN | {"epochs": 2}))
    set_sweep(variant=kind, tries=3)
    assert call(f"sweep {MODEL} {DATA}") == 0
    files = [of(MODEL, DATA, kind) for of in (paths.sweep, paths.sweep_answers, paths.sweep_result)]
    whole = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    tried, count = Inside.tried, []

    def killed(inside, *of):
        count.append(of)
        if len(count) == 3:
            raise KeyboardInterrupt
        return tried(inside, *of)

    monkeypatch.setattr(Inside, "tried", killed)
    assert call(f"sweep {MODEL} {DATA}") == 130
    assert len(read_table(files[0])) == 2
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert len(count) == 3 + 2  # of four, two had run
    assert [file.read_bytes() for file in files] == whole
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert len(count) == 5


def test_other_settings_of_the_variant_run_all_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(f"sweep {MODEL} {DATA}") == 0
    tried, count = Inside.tried, []
    monkeypatch.setattr(Inside, "tried", lambda inside, *of: count.append(of) or tried(inside, *of))
    edit(lambda params: params["variants"]["frozen"].update(momentum=0.5))
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert len(count) == 5


def answering(accuracy: dict[float, float]):
    """Material.logits, by a coin: right with the chance that belongs to the recipe's rate, else of another class."""

    def logits(material, name, recipe, train, val, seed, *rest):
        labels, rng = material.embeddings.labels[val], np.random.default_rng(seed + int(1e6 * recipe.lr))
        right = rng.random(len(val)) < accuracy[recipe.lr]
        answers = np.where(right, labels, (labels + 1) % 3)
        return 2.0 * np.eye(3)[answers], "float32"

    return logits


def test_a_planted_best_setting_is_found_and_confirmed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(lambda params: params["variants"]["frozen"].update(lr=0.01))
    set_sweep(search="grid", tries=None, settings={"lr": [0.02, 0.03, 0.04]}, confirm=10)
    monkeypatch.setattr(Material, "logits", answering({0.01: 0, 0.02: 0, 0.03: 1, 0.04: 0}))
    assert call(f"sweep {MODEL} {DATA}") == 0
    result = read_json(paths.sweep_result(MODEL, DATA, "frozen"))
    assert result["settings"] == {"lr": 0.03}
    assert (result["inside_difference"], result["confirmed_difference"]) == (1, 1)
    assert f"{MODEL} on {DATA}: frozen with lr 0.03 is better than the settings of params.yaml" in result["sentence"]


def test_luck_inside_the_search_is_not_sold_as_more_than_that(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty settings that are equally good: the best of them looks better, and is not."""
    rates = [round(0.01 * number, 2) for number in range(1, 41)]
    edit(lambda params: params["variants"]["frozen"].update(lr=0.5))
    set_sweep(search="grid", tries=None, settings={"lr": rates}, confirm=50)
    monkeypatch.setattr(Material, "logits", answering(dict.fromkeys([*rates, 0.5], 0.6)))
    assert call(f"sweep {MODEL} {DATA}") == 0
    result = read_json(paths.sweep_result(MODEL, DATA, "frozen"))
    assert result["inside_difference"] > 0.2
    assert abs(result["confirmed_difference"]) < 0.15
    told = result["sentence"]
    assert "is not shown to differ from" in told
    assert told.index("on the val images") < told.index("inside the train images")  # what was confirmed comes first


def test_a_training_that_fails_is_the_last_of_all_and_ends_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = Material.logits

    def failing(material, name, recipe, *rest):
        if recipe.lr > 0.02:
            raise DivergedError("the loss is nan")
        return logits(material, name, recipe, *rest)

    set_sweep(search="grid", tries=None, settings={"lr": [0.01, 0.5]})
    monkeypatch.setattr(Material, "logits", failing)
    assert call(f"sweep {MODEL} {DATA}") == 0
    rows = {row["lr"]: row for row in read_table(TABLE)}
    assert (rows["0.5"]["loss"], rows["0.5"]["stopped"]) == ("inf", "1")
    assert rows["0.01"]["stopped"] == "0"


def test_what_is_hopeless_on_the_way_is_stopped() -> None:
    assert not hopeless(9.0, [1.0, 2.0])  # too few to tell
    assert not hopeless(9.0, [1.0, 2.0, None])
    assert hopeless(2.1, [1.0, 2.0, 3.0])
    assert not hopeless(2.0, [1.0, 2.0, 3.0])


def test_epochs_are_watched_at_a_quarter_and_at_half_of_the_way() -> None:
    recipe = Variant.model_validate(UNFROZEN | {"epochs": 8})
    before = [Try({}, "", 0.1, 1, quarter=of, half=of / 2) for of in (1.0, 2.0, 3.0)]
    way: dict = {}
    look = _watching(recipe, before, way)
    for epoch, loss in ((1, 9.0), (2, 1.9), (3, 9.0)):
        look([{"epoch": epoch, "loss": loss, "accuracy": 0.5}])
    assert way == {"quarter": 1.9}
    with pytest.raises(HopelessError) as stopped:
        look([{"epoch": 4, "loss": 1.1, "accuracy": 0.25}])
    assert stopped.value.args == (1.1, 0.25)
    assert way == {"quarter": 1.9, "half": 1.1}


def test_what_was_stopped_is_never_the_best() -> None:
    tries = [Try({}, "a", 0.5, 0.9), Try({"lr": 1}, "b", 0.1, 0.9, stopped=True), Try({"lr": 2}, "c", 0.4, 0.9)]
    assert best(tries).digest == "c"


def test_the_interval_is_over_images_and_over_groups_where_there_are_some() -> None:
    differences = np.random.default_rng(0).choice([-1, 0, 1], 5000, p=[0.1, 0.7, 0.2])
    expected = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert over_images(differences) == pytest.approx((differences.mean(), expected.low, expected.high), abs=1e-4)
    of_groups = over_images(np.tile(differences, 2), np.tile(np.arange(5000), 2))
    assert of_groups == pytest.approx(over_images(differences), abs=1e-4)
    assert over_images(np.tile(differences, 2))[1] > of_groups[1]


@pytest.mark.parametrize(
    ("images", "turned", "sure"), [(153, 4, False), (153, 8, True), (1000, 3, False), (20, 0, False)]
)
def test_a_few_images_that_turn_over_all_one_way_show_nothing(images: int, turned: int, sure: bool) -> None:
    """McNemar's exact test has p = 0.125, 0.008, 0.25 and 1 for these."""
    differences = np.zeros(images)
    differences[:turned] = 1
    mean, low, high = over_images(differences)
    assert mean == turned / images
    assert (low > 0) == sure
    assert low < high


def test_of_one_group_nothing_is_known() -> None:
    assert over_images(np.ones(9), np.zeros(9)) == (1.0, -1.0, 1.0)


def test_what_was_confirmed_is_the_mean_over_seeds() -> None:
    right, wrong = np.zeros(4, bool), np.ones(4, bool)
    half = np.array([True, True, False, False])
    of = confirmed([right, half], [wrong, half], None, np.arange(len(right)) % 2)
    assert (of.accuracy, of.before, of.difference) == (0.75, 0.25, 0.5)


def test_where_classes_are_unequal_their_mean_recall_is_confirmed_too() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    best, before = labels == 2, labels == 1  # nothing is wrong, and all of the small class
    of = confirmed([best, best], [best, before], None, labels)
    assert (of.accuracy, of.before, of.balanced, of.balanced_before) == (1, 0.875, 1, 0.75)
    told = sentence(of, "net on set", "frozen", "lr 1", 100, 0.07)
    assert re.search(r"\(95 % interval \S+ to \S+; \+25\.0 of balanced accuracy\); inside", told)
    assert "balanced" not in sentence(confirmed([best], [before], None, np.arange(8) % 2), "", "frozen", "lr 1", 9, 0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.01, 0.05, "is better than"), (-0.05, -0.01, "is worse than"), (-0.01, 0.05, "is not shown to differ from")],
)
def test_the_sentence_says_no_more_than_the_interval(low: float, high: float, said: str) -> None:
    told = sentence(Confirmed(0.9, 0.88, low, high), "net on set", "frozen", "lr 1", 100, 0.07)
    assert f"frozen with lr 1 {said} the settings of params.yaml, +2.0 points" in told
    assert told.endswith("where it has the least loss of 100 tries, it is +7.0 points")


def test_present_settings_may_be_the_best() -> None:
    told = sentence(Confirmed(0.9, 0.9, 0, 0), "net on set", "frozen", "", 100, 0)
    assert told.startswith("net on set: of 100 settings of frozen those that params.yaml has are the best")


def test_a_grid_with_the_present_value_has_it_once(project: Path) -> None:
    set_sweep(search="grid", tries=None, settings={"lr": [0.001, 0.003, 0.01]})
    assert yaml.safe_load(Path("params.yaml").read_text())["variants"]["frozen"]["lr"] == 0.003
    assert call(f"sweep {MODEL} {DATA}") == 0
    whole = TABLE.read_bytes()
    assert [row["lr"] for row in read_table(TABLE)] == ["", "0.001", "0.01"]
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert TABLE.read_bytes() == whole


@pytest.mark.parametrize("value", [1e-05, 1.0, 0.12345678, None, "cosine", True, [1, "a"]])
def test_settings_come_back_from_the_table_as_they_were(in_folder: Path, value: object) -> None:
    write_tries(Path("t.tsv"), [Try({"key": value}, "d", 0.1234567891, 1.0), Try({}, "e", 1, 1)], ["key"])
    first, second = read_tries(Path("t.tsv"), ["key"]).values()
    assert first == Try({"key": value}, "d", 0.123457, 1.0)
    assert type(first.settings["key"]) is type(value)
    assert second.settings == {}


def test_other_val_images_are_judged_anew(project: Path) -> None:
    assert call(f"sweep {MODEL} {DATA}") == 0
    path = paths.sweep_answers(MODEL, DATA, "frozen")
    path.write_text(path.read_text() + "0a1b2c3d\t1\t3 900\n")  # of a larger set that once was there
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert "900" not in path.read_text()


def test_answers_that_are_damaged_are_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(f"sweep {MODEL} {DATA}") == 0
    path = paths.sweep_answers(MODEL, DATA, "frozen")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].rpartition("\t")[0] + "\t1 900", *lines[2:]]) + "\n")
    capsys.readouterr()
    assert call(f"sweep {MODEL} {DATA}") == 1
    assert re.fullmatch(r"error: .*confirmed.tsv: .*; take it away, and .*\n", capsys.readouterr().err)


def test_no_epoch_is_chosen_by_the_images_that_judge() -> None:
    best_epoch = Variant.model_validate(UNFROZEN | {"select": "best"})
    sweep = Sweep.model_validate(SWEEP | {"variant": "mine"})
    assert {of.select for _, of in recipes_of(sweep, {"mine": best_epoch})} == {"last"}


def test_another_precision_runs_whole_networks_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(lambda params: params["variants"].update(unfrozen=UNFROZEN))
    inside = Inside(Material(MODEL, DATA), "unfrozen", 2)
    whole, head = (Variant.model_validate(UNFROZEN | {"trainable": of}) for of in ("all", "head"))
    before = [inside.digest(of) for of in (whole, head)]
    edit(lambda params: params.update(precision="float32"))
    after = [Inside(Material(MODEL, DATA), "unfrozen", 2).digest(of) for of in (whole, head)]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_what_a_whole_network_shows_on_the_way_can_end_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Variant.model_validate(UNFROZEN | {"epochs": 4})
    inside = Inside(Material(MODEL, DATA), "unfrozen", 2)
    earlier = [Try({}, "", 0.1, 1, quarter=1e-6, half=1e-6)] * 3
    stopped = inside.tried({"lr": 0.001}, recipe, earlier)
    assert stopped.stopped
    assert stopped.loss == stopped.quarter > 1e-6
    assert still_hopeless(stopped, earlier)
    assert not still_hopeless(stopped, earlier[:2])
    assert not inside.tried({"lr": 0.001}, recipe, earlier[:2]).stopped


def test_more_blocks_than_there_are_are_refused_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(lambda params: params["variants"].update(unfrozen=UNFROZEN))
    set_sweep(variant="unfrozen", search="grid", tries=None, settings={"trainable": ["last_2", "last_19"]})
    assert call(f"sweep {MODEL} {DATA}") == 1
    assert "trainable is last_19: mobilenet_v2 has 19 blocks" in capsys.readouterr().err
    assert not paths.sweep(MODEL, DATA, "unfrozen").exists()


def test_a_class_that_would_be_missing_without_a_fold_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inside, "fold", property(lambda of: of.material.embeddings.labels[of.train] % 2))
    assert call(f"sweep {MODEL} {DATA}") == 1
    assert "a class has none; add images of other groups" in capsys.readouterr().err


def test_a_confirmation_that_fails_counts_as_wrong_and_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logits, inner = Material.logits, len(Material(MODEL, DATA).pool.split(0)[0])

    def failing(material, name, recipe, train, *rest):
        if len(train) == inner and recipe.lr == 0.003:
            raise DivergedError("the loss is nan")
        return logits(material, name, recipe, train, *rest)

    monkeypatch.setattr(Material, "logits", failing)
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert "all answers count as wrong" in capsys.readouterr().err
    assert read_json(paths.sweep_result(MODEL, DATA, "frozen"))["confirmed_accuracy_before"] == 0


def test_where_nothing_came_to_its_end_that_is_one_line() -> None:
    with pytest.raises(ProjectError, match="no try came to its end"):
        best([Try({}, "", 1, 1, stopped=True)])


def test_groups_are_those_of_the_data_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("stages.sweep.confirmed", lambda *of: seen.append(of[2]) or Confirmed(1, 1, 0, 0))
    embeddings = Material(MODEL, DATA).embeddings
    grouped = replace(embeddings, groups=np.arange(len(embeddings.labels)) // 2)
    monkeypatch.setattr(Material, "embeddings", grouped)
    assert call(f"sweep {MODEL} {DATA}") == 0
    assert len(seen[0]) == len(Material(MODEL, DATA).pool.split(0)[1])


def test_the_answer_begins_with_what_was_confirmed_and_ends_with_how_to_take_it_over(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_sweep(search="grid", tries=None, settings={"lr": [0.02], "recompute_batchnorm": [False], "body_lr": [1]})
    monkeypatch.setattr(Material, "logits", answering({0.003: 0, 0.02: 1}))
    assert call(f"sweep {MODEL} {DATA}") == 0
    sweep = load_params().sweep
    told = report(Cell(MODEL, DATA), sweep).splitlines()
    assert told[1].startswith(f"{MODEL} on {DATA}: frozen with lr 0.02")
    assert [line.split()[0] for line in told if re.match(r" *\d+  ", line)] == ["1", "2"]  # the best, and the present
    [command] = [line.partition(": ")[2] for line in told if line.startswith("To take them over: ")]
    changes = [word for flag, word in pairwise(shlex.split(command)) if flag == "-S"]
    apply_overrides("params.yaml", changes)
    written = yaml.safe_load(Path("params.yaml").read_text())["variants"]["frozen"]
    assert (written["lr"], written["recompute_batchnorm"], written["body_lr"]) == (0.02, False, 1)
