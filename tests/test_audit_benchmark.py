"""scripts/audit_benchmark.py, on drawn features: its tables have numbers, and these are right."""

from pathlib import Path

import numpy as np
import pytest

from scripts import audit_benchmark
from scripts.measuring.audited_labels import answers_table, labels_table, unequal_table
from scripts.measuring.audited_pictures import foreign_table
from scripts.measuring.planted import auroc, flipped, recall_at
from stages.audit import Pictures
from tests.conftest import PROJECT
from tests.test_faults import clusters


@pytest.fixture
def sets(in_folder: Path) -> dict[str, Pictures]:
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    found = {}
    for number, name in enumerate(("one", "two")):
        embeddings, labels = clusters(300, 3, seed=number)
        embeddings = np.roll(embeddings, 20 * number, axis=1)
        splits = ["train"] * 200 + ["val"] * 100
        found[name] = Pictures(
            [f"{n}.png" for n in range(300)], splits, list("abc"), labels, embeddings, np.arange(300)
        )
    return found


def test_flipped_labels_are_found_and_what_that_does_is_between(sets: dict[str, Pictures]) -> None:
    header, rows = labels_table(sets, range(2))
    assert [row[:2] for row in rows[:2]] == [("one", "at random"), ("one", "to the class most alike")]
    assert all(len(row) == len(header) for row in rows)
    assert min(float(row[2]) for row in rows) > 0.8
    for _, usual, clean, true in answers_table(sets, range(2))[1]:
        assert float(usual) < float(clean)
        assert float(usual) < float(true)


def test_foreign_pictures_and_small_classes(sets: dict[str, Pictures]) -> None:
    _, rows = foreign_table(sets, range(2))
    assert [row[:2] for row in rows] == [("one", "two"), ("two", "one")]
    assert min(float(row[2]) for row in rows) > 0.95
    header, rows = unequal_table(sets, range(2))
    assert [row[1] for row in rows[:3]] == ["6", "15", "30"]
    assert all(len(row) == len(header) for row in rows)


def test_what_is_planted_follows_from_the_seed() -> None:
    labels = np.arange(100) % 4
    now, wrong = flipped(labels, 3)
    assert wrong.sum() == 5
    assert ((now != labels) == wrong).all()
    assert (flipped(labels, 3)[0] == now).all()
    to = np.array([1, 0, 3, 2])
    now, wrong = flipped(labels, 3, to)
    assert (now[wrong] == to[labels[wrong]]).all()


def test_recall_at_a_precision_and_auroc_by_hand() -> None:
    wrong = np.array([True, True, False, True, False])
    assert recall_at(0.75, np.array([5.0, 4, 3, 2, 1]), wrong) == 1.0  # 3 of 4
    assert recall_at(0.9, np.array([5.0, 4, 3, 2, 1]), wrong) == pytest.approx(2 / 3)
    assert recall_at(0.9, np.array([1.0, 1, 5, 1, 1]), wrong) == 0.0
    assert auroc(np.array([0.0, 1]), np.array([1.0, 2])) == 0.875


def test_its_time_is_measured_with_its_memory(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    (in_folder / "work").mkdir()
    seconds, before, most = audit_benchmark.timed(30).split()
    assert float(seconds) > 0
    assert int(most) >= int(before) > 10
