"""scripts/none_of_these.py: what it measures how well models tell what is none of their classes by."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from scripts import none_of_these
from scripts.measuring.foreign_pictures import KINDS, drawn
from scripts.measuring.novelty_scores import BASELINE, SHIPPED, auroc, scores
from scripts.measuring.temperature import calibrated
from scripts.none_of_these import BEGIN, END, OTHERS, PAGE, without
from stages.ground import paths
from stages.heads.linear import Embeddings, Head
from stages.models.features import Embedded, Features
from stages.recipes.variant import Probe
from stages.statistics.novelty import Novelty
from tests.conftest import to_yaml
from tests.finished import MODEL

WIDTH = 100
PROBE = Probe(trainable="head", solver="newton")


def points(count: int, seed: int, width: int = 30, first: int = 0) -> Embeddings:
    """Of three classes, around three of the axes from `first` on."""
    labels = np.arange(3).repeat(count)
    noise = 0.1 * np.random.default_rng(seed).normal(size=(len(labels), width))
    return Embeddings((np.eye(width)[first + labels] + noise).astype(np.float32), labels)


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auroc(np.array([1, 2, 3]), np.array([3, 4])) == pytest.approx(5.5 / 6)
    assert auroc(np.array([1, 1]), np.array([1])) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_drawn_the_same_each_time_and_differ(kind: str) -> None:
    pictures = drawn(kind, 3, 64)
    assert (pictures.shape, pictures.dtype) == ((3, 3, 64, 64), np.uint8)
    assert np.array_equal(pictures, drawn(kind, 3, 64))
    assert not np.array_equal(pictures[0], pictures[1])


def test_every_score_is_greater_for_what_is_far_from_all_classes() -> None:
    train = points(30, 0, WIDTH)
    novelty = Novelty.of(train.embeddings, train.labels, None, 0.05, np.random.default_rng(0))
    head = Head(4 * np.eye(3, WIDTH, dtype=np.float32), np.zeros(3, np.float32))
    known, far = (
        scores(train, head, novelty, of.embeddings) for of in (points(20, 1, WIDTH), points(20, 2, WIDTH, 10))
    )
    assert {SHIPPED, BASELINE} < set(known)
    assert {name: auroc(known[name], far[name]) for name in known if auroc(known[name], far[name]) < 0.9} == {}
    assert np.array_equal(known[SHIPPED].astype(np.float32), novelty.distances(points(20, 1, WIDTH).embeddings))


def test_a_class_is_left_out_and_the_others_are_numbered_anew() -> None:
    fewer = without(points(2, 0), 1)
    assert fewer.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(fewer.embeddings, points(2, 0).embeddings[[0, 1, 4, 5]])


def test_the_temperature_of_a_layer_that_is_too_unsure_is_below_one_and_helps() -> None:
    of = calibrated(PROBE, points(30, 0), points(30, 1), 0)
    assert of.temperature < 1
    assert of.losses[1] < of.losses[0]


@pytest.fixture
def project(finished_project: Path) -> Path:
    """Two data sets of made-up features, and the page."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"], params["downloads"] = {"one": {}, "two": {}}, {}
    params["study"]["variants"] = {"probe": params["study"]["variants"]["probe"]}
    Path("params.yaml").write_text(to_yaml(params))
    for first, dataset in ((0, "one"), (10, "two")):
        of = {split: points(24, seed, WIDTH, first) for seed, split in enumerate(("train", "val"))}
        splits = {name: Embedded([""] * 72, part.embeddings, part.labels) for name, part in of.items()}
        Features("backbone", list("abc"), splits).write(paths.features(MODEL, dataset))
    PAGE.parent.mkdir()
    PAGE.write_text(f"before\n{BEGIN}there before\n{END}after\n")
    none_of_these.features.cache_clear()
    return finished_project


def test_pictures_of_something_else_are_those_of_other_sets_and_drawn_ones(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(none_of_these, "DRAWN", 2)
    found = none_of_these.foreign(MODEL, ["one", "two"], "one")
    assert {kind: len(embeddings) for kind, embeddings in found.items()} == {OTHERS: 72} | dict.fromkeys(KINDS, 2)
    assert np.array_equal(found[OTHERS], points(24, 1, WIDTH, 10).embeddings)
    assert all(found[kind].shape[1] == 1280 for kind in KINDS), "of the pretrained network"


def test_the_tables_stand_between_the_marks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["none_of_these"])
    for name, smaller in (("SEEDS", 1), ("PARTS", (1, 2)), ("INNER", 2)):
        monkeypatch.setattr(none_of_these, name, smaller)
    monkeypatch.setattr(none_of_these, "foreign", lambda *of: {OTHERS: none_of_these.other_sets(*of, "val")})
    none_of_these.main()
    page = PAGE.read_text()
    assert page.startswith(f"before\n{BEGIN}")
    assert page.endswith(f"{END}after\n")
    lines = page.splitlines()
    for begin, count in (("| one", 2 + 2 + 2), ("| two", 2 + 2 + 2), ("| mean", 1), (f"| {SHIPPED}", 1)):
        assert len([line for line in lines if line.startswith(begin)]) == count, begin
    others = next(line.split("|") for line in lines if line.startswith("| one") and "the other sets" in line)
    assert float(others[3]) == 1, "AUROC"
    assert "there before" not in page


def test_a_page_without_a_place_for_the_tables_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    PAGE.write_text("nothing")
    monkeypatch.setattr(sys, "argv", ["none_of_these"])
    with pytest.raises(SystemExit, match="1"):
        none_of_these.main()
    assert capsys.readouterr().err.startswith("error: docs/none_of_these.md has no place for the tables: add the lines")


def test_one_data_set_alone_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    del params["datasets"]["two"]
    Path("params.yaml").write_text(to_yaml(params))
    monkeypatch.setattr(sys, "argv", ["none_of_these"])
    with pytest.raises(SystemExit, match="1"):
        none_of_these.main()
    assert "params.yaml: datasets has one entry; expected two" in capsys.readouterr().err
