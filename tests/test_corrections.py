"""data/corrections/: read, applied by arrange, and written by scripts/correct.py for the reader to confirm."""

import json
from pathlib import Path

import pytest
import yaml

from scripts.correct import correct, link
from stages import arrange
from stages.audit import Finding
from stages.datasets.corrections import COLUMNS, Corrections, read_corrections, with_kept_together
from stages.ground import paths
from stages.ground.errors import ProjectError
from stages.ground.files import read_json, read_table, remove, sha256, write_table
from tests.conftest import PROJECT, to_yaml
from tests.drawing import draw_split
from tests.results import write_findings


def row(apply: str, change: str, to: str, path: Path) -> dict[str, str]:
    return {"apply": apply, "change": change, "to": to, "sha256": sha256(path), "file": path.name, "why": ""}


def write(*rows: dict[str, str]) -> None:
    write_table(paths.corrections("mine"), rows, COLUMNS)


@pytest.fixture
def raw(in_folder: Path) -> Path:
    """Class folders, a fifth of which is to validate."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"downloads": {}, "datasets": {"mine": {}}}
    (in_folder / "params.yaml").write_text(to_yaml(params))
    draw_split(paths.raw("mine"), 10)
    return paths.raw("mine")


def without_classes(raw: Path) -> None:
    for name in ("discs", "squares"):
        remove(raw / name)


def arranged() -> dict[str, set[str]]:
    """{class: names of its files}, of all splits"""
    images = paths.images("mine")
    return {
        name: {path.name for split in ("train", "val") for path in (images / split / name).iterdir()}
        for name in ("discs", "squares")
    }


def test_labels_and_what_is_left_out(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        row("yes", "label", "squares", raw / "discs/discs.1.png"),
        row("yes", "leave_out", "", raw / "discs/discs.2.png"),
        row("no", "leave_out", "", raw / "discs/discs.3.png"),
    )
    arrange.main("mine")
    found = arranged()
    assert "discs.1.png" in found["squares"]
    assert "discs.1.png" not in found["discs"]
    assert "discs.2.png" not in found["discs"]
    assert "discs.3.png" in found["discs"]
    counts = read_json(paths.corrected("mine"))
    assert counts == {"corrected_label": 1, "corrected_leave_out": 1, "corrected_together": 0}
    told = capsys.readouterr().out
    assert "data/corrections/mine.tsv: corrected images: 2\n" in told
    assert "data/corrections/mine.tsv: corrections that wait for a yes in their first column: 1\n" in told
    assert (raw / "discs/discs.1.png").is_file()  # raw images stay as they are


def test_without_any_nothing_is_said(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrange.main("mine")
    assert not paths.corrected("mine").exists()
    assert "correction" not in capsys.readouterr().out


def test_an_image_gets_a_name_of_its_own_where_one_of_its_name_is(raw: Path) -> None:
    (raw / "discs/discs.1.png").rename(raw / "discs/squares.1.png")
    digest = sha256(raw / "discs/squares.1.png")
    write(row("yes", "label", "squares", raw / "discs/squares.1.png"))
    arrange.main("mine")
    assert {"squares.1.png", f"squares.1-{digest[:8]}.png"} <= arranged()["squares"]


@pytest.mark.parametrize("splits", [False, True])
def test_they_hold_for_folders_of_splits_and_manifests(raw: Path, splits: bool) -> None:
    images = raw / "train" if splits else raw
    if splits:
        draw_split(raw / "val", 3, first=20)
        draw_split(raw / "train", 5)
        without_classes(raw)
    else:
        lines = [
            f"{sha256(path)}  {'val' if number > 7 else 'train'}/{path.parent.name}/{path.name}\n"
            for name in ("discs", "squares")
            for number, path in enumerate(sorted((raw / name).iterdir()))
        ]
        manifest = paths.MANIFESTS / "mine.sha256"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("".join(lines))
        params = yaml.safe_load(Path("params.yaml").read_text())
        params["datasets"]["mine"] = {"manifest": "mine.sha256"}
        Path("params.yaml").write_text(to_yaml(params))
    write(row("yes", "label", "squares", images / "discs/discs.1.png"))
    arrange.main("mine")
    assert (paths.images("mine") / "train/squares/discs.1.png").is_file()


def test_what_is_kept_together_lands_on_one_side(raw: Path) -> None:
    arrange.main("mine")
    val = sorted(path.name for path in (paths.images("mine") / "val/discs").iterdir())
    train = sorted(path.name for path in (paths.images("mine") / "train/discs").iterdir())
    write(*(row("yes", "together", "one", raw / "discs" / name) for name in (val[0], train[0])))
    arrange.main("mine")
    splits = {split for split in ("train", "val") for name in (val[0], train[0])
              if (paths.images("mine") / split / "discs" / name).is_file()}  # fmt: skip
    assert len(splits) == 1
    groups = json.loads(paths.groups("mine").read_text())
    assert sum(group == "together one" for group in groups.values()) == 2


def test_groups_of_what_is_kept_together_are_one(tmp_path: Path) -> None:
    places = {}
    for name in "abcd":
        (tmp_path / name).write_text(name)
        places[name] = tmp_path / name
    corrections = Corrections(together={sha256(tmp_path / "a"): "x", sha256(tmp_path / "c"): "x"})
    groups = with_kept_together({"a": "1", "b": "1", "c": "2", "d": "3"}, places, corrections)
    assert groups == {"a": "together x", "b": "together x", "c": "together x", "d": "3"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"apply": "y"}, "line 2: apply: expected yes or no, received 'y'"),
        ({"change": "drop"}, "line 2: change: expected label, leave_out, together, received 'drop'"),
        ({"sha256": "12"}, "line 2: sha256: expected 64 digits, received '12'"),
        ({"to": ""}, "line 2: to: expected a class for label, a name for together, and nothing for leave_out"),
        ({"to": "circles"}, "expected labels of these classes: discs, squares; received circles"),
    ],
)
def test_a_wrong_row_is_one_line(raw: Path, change: dict[str, str], told: str) -> None:
    write(row("yes", "label", "squares", raw / "discs/discs.1.png") | change)
    with pytest.raises(ProjectError) as error:
        arrange.main("mine")
    assert told in str(error.value)
    assert not paths.images("mine").exists()


def test_what_changes_nothing_is_said_and_not_counted(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = row("yes", "label", "squares", raw / "discs/discs.1.png") | {"sha256": "0" * 64}
    write(gone, row("yes", "label", "discs", raw / "discs/discs.2.png"))
    arrange.main("mine")
    assert not paths.corrected("mine").exists()
    told = capsys.readouterr().out
    assert "corrections that change nothing, as of images that are not there: 2" in told
    assert "corrected images" not in told


def test_images_of_one_name_that_come_to_one_class_are_both_there(raw: Path) -> None:
    for name in ("circles", "rings"):
        (raw / name).mkdir()
        for number in range(3):
            (raw / "discs" / f"discs.{len(list((raw / name).iterdir())) + (3 if name == 'rings' else 0)}.png").rename(
                raw / name / f"{number}.png"
            )
    write(*(row("yes", "label", "squares", raw / name / "1.png") for name in ("circles", "rings")))
    arrange.main("mine")
    images = [path for path in paths.images("mine").rglob("*.png") if path.parent.name == "squares"]
    assert len(images) == 12


@pytest.mark.parametrize("change", ["leave_out", "label"])
def test_a_class_that_would_be_empty_is_one_line(raw: Path, change: str) -> None:
    to = "squares" if change == "label" else ""
    write(*(row("yes", change, to, path) for path in sorted((raw / "discs").iterdir())))
    with pytest.raises(ProjectError, match=r"data/corrections/mine.tsv: they leave no images of discs; take some back"):
        arrange.main("mine")


def test_a_column_more_is_one_line(raw: Path) -> None:
    write_table(paths.corrections("mine"), [row("no", "leave_out", "", raw / "discs/discs.1.png") | {"note": "x"}])
    with pytest.raises(ProjectError, match=r"line 2: expected the columns apply, .*, and no others"):
        read_corrections("mine")


def test_of_copies_to_the_byte_none_is_left_out_of_both_splits(raw: Path) -> None:
    draw_split(raw / "train", 3)
    draw_split(raw / "val", 3, first=30)
    without_classes(raw)
    (raw / "val/discs/discs.30.png").write_bytes((raw / "train/discs/discs.1.png").read_bytes())
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"]["mine"] = {"allow_duplicates": True}
    Path("params.yaml").write_text(to_yaml(params))
    arrange.main("mine")
    copy = Finding("copy", 1.0, "val/discs/discs.30.png", "val", "discs", "train/discs/discs.1.png", "train", "discs")
    write_findings("mobilenet_v2", "mine", [copy])
    correct("mine", None)
    assert not paths.corrections("mine").exists()


def test_a_test_image_s_copy_that_trains_is_left_out_also_where_val_is_drawn(raw: Path) -> None:
    draw_split(raw / "train", 6)
    draw_split(raw / "test", 3, first=30)
    without_classes(raw)
    arrange.main("mine")
    name = next((paths.images("mine") / "train/discs").iterdir()).name
    copy = Finding("copy", 0.9, "test/discs/discs.30.png", "test", "discs", f"train/discs/{name}", "train", "discs")
    write_findings("mobilenet_v2", "mine", [copy])
    correct("mine", None)
    [only] = read_table(paths.corrections("mine"), COLUMNS)
    assert (only["change"], only["file"]) == ("leave_out", f"train/discs/{name}")


def test_names_of_what_is_kept_together_follow_from_the_images() -> None:
    """Not from their files' names, which others have as well; and from the rows that are there."""
    names: dict[str, str] = {"e" * 64: "mine"}
    link(names, "a" * 64, "b" * 64)
    link(names, "c" * 64, "d" * 64)
    assert names["a" * 64] == names["b" * 64] == "a" * 12
    link(names, "b" * 64, "c" * 64)
    assert {names[letter * 64] for letter in "abcd"} == {"a" * 12}
    link(names, "d" * 64, "e" * 64)
    assert {names[letter * 64] for letter in "de"} <= {"a" * 12, "mine"}
    link(names, "f" * 64, "e" * 64)
    assert names["f" * 64] == names["e" * 64]


