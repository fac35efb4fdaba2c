"""stages/audit.py: the stage, on pictures with planted faults; and what draws and compares on it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scripts.measuring.planted import blurred
from stages import audit
from stages.faults import copies
from stages.ground import paths
from stages.ground.files import read_table, write_json
from stages.models.features import Embedded, Features
from stages.pictures.picture import open_picture
from tests.conftest import PROJECT, to_yaml
from tests.drawing import KINDS, draw_split

CELL = ("mobilenet_v2", "mine")


@pytest.fixture
def planted(in_folder: Path) -> Path:
    """40 train and 20 val pictures of two kinds, features that tell them apart, and faults."""
    (in_folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    images = paths.images("mine")
    draw_split(images / "train", 20)
    draw_split(images / "val", 10, first=20)
    open_picture(images / "train/discs/discs.3.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        images / "val/discs/discs.25.png"
    )
    (images / "val/squares/squares.22.png").rename(images / "val/discs/wrong.png")
    Image.new("RGB", (50, 50), "black").save(images / "train/squares/squares.4.png")
    Image.new("RGB", (200, 50), (120, 90, 30)).resize((200, 50)).save(images / "train/squares/squares.long.png")
    write_features(images)
    return images


def write_features(images: Path) -> None:
    rng, splits = np.random.default_rng(0), {}
    for split in ("train", "val"):
        files = sorted(path.relative_to(images).as_posix() for path in (images / split).rglob("*.png"))
        labels = np.array([KINDS.index(file.split("/")[1]) for file in files])
        shown = np.array([file.endswith("wrong.png") or "squares" in file.split("/")[2] for file in files], int)
        embeddings = np.abs(rng.normal(0, 0.5, (len(files), 16)) + 3 * np.eye(2, 16)[shown])
        splits[split] = Embedded(files, embeddings.astype(np.float32), labels)
    copy, original = (
        splits["val"].files.index("val/discs/discs.25.png"),
        splits["train"].files.index("train/discs/discs.3.png"),
    )
    splits["val"].embeddings[copy] = splits["train"].embeddings[original] + 0.01
    Features("backbone", list(KINDS), splits).write(paths.features(*CELL))


def found(kind: str) -> list[dict[str, str]]:
    return [row for row in read_table(paths.audit(*CELL) / "audit.tsv") if row["kind"] == kind]


def test_each_planted_fault_is_in_the_table(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit.main(*CELL)
    [copy] = found("copy")
    assert (copy["file"], copy["partner"]) == ("val/discs/discs.25.png", "train/discs/discs.3.png")
    assert (copy["split"], copy["partner_split"], copy["partner_label"]) == ("val", "train", "discs")
    [label] = found("label")
    assert (label["file"], label["label"], label["suggested"]) == ("val/discs/wrong.png", "discs", "squares")
    assert "train/squares/squares.4.png" in [row["file"] for row in found("empty")]
    assert [row["file"] for row in found("long")] == ["train/squares/squares.long.png"]
    assert float(found("long")[0]["score"]) == 0.25
    numbers = json.loads(paths.audit_metrics(*CELL).read_text())
    assert (numbers["copy"], numbers["label"], numbers["long"], numbers["test_copy"]) == (1, 1, 1, 0)
    assert numbers["chance"] == 0.5
    told = capsys.readouterr().out
    assert "doubtful labels: 1, first val/discs/wrong.png (is it squares?)" in told
    assert "copies across splits: 1, first val/discs/discs.25.png (is it train/discs/discs.3.png?)" in told


def test_what_is_shown_has_a_picture_and_its_partner(planted: Path) -> None:
    audit.main(*CELL)
    folder = paths.audit(*CELL)
    number = found("copy")[0]["number"]
    for name in (f"{number}.png", f"{number}-partner.png", f"{found('label')[0]['number']}.png"):
        assert max(open_picture(folder / name).size) <= audit.THUMBNAIL
    assert not (folder / f"{found('label')[0]['number']}-partner.png").exists()


def test_test_images_are_counted_apart(planted: Path) -> None:
    features = Features.read(paths.features(*CELL))
    (planted / "val").rename(planted / "test")
    draw_split(planted / "val", 3, first=50)
    files = [file.replace("val/", "test/") for file in features.splits["val"].files]
    own = sorted(path.relative_to(planted).as_posix() for path in (planted / "val").rglob("*.png"))
    labels = np.array([KINDS.index(file.split("/")[1]) for file in own])
    embeddings = np.abs(np.random.default_rng(5).normal(0, 0.5, (6, 16)) + 3 * np.eye(2, 16)[labels]).astype(np.float32)
    splits = {
        "train": features.splits["train"],
        "val": Embedded(own, embeddings, labels),
        "test": Embedded(files, features.splits["val"].embeddings, features.splits["val"].labels),
    }
    Features("backbone", list(KINDS), splits).write(paths.features(*CELL))
    audit.main(*CELL)
    numbers = json.loads(paths.audit_metrics(*CELL).read_text())
    assert (numbers["copy"], numbers["test_copy"], numbers["label"], numbers["test_label"]) == (0, 1, 0, 1)


def test_corrections_are_named(planted: Path) -> None:
    write_json(paths.corrected("mine"), {"corrected_label": 2, "corrected_leave_out": 0, "corrected_together": 0})
    audit.main(*CELL)
    assert json.loads(paths.audit_metrics(*CELL).read_text())["corrected_label"] == 2


def test_where_the_network_sees_all_of_it_nothing_is_too_long(planted: Path) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["models"]["mobilenet_v2"]["fit"] = "pad"
    Path("params.yaml").write_text(to_yaml(params))
    audit.main(*CELL)
    assert found("long") == []
    assert found("copy")


def test_groups_of_the_set_count_for_labels_and_shortcuts(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []
    for name in ("suspect_labels", "find_shortcuts"):
        real = getattr(audit, name)

        def noted(first, labels, groups, real=real):  # type: ignore[no-untyped-def]
            given.append(groups)
            return real(first, labels, groups)

        monkeypatch.setattr(audit, name, noted)
    features = Features.read(paths.features(*CELL))
    splits = {
        split: replace(of, groups=np.arange(len(of.files)) // 2 + 100 * (split == "val"))
        for split, of in features.splits.items()
    }
    Features("backbone", list(KINDS), splits).write(paths.features(*CELL))
    audit.main(*CELL)
    files = [file for of in splits.values() for file in of.files]
    copy, original = files.index("val/discs/discs.25.png"), files.index("train/discs/discs.3.png")
    for groups in given:
        assert groups[copy] == groups[original]  # a copy speaks for its copy
        assert groups[0] == groups[1] != groups[2]
    assert len(given) == 2


def test_so_many_are_shown_and_all_are_in_the_table(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SHOWN", 1)
    for number in range(3):
        Image.new("RGB", (50, 50), (number, 0, 0)).save(planted / f"train/squares/squares.{number}.png")
    audit.main(*CELL)
    numbers = [row["number"] for row in found("empty")]
    assert len(numbers) >= 4
    assert [(paths.audit(*CELL) / f"{number}.png").exists() for number in numbers] == [True] + [False] * (
        len(numbers) - 1
    )


def test_findings_come_by_kind_and_what_shows_nothing_is_not_blurred(planted: Path) -> None:
    blurred(open_picture(planted / "train/discs/discs.7.png").resize((256, 256)), np.random.default_rng(0)).save(
        planted / "train/discs/discs.7.png"
    )
    audit.main(*CELL)
    kinds = [row["kind"] for row in read_table(paths.audit(*CELL) / "audit.tsv")]
    assert kinds == sorted(kinds, key=list(audit.KINDS).index)
    assert [row["file"] for row in found("blurred")] == ["train/discs/discs.7.png"]


def test_where_all_pictures_are_alike_copies_cannot_be_told(
    planted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "border_of", lambda *_: copies.MOST)
    audit.main(*CELL)
    told = "copies: only those of a likeness above 0.97: different pictures of this set are too much alike"
    assert told in capsys.readouterr().out


def test_a_shortcut_is_one_line(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "val"):
        for path in (planted / split / "squares").glob("*.png"):
            open_picture(path).resize((160, 160)).save(path)
    audit.main(*CELL)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: file ")]
    assert len(told) == 1
    assert "by chance 0.50" in told[0]
