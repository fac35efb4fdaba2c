"""Data sets in tar files: stages/ground/shards.py, stages/datasets/shards.py, arrange, and scripts/shards.py."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml

from scripts import page
from scripts.correct import correct
from scripts.shards import write_shards
from stages import arrange, audit, compare, draw, evaluate, explain, features, learning_curve, train
from stages.datasets import groups
from stages.ground import paths, places, shards
from stages.ground.errors import ProjectError
from stages.ground.files import read_json, sha256
from stages.ground.shards import inside, open_file, read_index
from stages.models.features import Features
from stages.pictures.picture import open_picture
from stages.preprocessing.splits import list_splits
from stages.training.checkpoint import Checkpoint
from tests.conftest import PROJECT, to_yaml
from tests.drawing import draw_data_set, draw_picture
from tests.finished import DATA, MODEL

NAME = "tars"
PARAMS = {"datasets": {NAME: {}}, "runtime": {"progress": False}}


def settle(**entry: object) -> None:
    Path("params.yaml").write_text(to_yaml(PARAMS | {"datasets": {NAME: entry}}))


@pytest.fixture
def drawn(in_folder: Path) -> Path:
    """Pictures in folders, and the same in data/raw/tars, as tar files of some."""
    draw_data_set(in_folder / "drawn")
    write_shards(in_folder / "drawn", paths.raw(NAME), 30_000)
    settle()
    return in_folder / "drawn"


def picture(seed: int, kind: str = "discs") -> bytes:
    draw_picture(Path("one.png"), kind, seed)
    return Path("one.png").read_bytes()


def write_tar(path: Path, members: dict[str, bytes], **of_all: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in of_all.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(content))


def webdataset(first: int, labels: tuple[str, str] = ("discs", "squares"), suffix: str = ".cls") -> dict[str, bytes]:
    members = {}
    for number in range(first, first + 4):
        kind = ("discs", "squares")[number % 2]
        label = labels[number % 2]
        members[f"{number:04}.png"] = picture(number, kind)
        members[f"{number:04}{suffix}"] = (json.dumps({"label": label}) if suffix == ".json" else label).encode()
    return members


def test_the_same_folder_gives_the_same_tar_files(drawn: Path) -> None:
    write_shards(drawn, Path("again"), 30_000)
    names = sorted(path.relative_to("again") for path in Path("again").rglob("*.tar"))
    assert [str(name) for name in names][:2] == ["train/train-000000.tar", "train/train-000001.tar"]
    assert len(names) > 4
    for name in names:
        assert sha256(Path("again") / name) == sha256(paths.raw(NAME) / name)
        assert (Path("again") / name).stat().st_size < 60_000
    with pytest.raises(ProjectError, match="again is there already"):
        write_shards(drawn, Path("again"), 30_000)


def test_tar_files_stay_as_they_are_and_their_pictures_have_paths(drawn: Path, capsys) -> None:
    arrange.main(NAME)
    assert "data/tars/train: 16 images (discs 8, squares 8)" in capsys.readouterr().out
    for path in paths.raw(NAME).rglob("*.tar"):
        assert sha256(paths.images(NAME) / path.relative_to(paths.raw(NAME))) == sha256(path)
    for split, listed in list_splits(paths.images(NAME)).items():
        expected = list_splits(drawn)[split]
        assert listed.classes == expected.classes
        assert listed.labels.tolist() == expected.labels.tolist()
        for path, same in zip(listed.files, expected.files, strict=True):
            assert path.parts[:3] == ("data", NAME, split)
            assert path.parts[3].endswith(".tar")
            assert path.parts[4:] == same.relative_to(drawn / split).parts
            assert sha256(path) == sha256(same)
            assert np.array_equal(np.asarray(open_picture(path)), np.asarray(open_picture(same)))


def test_in_tar_files_pictures_have_the_same_features_and_go_the_whole_way(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, raw = Features.read(paths.features(MODEL, DATA)), paths.raw(DATA)
    embeddings = {split: of.embeddings.tobytes() for split, of in before.splits.items()}
    shutil.rmtree(raw, ignore_errors=True)
    write_shards(paths.images(DATA), raw, 30_000)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["datasets"][DATA] = {}
    unfrozen = yaml.safe_load((PROJECT / "params.yaml").read_text())["variants"]["unfrozen"]
    params["variants"]["unfrozen"] = unfrozen | {"epochs": 1, "batch_size": 4, "augment": None}
    Path("params.yaml").write_text(to_yaml(params))
    arrange.main(DATA)
    features.main(MODEL, DATA)
    after = Features.read(paths.features(MODEL, DATA))
    assert {split: of.embeddings.tobytes() for split, of in after.splits.items()} == embeddings
    assert after.splits["val"].files[0].startswith("val/val-000000.tar/discs/")
    audit.main(MODEL, DATA)
    for variant in ("frozen", "unfrozen"):
        train.main(MODEL, DATA, variant)
        evaluate.main(MODEL, DATA, variant)
        explain.main(MODEL, DATA, variant)
    learning_curve.main(MODEL, DATA)
    compare.main(MODEL, DATA)
    draw.main(MODEL, DATA)
    monkeypatch.setattr(page, "drawing_script", str)
    assert page.main() == 0
    assert "Missing: <code>plots" not in page.PAGE.read_text(encoding="utf-8")
    with pytest.raises(ProjectError, match="shapes is in tar files, in which nothing is corrected"):
        correct(DATA, None)


@pytest.mark.parametrize("suffix", [".cls", ".json"])
def test_labels_stand_beside_pictures_as_webdataset_has_them(in_folder: Path, capsys, suffix: str) -> None:
    settle()
    for split, first in (("train", 0), ("val", 4)):
        members = webdataset(first, ("1", "0"), suffix) | {f"{first:04}.txt": b"a", f"{first:04}.mask.png": picture(50)}
        write_tar(paths.raw(NAME) / split / "a.tar", members)
    arrange.main(NAME)
    out = capsys.readouterr().out
    assert "data/tars/train: 4 images (0 2, 1 2)" in out
    assert "left out: 4 members of tar files that are no pictures (2 .txt, 2 .mask.png)" in out
    listed = list_splits(paths.images(NAME))["val"]
    assert [str(path) for path in listed.files[:2]] == [
        "data/tars/val/a.tar/1/0004.png", "data/tars/val/a.tar/0/0005.png"
    ]  # fmt: skip
    assert listed.labels.tolist() == [1, 0, 1, 0]


def test_groups_and_copies_are_found_in_tar_files(in_folder: Path) -> None:
    write_tar(
        paths.raw(NAME) / "train/a.tar", {"a/1_x.png": picture(1), "b/2_x.png": picture(2), "b/1_y.png": picture(3)}
    )
    write_tar(paths.raw(NAME) / "val/a.tar", {"a/4_x.png": picture(4), "b/5_x.png": picture(4)})
    settle(group_pattern=r"^\d+")
    arrange.main(NAME)
    assert read_json(paths.groups(NAME))["train/a.tar/b/1_y.png"] == "1"
    settle()
    arrange.main(NAME)
    found = read_json(paths.groups(NAME))
    assert found["val/a.tar/a/4_x.png"] == found["val/a.tar/b/5_x.png"]


def both(train: dict[str, bytes]) -> None:
    write_tar(paths.raw(NAME) / "train/a.tar", train)
    write_tar(paths.raw(NAME) / "val/a.tar", {"a/8.png": picture(8), "b/9.png": picture(9)})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a/8b.png", lambda: picture(8), r"1 pictures are in more than .*: train/a/a.tar/8b.png is val/a/a.tar/8.png"),
        ("a/x.png", lambda: b"no picture", r"1 of 6 pictures cannot be used.*train/a.tar/a/x.png: not a whole picture"),
        ("x.png", lambda: picture(3), r"nothing says the class of 1 pictures: .*: x.png"),
        ("../x/y.png", lambda: picture(3), r"its member '../x/y.png' points outside its folder"),
        ("/x/y.png", lambda: picture(3), r"its member '/x/y.png' points outside its folder"),
        ("a/CON.png", lambda: picture(3), r"its member 'a/CON.png' has a name that not every system can write"),
        ("a/\udcff.png", lambda: picture(3), r"has a name that is not in UTF-8"),
        ("c/x.png", lambda: picture(3), r"train and val must have the same classes; only one of the two has c"),
        ("x.cls", lambda: b"a", r"3 pictures have no .cls, nor a label in .json: a/1.png, b/2.png"),
        ("a/1.cls", lambda: b"a/b", r"the class of a/1.png cannot be used: labels that cannot be a folder's name"),
        ("a/1.cls", lambda: b"\xff", r"its member 'a/1.cls' is not valid: "),
        ("a/1.json", lambda: b"{", r"its member 'a/1.json' is not valid: "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(in_folder: Path, name: str, content, said: str) -> None:
    settle()
    both({"a/1.png": picture(1), "b/2.png": picture(2), "b/5.png": picture(5), name: content()})
    with pytest.raises(ProjectError, match=said):
        arrange.main(NAME)
    assert not paths.images(NAME).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[: len(data) // 2], "not a whole tar file"),
        (lambda data: data[:512], "not a whole tar file"),
        (lambda data: data[:-10240], "not a whole tar file.*cut off"),
        (lambda data: b"", "not a whole tar file"),
        (lambda data: b"no tar" * 200, "not a whole tar file.*cut off, or damaged: invalid header"),
        (lambda data: __import__("gzip").compress(data), "not a whole tar file"),
    ],
)
def test_a_tar_file_that_is_cut_off_or_damaged_is_one_line(in_folder: Path, change, said: str) -> None:
    settle()
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    path = paths.raw(NAME) / "train/a.tar"
    data = path.read_bytes().rstrip(b"\0")
    data += b"\0" * (-len(data) % 512) + b"\0" * 10240
    path.write_bytes(change(data))
    with pytest.raises(ProjectError, match=f"data/raw/tars/train/a.tar: {said}"):
        arrange.main(NAME)


def test_links_and_members_that_are_there_twice_are_refused(in_folder: Path) -> None:
    settle()
    both({"a/1.png": picture(1)})
    path = paths.raw(NAME) / "train/a.tar"
    write_tar(path, {"a/1.png": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(ProjectError, match=r"a.tar: its member 'a/1.png' is a link, or no file"):
        arrange.main(NAME)
    write_tar(path, {"a/1.png": picture(1), "b/1.png": picture(2)})
    with tarfile.open(path, "a") as tar:
        tar.add("one.png", "a/1.png")
    with pytest.raises(ProjectError, match=r"a.tar: its member 'a/1.png' is there twice"):
        arrange.main(NAME)


def test_a_tar_file_that_has_changed_is_one_line(drawn: Path) -> None:
    arrange.main(NAME)
    listed = list_splits(paths.images(NAME))["train"].files
    tar = listed[0].parent.parent
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    with pytest.raises(
        ProjectError, match=r"train-000000.tar: discs/discs.0.png is not what it was when it was indexed"
    ):
        open_picture(listed[0])
    with pytest.raises(FileNotFoundError, match="No such file in the tar file's index"):
        open_file(tar / "discs/none.png")
    shards.index_path(tar).write_text("{")
    with pytest.raises(ProjectError, match=r"not the index of a tar file"):
        read_index(tar)
    assert inside(Path("data/x.tar/1.png")) is None


def test_tar_files_beside_pictures_or_without_val_are_refused(in_folder: Path) -> None:
    settle()
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    draw_picture(paths.raw(NAME) / "train/1.png", "discs", 1)
    with pytest.raises(
        ProjectError, match=r"data/raw/tars: tar files, and pictures beside them \(data/raw/tars/train/"
    ):
        arrange.main(NAME)
    (paths.raw(NAME) / "train/1.png").unlink()
    shutil.rmtree(paths.raw(NAME) / "val")
    with pytest.raises(ProjectError, match="data/raw/tars: no tar files of val"):
        arrange.main(NAME)


def test_a_tar_file_beside_class_folders_is_left_out(in_folder: Path, capsys) -> None:
    settle()
    draw_data_set(paths.raw(NAME))
    write_tar(paths.raw(NAME) / "train/backup.tar", {"a/1.png": picture(1)})
    arrange.main(NAME)
    assert "left out: 1 files, each an archive: unpack it first (train/backup.tar)" in capsys.readouterr().out
    assert not list(paths.images(NAME).rglob("*.tar*"))


def test_two_folders_of_one_split_are_taken_together_and_links_refused(in_folder: Path, capsys) -> None:
    settle()
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    write_tar(paths.raw(NAME) / "valid/b.tar", {"a/3.png": picture(3), "b/4.png": picture(4)})
    (paths.raw(NAME) / "validation").mkdir()
    arrange.main(NAME)
    assert "data/tars/val: 4 images (a 2, b 2)" in capsys.readouterr().out
    (paths.raw(NAME) / "valid").rename("elsewhere")
    (paths.raw(NAME) / "valid").symlink_to(Path("elsewhere").absolute())
    with pytest.raises(ProjectError, match="valid: links to folders, which DVC does not follow"):
        arrange.main(NAME)


@pytest.mark.parametrize("entry", [{"manifest": "a.tsv"}, {"val_fraction": 0.3}])
def test_what_would_draw_the_split_of_tar_files_is_refused(in_folder: Path, entry: dict[str, object]) -> None:
    settle(**entry)
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    with pytest.raises(ProjectError, match=rf"params.yaml: datasets.tars.{next(iter(entry))}: .*; take it out$"):
        arrange.main(NAME)


def test_sparse_members_are_refused(in_folder: Path) -> None:
    settle()
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    with Path("sparse.png").open("wb") as file:
        file.truncate(1 << 20)
        file.write(picture(3))
    subprocess.run(["tar", "-Scf", paths.raw(NAME) / "train/b.tar", "sparse.png"], check=True)
    with pytest.raises(ProjectError, match=r"b.tar: its member 'sparse.png' is sparse; pack it anew"):
        arrange.main(NAME)


def test_files_of_groups_take_the_checksums_that_are_known(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(groups="groups.txt")
    both({"a/1.png": picture(1), "b/2.png": picture(2)})
    lines = [f"{hashlib.sha256(picture(number)).hexdigest()}  g{number}\n" for number in (1, 2, 8, 9)]
    paths.MANIFESTS.mkdir(parents=True)
    (paths.MANIFESTS / "groups.txt").write_text("".join(lines))
    monkeypatch.setattr(groups, "sha256", None)
    arrange.main(NAME)
    assert read_json(paths.groups(NAME))["val/a.tar/b/9.png"] == "g9"


def test_an_index_counts_only_where_arrange_writes_it(drawn: Path) -> None:
    arrange.main(NAME)
    arranged = paths.images(NAME) / "train"
    tar = shards.shards_in(arranged)[0]
    assert inside(tar / "discs/discs.0.png")
    for elsewhere in (Path("downloads/x/train"), paths.raw(NAME), paths.raw(NAME) / "deep", Path("data/../x/train")):
        shutil.copytree(arranged, elsewhere, dirs_exist_ok=True)
        assert inside(elsewhere / tar.name / "discs/discs.0.png") is None
        assert not shards.shards_in(elsewhere)
    tar.unlink()
    tar.mkdir()
    assert inside(tar / "discs/discs.0.png") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"place": 1}, "place: Input should be a valid string"),
        ({"files": {"a/1.png": [0, 1]}}, "files.a/1.png.2: Field required"),
        ({"files": {"a/1.png": [0, -1, 1]}}, "files.a/1.png.1: Input should be greater than or equal to 0"),
    ],
)
def test_an_index_of_other_types_is_one_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    index = {"place": None, "sha256": "0", "files": {}} | change
    shards.index_path(tmp_path / "a.tar").write_text(json.dumps(index))
    with pytest.raises(ProjectError) as error:
        read_index(tmp_path / "a.tar")
    assert f"a.tar.json: not the index of a tar file ({said}); run dvc repro" in str(error.value)


def test_a_checkpoint_does_not_read_tar_files_that_are_indexed(drawn: Path) -> None:
    def name() -> str:
        return Checkpoint.of(Path("work"), "m-d-v", (), [paths.images(NAME)]).path.name

    arrange.main(NAME)
    tar, first = shards.shards_in(paths.images(NAME) / "train")[0], name()
    tar.write_bytes(b"")
    assert name() == first
    index = shards.index_path(tar)
    index.write_text(index.read_text() + "\n")
    assert name() != first


class _Parts(SimpleHTTPRequestHandler):
    """Gives parts of files, as servers of large files do."""

    asked: ClassVar[list[str]] = []
    whole: ClassVar[list[bool]] = []  # whether the next answers with content are; all others are

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():  # a page that lists the folder, or 404
            super().do_HEAD() if self.command == "HEAD" else super().do_GET()
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.asked.append(self.headers.get("Range", ""))
        part = data[int(asked[1]) : int(asked[2]) + 1] if asked else data
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part if not self.whole or self.whole.pop(0) else part[: len(part) // 2])
            self.close_connection = True


@pytest.fixture
def address(drawn: Path) -> Iterator[str]:
    """Of data/raw/tars, which is then gone."""
    paths.raw(NAME).rename("served")
    with serving("served") as address:
        yield address


@contextmanager
def serving(folder: str) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Parts, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_tar_files_that_lie_elsewhere_are_read_by_parts(drawn: Path, address: str) -> None:
    last = len(list(Path("served/train").glob("*.tar"))) - 1
    settle(shards={"train": [f"{address}/train/train-{{000000..{last:06}}}.tar"], "val": ["served/val/*.tar"]})
    arrange.main(NAME)
    assert not list(paths.images(NAME).rglob("*.tar"))
    for split, listed in list_splits(paths.images(NAME)).items():
        for path, same in zip(listed.files, list_splits(drawn)[split].files, strict=True):
            assert sha256(path) == sha256(same)
    assert any(of.startswith("bytes=") for of in _Parts.asked)


def test_reads_that_are_cut_off_are_tried_again_then_named(
    drawn: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "WAITS", (0, 0))
    place, last = f"{address}/train/train-000000.tar", len(list(Path("served/train").glob("*.tar"))) - 1
    settle(shards={"train": [f"{address}/train/train-{{000000..{last:06}}}.tar"], "val": ["served/val/*.tar"]})
    monkeypatch.setattr(_Parts, "whole", [False, False])
    arrange.main(NAME)
    assert not _Parts.whole
    path = list_splits(paths.images(NAME))["train"].files[0]
    monkeypatch.setattr(_Parts, "whole", [False] * 3)
    with pytest.raises(ProjectError, match=f"{place} cannot be read: ClientPayloadError"):
        open_file(path)
    assert sha256(path) == sha256(drawn / "train" / Path(*path.parts[4:]))
    monkeypatch.setattr(_Parts, "whole", [False] * 3)
    with pytest.raises(ProjectError, match=f"{place} cannot be read: ClientPayloadError"):
        arrange.main(NAME)


def test_what_is_wrong_with_places_is_one_line(drawn: Path, address: str) -> None:
    val = ["served/val/*.tar"]
    for place, said in (
        (f"{address}/train/none.tar", "none.tar cannot be read: "),
        ("served/none*.tar", "served/none*.tar: nothing lies there"),
        ("served/a-{5..3}.tar", "params.yaml: datasets.tars.shards: served/a-{5..3}.tar: {5..3} has nothing in it"),
        ("served/x.zip", "served/x.zip: expected a name that ends in .tar"),
        ("nowhere://x/a.tar", "nowhere://x/a.tar cannot be read: ValueError: Protocol not known: nowhere"),
    ):
        settle(shards={"train": [place], "val": val})
        with pytest.raises(ProjectError) as error:
            arrange.main(NAME)
        assert said in str(error.value)
    settle(shards={"train": ["served/val/val-000000.tar"] * 2, "val": val})
    with pytest.raises(ProjectError, match=r"another tar file of train is called val-000000.tar too"):
        arrange.main(NAME)
    settle(shards={"train": val})
    with pytest.raises(ProjectError, match="shards: expected places of train and val"):
        arrange.main(NAME)