def test_together_holds_where_train_is_given_and_val_is_drawn(raw: Path) -> None:
    draw_split(raw / "train", 10)
    draw_split(raw / "test", 2, first=30)
    without_classes(raw)
    arrange.main("mine")
    val = next((paths.images("mine") / "val/discs").iterdir()).name
    train = next((paths.images("mine") / "train/discs").iterdir()).name
    write(*(row("yes", "together", "one", raw / "train/discs" / name) for name in (val, train)))
    arrange.main("mine")
    splits = {path.parts[2] for path in paths.images("mine").rglob("*.png") if path.name in (val, train)
              and path.parent.name == "discs"}  # fmt: skip
    assert len(splits) == 1


def test_two_labels_of_one_image_are_refused(raw: Path) -> None:
    write(*(row("yes", "label", to, raw / "discs/discs.1.png") for to in ("squares", "discs")))
    with pytest.raises(ProjectError, match="has two corrections of the kind label"):
        read_corrections("mine")


def test_no_such_table_is_one_line(raw: Path) -> None:
    paths.corrections("mine").parent.mkdir(parents=True)
    paths.corrections("mine").write_text("a\tb\n1\t2\n")
    with pytest.raises(ProjectError, match=r"no column apply.*expected the columns apply, change"):
        read_corrections("mine")


