"""scripts/adding/tar_files.py: tar files of pictures are put in, copied from a folder or left where they are."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
import yaml

from scripts import add, repro
from scripts.adding import survey, tar_files
from scripts.adding.images import add_images
from scripts.adding.tar_files import add_place, by_split, in_a_range
from scripts.reporting.graph import Cell, Changes
from stages import arrange
from stages.ground import paths, places
from stages.ground.errors import ProjectError
from stages.preprocessing.splits import list_splits
from stages.settings import load_params
from tests.conftest import PROJECT, sha256_of
from tests.test_add import break_at, contents
from tests.test_shards import drawn as drawn
from tests.test_shards import serving

TARS = Path("tars")


@pytest.fixture
def tars(drawn: Path) -> Path:
    """tars/{train,val}/*.tar, in a folder with this project's params.yaml and dvc.yaml."""
    paths.raw("tars").rename(TARS)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(PROJECT / name, name)
    return TARS


@pytest.fixture
def address(tars: Path) -> Iterator[str]:
    with serving(str(tars)) as address:
        yield address


def entry() -> dict:
    return yaml.safe_load(Path("params.yaml").read_text())["datasets"]["mine"]


def side_by_side() -> None:
    """As webdataset's files mostly lie: all in one folder, with the split in their names."""
    for path in sorted(TARS.rglob("*.tar")):
        path.rename(TARS / f"mine-{path.name}".replace("val", "validation"))
    for split in ("train", "val"):
        (TARS / split).rmdir()


@pytest.mark.parametrize("flat", [False, True])
def test_a_folder_of_tar_files_is_copied_looked_through_and_arranged(
    tars: Path, drawn: Path, flat: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if flat:
        side_by_side()
    add_images("mine", TARS)
    out = capsys.readouterr().out
    assert out.startswith("26 images of 2 classes; data/mine will be:\ndata/mine/train: 16 images (discs 8, square")
    assert "how far to trust a result: with 10 val images" in out
    assert "They are copied to data/raw/mine; params.yaml has mine under datasets." in out
    assert "arrange@mine" not in out
    assert entry() == {}
    copied = [path for path in paths.raw("mine").rglob("*") if path.is_file()]
    assert sorted(map(sha256_of, copied)) == sorted(map(sha256_of, TARS.rglob("*.tar")))
    arrange.main("mine")
    for split, listed in list_splits(paths.images("mine")).items():
        assert len(listed.files) == len(list_splits(drawn)[split].files)


def test_make_repro_tells_the_time_of_the_pictures_in_them(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_images("mine", TARS)
    arrange.main("mine")
    monkeypatch.setattr(repro, "SECONDS_PER_IMAGE", dict.fromkeys(("bfloat16", "float32"), (60, 60)))
    left = Changes({"train@mobilenet_v2-mine-unfrozen": []})
    params = load_params()
    minutes = 16 * params.variants["unfrozen"].epochs
    assert f"all layers take about {minutes} to " in repro.estimate(Cell("mobilenet_v2", "mine"), params, left)


@pytest.mark.parametrize("kind", ["file", "http"])
def test_what_lies_elsewhere_stays_there(
    address: str, drawn: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    top = address if kind == "http" else f"file://{TARS.absolute()}"
    add_place("mine", f"{top}/", {}, {"group_pattern": r"\d+"})
    out = capsys.readouterr().out
    assert "They stay where they are; data/raw/mine has a list of them; params.yaml has mine" in out
    assert "  dvc repro arrange@mine   # reads all of them once" in out
    kept = entry()
    assert kept["group_pattern"] == r"\d+"
    [train] = kept["shards"]["train"]
    assert re.fullmatch(rf"{re.escape(top)}/train/train-\{{000000\.\.00000\d\}}\.tar", train)
    listed = (paths.raw("mine") / "tar_files.txt").read_text().splitlines()
    assert listed[0] == f"{top}/train/train-000000.tar"
    arrange.main("mine")
    assert len(list_splits(paths.images("mine"))["train"].files) == len(list_splits(drawn)["train"].files)


@pytest.mark.parametrize("remote", [False, True])
def test_the_user_says_which_are_of_which_split(tars: Path, remote: bool) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        for path in (TARS / split).glob("*.tar"):
            path.rename(TARS / split / path.name.replace(split, name))
        (TARS / split).rename(TARS / name)
    for path in (TARS / "b").glob("*.tar"):
        path.rename(TARS / path.name)
    top = f"file://{TARS.absolute()}" if remote else "tars"
    splits = {"a": "train", "b-*.tar": "val"}

    def put_in(splits: dict[str, str]) -> None:
        if remote:
            add_place("mine", top, splits, {})
        else:
            add_images("mine", TARS, splits=splits)

    with pytest.raises(ProjectError, match=r"neither folders nor names say which of its .*: --split"):
        put_in({})
    with pytest.raises(ProjectError, match=f"{top}: no tar files of val"):
        put_in({"a": "train"})
    put_in(splits)
    if remote:
        assert entry() == {"shards": {"train": [f"{top}/a/*.tar"], "val": [f"{top}/b-*.tar"]}}
    arrange.main("mine")
    assert {split: len(of.files) for split, of in list_splits(paths.images("mine")).items()} == {"train": 16, "val": 10}


def test_what_arrange_would_refuse_is_refused_and_nothing_is_left(tars: Path) -> None:
    kept = Path("params.yaml").read_bytes()
    shutil.copyfile(TARS / "train/train-000000.tar", TARS / "val/again.tar")
    with pytest.raises(ProjectError, match=r"^tars: \d+ pictures are in more than one of .*or add them with --allow"):
        add_images("mine", TARS)
    (TARS / "val/again.tar").write_bytes((TARS / "train/train-000000.tar").read_bytes()[:900])
    with pytest.raises(ProjectError, match=r"^tars/val/again.tar: not a whole tar file"):
        add_images("mine", TARS)
    Path("labels.csv").write_text("file,label\n")
    with pytest.raises(ProjectError, match=r"^labels.csv: tars has tar files, which say"):
        add_images("mine", TARS, Path("labels.csv"))
    assert Path("params.yaml").read_bytes() == kept
    assert not list(Path("data/raw").iterdir())


def test_places_that_cannot_be_used_are_one_line(tars: Path, address: str) -> None:
    for top, splits, said in (
        (f"{address}/none", {}, "/none cannot be read: FileNotFoundError"),
        (f"{address}/val", {}, "/val: no tar files of train"),
        ("file:///nowhere", {}, "file:///nowhere cannot be read: FileNotFoundError"),
        (address, {"train/train-000000.tar": "train", "x-{0..1}.tar": "val"}, "/x-0.tar cannot be read: FileNotFound"),
        ("nowhere://x", {}, "nowhere://x cannot be read: ValueError: Protocol not known"),
    ):
        with pytest.raises(ProjectError) as error:
            add_place("mine", top, splits, {})
        assert said in str(error.value)
    with pytest.raises(ProjectError, match=r"params\.yaml has a data set ants_bees already"):
        add_place("ants_bees", address, {}, {})
    assert not paths.raw("mine").exists()


def test_a_server_that_lists_nothing_or_gives_no_parts_is_one_line(
    tars: Path, server: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = server(TARS)
    monkeypatch.setattr(places, "WAITS", (0, 0))
    for module in (places, tar_files):
        monkeypatch.setattr(module, "BLOCK", 1000)
    with pytest.raises(ProjectError, match=r"train-000000.tar cannot be read: ValueError: "):
        add_place("mine", plain, {}, {})
    (TARS / "train/index.html").write_text("hello")
    with pytest.raises(ProjectError, match=r"train: no \.tar files are listed there; say so, by their names in it: "):
        add_place("mine", f"{plain}/train/", {}, {})


def test_from_the_command_line(tars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["add", "mine", *arguments])
        add.main()

    place = f"file://{TARS.absolute()}"
    with pytest.raises(SystemExit, match="2"):
        call(place, "--labels", "labels.csv")
    assert "--labels: tar files at an address say themselves" in capsys.readouterr().err
    call(place, "--split", "train=train", "--split", "val=val", "--allow-duplicates")
    assert entry()["allow_duplicates"]
    assert entry()["shards"]["val"] == [f"{place}/val/*.tar"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a-8.tar", "a-9.tar", "a-10.tar"], ["a-{8..10}.tar"]),
        (["a-008.tar", "a-009.tar", "a-010.tar"], ["a-{008..010}.tar"]),
        (["a-00-of-02.tar", "a-01-of-02.tar"], ["a-{00..01}-of-02.tar"]),
        (["a-1.tar", "a-3.tar"], ["a-1.tar", "a-3.tar"]),
        (["a-1.tar", "b.tar"], ["a-1.tar", "b.tar"]),
        (["a-1.tar"], ["a-1.tar"]),
    ],
)
def test_numbers_without_a_gap_become_a_range(names: list[str], found: list[str]) -> None:
    assert in_a_range(names) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["x/train/a.tar", "x/valid/b.tar"], {"train": ["x/train/a.tar"], "val": ["x/valid/b.tar"]}),
        (["x/d/train/a.tar", "x/d/val/a.tar"], {"train": ["x/d/train/a.tar"], "val": ["x/d/val/a.tar"]}),
        (
            ["x/in1k-train-0000.tar", "x/in1k-validation-00.tar", "x/test-00000-of-00002.tar"],
            {
                "train": ["x/in1k-train-0000.tar"],
                "val": ["x/in1k-validation-00.tar"],
                "test": ["x/test-00000-of-00002.tar"],
            },
        ),
    ],
)
def test_folders_or_names_say_the_split(names: list[str], found: dict[str, list[str]]) -> None:
    assert by_split("x", names) == found


def test_the_folder_itself_says_no_split() -> None:
    with pytest.raises(ProjectError, match=r"^test: neither folders nor names say which of its \.tar files train"):
        by_split("test", ["test/a.tar", "test/b.tar"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["x/train_val-0.tar", "x/train-1.tar"], "folders and names say two splits of x/train_val-0.tar; say so"),
        (["x/train/val-0.tar", "x/val/val-1.tar"], "folders and names say two splits of x/train/val-0.tar; say so"),
        (["x/crash-test-dummies-0.tar"], r"neither folders nor names say which .* \(x/crash-test-dummies-0.tar\)"),
    ],
)
def test_folders_and_names_that_disagree_are_not_guessed_at(names: list[str], said: str) -> None:
    with pytest.raises(ProjectError, match=f"^x: {said}"):
        by_split("x", names)


def test_far_numbers_are_no_range() -> None:
    names = ["train-1600000000.tar", "train-1700000000.tar"]
    assert in_a_range(names) == names
    for wide in ("a-{0..1000000}.tar", "{1..2000}/{1..2000}.tar"):
        with pytest.raises(ProjectError, match=r"stands for \d+ places; expected 1000000 at most$"):
            places.expanded(wide)


@pytest.fixture
def clutter(tars: Path) -> Path:
    """What else lies beside tar files."""
    shutil.copyfile(TARS / "train/train-000000.tar", TARS / "train/._train-000000.tar")
    for name in ("train/a.tar.gz", "val/B.TAR", "preview.txt"):
        (TARS / name).write_text("x")
    return tars


LEFT_OUT = "left out: 3 files, each no .tar file ("
HIDDEN = "left out: 1 files and folders that are hidden or a system's (1 ._train-000000.tar)"


@pytest.mark.parametrize("remote", [False, True])
def test_what_is_no_tar_file_has_a_line(clutter: Path, remote: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if remote:
        add_place("mine", f"file://{TARS.absolute()}", {}, {})
    else:
        add_images("mine", TARS)
    out = capsys.readouterr().out
    assert LEFT_OUT in out
    assert all(name in out for name in ("train/a.tar.gz", "val/B.TAR", "preview.txt"))
    assert HIDDEN in out
    assert "in no --split" not in out
    assert re.search(r"^val: \d tar files, \S+val-000000.tar", out, re.MULTILINE)


@pytest.mark.parametrize("remote", [False, True])
def test_a_star_finds_no_hidden_files_and_what_no_split_names_has_a_line(
    clutter: Path, remote: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(TARS / "val/val-000000.tar", TARS / "spare.tar")
    splits = {"train": "train", "val/val-*.tar": "val"}
    if remote:
        add_place("mine", f"file://{TARS.absolute()}", splits, {})
        assert "._train" not in (paths.raw("mine") / "tar_files.txt").read_text()
        return
    add_images("mine", TARS, splits=splits)
    assert "left out: 1 files, each in no --split (tars/spare.tar)\n" in capsys.readouterr().out
    assert not list(paths.raw("mine").rglob(".*"))


def test_linked_tar_files_and_folders_are_listed(tars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (TARS / "val").rename("elsewhere")
    (TARS / "val").symlink_to(Path("elsewhere").absolute())
    first = TARS / "train/train-000000.tar"
    first.rename("first")
    first.symlink_to(Path("first").absolute())
    (TARS / "train/deep").mkdir()
    add_place("mine", f"file://{TARS.absolute()}", {}, {})
    listed = (paths.raw("mine") / "tar_files.txt").read_text()
    assert f"{first}\n" in listed
    assert "/val/val-000000.tar\n" in listed
    assert "not looked into: 1 folders in folders (train/deep)\n" in capsys.readouterr().out


def test_the_folders_own_name_says_no_split_under_another_protocol(tars: Path) -> None:
    for number, path in enumerate(sorted(TARS.rglob("*.tar"))):
        path.rename(TARS / f"a-{number}.tar")
    TARS.rename("train")
    with pytest.raises(ProjectError, match=r"/train: neither folders nor names say"):
        add_place("mine", f"local://{Path('train').absolute()}", {}, {})


def test_a_tar_file_in_two_splits_is_refused(tars: Path) -> None:
    top = f"file://{TARS.absolute()}"
    splits = {"train": "train", "train/train-000000.tar": "val"}
    with pytest.raises(ProjectError, match=f"^{top}/train/train-000000.tar: named twice; expected each"):
        add_place("mine", top, splits, {"allow_duplicates": True})
    with pytest.raises(ProjectError, match=r"^tars/train/train-000000\.tar: named twice; expected each"):
        add_images("mine", TARS, None, True, splits)


def test_letters_of_patterns_in_names_stand_for_themselves(tars: Path) -> None:
    for name in ("a[1]*", "b{1..3}"):
        TARS.rename(name)
        add_images("mine", Path(name), splits={"train": "train", "val/*.tar": "val"})
        shutil.rmtree(paths.raw("mine"))
        shutil.copyfile(PROJECT / "params.yaml", "params.yaml")
        with pytest.raises(ProjectError, match=rf"/{re.escape(name)}: names with \*, \?, \[ or {{1..3}} in them would"):
            add_place("mine", f"file://{Path(name).absolute()}", {}, {})
        Path(name).rename(TARS)
    first = TARS / "train/train-000000.tar"
    first.rename(first.with_name("train-[0].tar"))
    with pytest.raises(ProjectError, match=r"/train/train-\[0\]\.tar: names with"):
        add_place("mine", f"file://{TARS.absolute()}", {}, {})


@pytest.mark.parametrize("place", ["preview.png", "train/preview.png", "other/preview.png"])
def test_a_stray_picture_beside_tar_files_is_what_the_error_is_of(tars: Path, drawn: Path, place: str) -> None:
    (TARS / place).parent.mkdir(exist_ok=True)
    shutil.copyfile(next(drawn.rglob("*.png")), TARS / place)
    with pytest.raises(ProjectError, match=rf"^tars: tar files, and pictures beside them \(tars/{place}\): take one"):
        add_images("mine", TARS)


def test_one_archive_is_answered_with_what_to_give(tars: Path) -> None:
    with pytest.raises(ProjectError, match=r"^https://host/flowers.zip is one file: give a folder of tar files; or"):
        add_place("mine", "https://host/flowers.zip", {}, {})
    with pytest.raises(ProjectError, match=r"^https://host/a.tar is one file: give the folder that it lies in, with"):
        add_place("mine", "https://host/a.tar", {}, {})
    with pytest.raises(ProjectError, match=r"^tars/train/train-000000.tar is one file: give the folder that it"):
        add_images("mine", TARS / "train/train-000000.tar")


def test_a_section_in_braces_is_found_before_anything_is_copied(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    datasets = params.pop("datasets")
    Path("params.yaml").write_text(f"{yaml.safe_dump(params)}datasets: {json.dumps(datasets)}\n")
    monkeypatch.setattr(tar_files, "kept_shard", lambda *_: pytest.fail("copied"))
    with pytest.raises(ProjectError, match="datasets is written in braces"):
        add_images("mine", TARS)


def test_near_copies_are_not_looked_for_among_very_many(
    tars: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(survey, "MOST_COMPARED", 25)
    monkeypatch.setattr(survey, "near_copies", lambda _: pytest.fail("compared"))
    add_images("mine", TARS)
    assert "not looked for: images that are nearly the same, of more than 25; the audit" in capsys.readouterr().out


def test_tar_files_are_opened_several_at_a_time(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, waits = threading.Barrier(2, timeout=10), iter([True, True])

    def opened(place: str) -> BinaryIO:
        if next(waits, False):
            both.wait()
        return places.open_place(place)

    monkeypatch.setattr(tar_files, "open_place", opened)
    assert load_params().runtime.workers > 1
    add_place("mine", f"file://{TARS.absolute()}", {}, {})


@pytest.mark.parametrize("remote", [False, True])
def test_git_and_dvc_keep_them(tars: Path, remote: bool, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    if remote:
        add_place("mine", f"file://{TARS.absolute()}", {}, {})
    else:
        add_images("mine", TARS)
    what, out = "list" if remote else "images", capsys.readouterr().out
    assert "  git add params.yaml dvc.yaml data/raw/mine.dvc   # dvc add data/raw/mine is done: DVC keeps" in out
    assert f"DVC keeps the {what}, Git their version" in out
    [kept] = yaml.safe_load(Path("data/raw/mine.dvc").read_text())["outs"]
    assert kept["nfiles"] == (1 if remote else len(list(TARS.rglob("*.tar"))))


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("breaks", ["dvc add", "params.yaml", "copying"])
def test_nothing_half_done_is_left(tars: Path, monkeypatch: pytest.MonkeyPatch, breaks: str, remote: bool) -> None:
    copying = f"scripts.adding.tar_files.{'counted' if remote else 'kept_shard'}"
    before = break_at(monkeypatch, breaks, copying)
    source = f"file://{TARS.absolute()}" if remote else TARS
    put_in = partial(add_place, "mine", source, {}, {}) if remote else partial(add_images, "mine", source)
    with pytest.raises((ProjectError, KeyboardInterrupt), match="full" if breaks == "dvc add" else None):
        put_in()
    assert contents(Path()) == before
    assert not paths.raw("mine").exists()
