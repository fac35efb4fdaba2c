"""stages/ground/room.py: what is beyond memory, or gone through in parts, comes to the same numbers."""

from pathlib import Path

import numpy as np
import pytest

from stages.faults.looks import GREY, Look, Looks
from stages.ground import paths, room
from stages.heads.linear import Embeddings
from stages.heads.probe import Reduced, fit_probe
from stages.statistics import novelty
from stages.statistics.novelty import Novelty


@pytest.fixture
def small(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has more than 1,000 bytes lies in files, and parts have 7 rows."""
    for function in (room.room, room.filled):
        monkeypatch.setattr(function, "__defaults__", (1000,))
    monkeypatch.setattr(room, "ROWS", 7)


def drawn(count: int = 60, width: int = 8) -> Embeddings:
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(count, width)).astype(np.float32), np.arange(count) % 3
    embeddings[np.arange(count), labels] += 2
    return Embeddings(embeddings, labels, np.arange(count) // 2)


def in_files() -> int:
    return sum(str(paths.SCRATCH.resolve()) in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_parts_of_embeddings_are_those_of_numpy(small: None) -> None:
    of, order = drawn(), np.random.default_rng(1).permutation(60)
    for chosen in (order[:40], order < 40):
        some = of.part(chosen)
        assert in_files() == 1
        assert np.array_equal(some.embeddings, of.embeddings[chosen])
        assert np.array_equal(some.labels, of.labels[chosen])
        assert np.array_equal(some.groups, of.groups[chosen])
        del some
    assert in_files() == 0
    halves = [of.embeddings[:25], of.embeddings[25:]]
    assert np.array_equal(room.gathered(halves, order), of.embeddings[order])
    assert not list(paths.SCRATCH.iterdir())


def test_batches_fill_room_one_after_the_other(small: None) -> None:
    whole = drawn().embeddings
    found = room.filled(whole.shape, np.float32, (whole[begin : begin + 25] for begin in (0, 25, 50)))
    assert in_files() == 1
    assert np.array_equal(found, whole)
    assert not list(paths.SCRATCH.iterdir())  # nameless


@pytest.mark.parametrize("rows", [9, 11])
def test_room_that_is_not_filled_is_an_error(rows: int) -> None:
    with pytest.raises(ValueError, match=f"^expected 10 rows, received {rows}$"):
        room.filled((10, 2), np.float32, [np.zeros((10, 2)), np.zeros((1, 2))] if rows == 11 else [np.zeros((9, 2))])


def test_looks_at_pictures_are_joined_in_room(small: None) -> None:
    rng = np.random.default_rng(0)
    looks = [
        Look((number + 9, 9), number, "JPEG" + number * "x", 5.0, (0.1,) * 6, (0.2,) * 12, 0.3, 0.4,
             rng.integers(0, 256, (GREY, GREY), np.uint8))
        for number in range(5)
    ]  # fmt: skip
    joined, whole = Looks.joined([Looks.of(looks[:2]), Looks.of(looks[2:])], 5), Looks.of(looks)
    assert in_files() == 1
    for name, column in vars(whole).items():
        assert np.array_equal(getattr(joined, name), column), name


def test_of_all_embeddings_there_is_no_copy(small: None) -> None:
    of = drawn()
    assert of.part(np.arange(60)) is of
    assert of.part(np.full(60, True)) is of
    assert of.part(np.arange(60)[::-1]) is not of


def test_a_probe_beyond_memory_is_the_same(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    beyond, penalty = fit_probe(drawn(), 0)
    reduced = Reduced.of(drawn().embeddings)
    assert in_files() == 1
    monkeypatch.undo()
    head, same = fit_probe(drawn(), 0)
    assert penalty == same
    assert (beyond.weight.tobytes(), beyond.bias.tobytes()) == (head.weight.tobytes(), head.bias.tobytes())
    assert reduced.points.tobytes() == Reduced.of(drawn().embeddings).points.tobytes()


def test_numbers_that_are_not_finite_are_found_in_every_part(small: None) -> None:
    embeddings = drawn().embeddings
    assert room.all_finite(embeddings)
    embeddings[59, 7] = np.nan
    assert not room.all_finite(embeddings)


def test_what_is_none_of_the_classes_is_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    of = drawn()
    known = Novelty.of(of.embeddings, of.labels, of.groups, 0.05, np.random.default_rng(0))
    assert known is not None
    whole = known.distances(of.embeddings)
    monkeypatch.setattr(novelty, "CHUNK", 7)
    assert known.distances(of.embeddings) == pytest.approx(whole, rel=1e-5)
    assert known.distances(of.embeddings[:0]).shape == (0,)