def test_the_audit_s_findings_become_rows_to_confirm(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrange.main("mine")
    place = {
        path.name: path.relative_to(paths.images("mine")).as_posix() for path in paths.images("mine").rglob("*.png")
    }
    findings = [
        Finding("copy", 0.97, place["discs.0.png"], "val", "discs", place["discs.5.png"], "train", "discs"),
        Finding("copy_within", 0.96, place["discs.5.png"], "train", "discs", place["discs.6.png"], "train", "discs"),
        Finding("label", 3.2, place["discs.1.png"], "train", "discs", suggested="squares"),
        Finding("outlier", 4.2, place["discs.2.png"], "train", "discs"),
        Finding("long", 0.3, place["discs.3.png"], "train", "discs"),
    ]
    write_findings("mobilenet_v2", "mine", findings)
    correct("mine", None)
    rows = read_table(paths.corrections("mine"), COLUMNS)
    assert {of["apply"] for of in rows} == {"no"}
    assert [(of["change"], of["to"], Path(of["file"]).name) for of in rows] == [
        ("together", rows[0]["to"], "discs.0.png"),  # the split is drawn: all three copies of one name
        ("together", rows[0]["to"], "discs.5.png"),
        ("together", rows[0]["to"], "discs.6.png"),
        ("label", "squares", "discs.1.png"),
        ("leave_out", "", "discs.2.png"),
    ]
    rows[3] |= {"apply": "yes"}
    write(*rows)
    correct("mine", None)
    assert read_table(paths.corrections("mine"), COLUMNS) == rows
    assert "0 rows were added to 5" in capsys.readouterr().out


def test_where_the_split_is_given_the_train_image_is_left_out(raw: Path) -> None:
    draw_split(raw / "train", 3)
    draw_split(raw / "val", 3, first=30)
    without_classes(raw)
    arrange.main("mine")
    copy = Finding("copy", 0.97, "val/discs/discs.30.png", "val", "discs", "train/discs/discs.1.png", "train", "discs")
    write_findings("mobilenet_v2", "mine", [copy])
    correct("mine", None)
    [only] = read_table(paths.corrections("mine"), COLUMNS)
    assert (only["change"], only["file"]) == ("leave_out", "train/discs/discs.1.png")


def test_an_audit_of_other_images_is_one_line(raw: Path) -> None:
    arrange.main("mine")
    write_findings("mobilenet_v2", "mine", [Finding("empty", 0.01, "train/discs/gone.png", "train", "discs")])
    with pytest.raises(ProjectError, match=r"train/discs/gone.png: the audit is of other images than are there now"):
        correct("mine", None)


def test_without_an_audit_it_says_what_to_run(raw: Path) -> None:
    with pytest.raises(ProjectError, match="there is no audit of mine: run dvc repro audit@mobilenet_v2-mine"):
        correct("mine", None)
    with pytest.raises(ProjectError, match=r"params.yaml: datasets has no entry 'other'; it has: mine"):
        correct("other", None)
