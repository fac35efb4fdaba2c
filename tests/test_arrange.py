"""stages/arrange.py and stages/datasets/manifest.py: from images as they come to data/NAME/{train,val}/CLASS/."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stages.arrange import main, split_by_class
from stages.datasets.layout import read_layout
from stages.datasets.manifest import read_manifest
from stages.datasets.settings import Dataset
from stages.ground.errors import ProjectError
from stages.pictures.listing import list_folder
from tests.conftest import PROJECT, write_manifest
from tests.drawing import draw_data_set
from tests.opened_files import recording

RAW = Path("data/raw/shapes")
PIXELS = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train/ and val/: four and three pictures of each kind."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_data_set(folder, train=4, val=3)
    return folder


def arrange(dataset: dict | None = None, workers: int = 2) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params |= {"downloads": {}, "datasets": {"shapes": dataset or {}}}
    params["runtime"]["workers"] = workers
    Path("params.yaml").write_text(yaml.safe_dump(params))
    main("shapes")


def contents(folder: Path) -> dict[str, bytes]:
    """But for groups.json, which is no picture."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "groups.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_images(folder: Path, count: int, first: int = 0) -> None:
    """Pictures of two pixels, each with a title of its own and so with other bytes than all the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        title = PngInfo()
        title.add_text("Title", f"{folder} {number}")
        Image.fromarray(PIXELS).save(folder / f"{number}.png", pnginfo=title)


def manifest_of(folder: Path) -> None:
    write_manifest(Path("data/manifests/shapes.sha256"), folder)


def as_on_kaggle(drawn: Path) -> None:
    """All pictures in one folder, kinds and splits mixed, and more than the manifest lists."""
    (RAW / "train").mkdir(parents=True)
    for picture in drawn.rglob("*.png"):
        shutil.copyfile(picture, RAW / "train" / picture.name)
    write_images(RAW / "test1", 3)


def as_googles(drawn: Path) -> None:
    """Wrapped in a folder of its own, val under another name, a script beside it."""
    shutil.copytree(drawn / "train", RAW / "shapes_filtered/train")
    shutil.copytree(drawn / "val", RAW / "shapes_filtered/validation")
    (RAW / "shapes_filtered/vectorize.py").write_text("")


def as_pytorchs(drawn: Path) -> None:
    shutil.copytree(drawn / "train", RAW / "train")
    shutil.copytree(drawn / "val", RAW / "val")


def twice_wrapped(drawn: Path) -> None:
    shutil.copytree(drawn / "train", RAW / "outer/inner/Train")
    shutil.copytree(drawn / "val", RAW / "outer/inner/valid")


@pytest.mark.parametrize(
    ("lay_out", "by_manifest"),
    [
        (as_on_kaggle, True),
        *(
            (lay_out, by_manifest)
            for lay_out in (as_googles, as_pytorchs, twice_wrapped)
            for by_manifest in (True, False)
        ),
    ],
)
def test_every_layout_becomes_the_same_folder(
    in_folder: Path, drawn: Path, lay_out: Callable[[Path], None], by_manifest: bool
) -> None:
    lay_out(drawn)
    before = contents(RAW)
    manifest_of(drawn)
    arrange({"manifest": "shapes.sha256"} if by_manifest else {})
    assert contents(Path("data/shapes")) == contents(drawn)
    assert contents(RAW) == before


def test_the_counts_of_each_split_and_class_are_printed(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, cats, dogs in (("train", 12, 4), ("val", 3, 2), ("test", 1, 5)):
        write_images(RAW / split / "dogs", dogs)
        write_images(RAW / split / "cats", cats)
    arrange()
    assert capsys.readouterr().out == (
        "data/shapes/train: 16 images (cats 12, dogs 4)\n"
        "data/shapes/val: 5 images (cats 3, dogs 2)\n"
        "data/shapes/test: 6 images (cats 1, dogs 5)\n"
    )


@pytest.mark.parametrize(("dogs", "warned"), [(3, False), (2, True)])
def test_a_class_with_few_images_beside_the_others_is_warned_of(
    in_folder: Path, capsys: pytest.CaptureFixture[str], dogs: int, warned: bool
) -> None:
    """More than five times as many train; how many validate does not matter."""
    for split, counts in (("train", {"ants": 15, "cats": 9, "dogs": dogs}), ("val", {"ants": 1, "cats": 9, "dogs": 1})):
        for name, count in counts.items():
            write_images(RAW / split / name, count)
    arrange()
    assert (capsys.readouterr().out.splitlines()[2:]) == warned * [
        "warning: unbalanced classes: ants has 15 train images, dogs 2. Accuracy then says little of dogs: look at each"
        " class's recall, add images of dogs if you can, and try class_weights: balanced in a variant"
    ]


def test_test_images_are_kept_apart(in_folder: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("cats", "dogs"):
            write_images(RAW / split / name, 2)
    arrange()
    assert contents(Path("data/shapes")) == contents(RAW)


def test_a_manifest_may_have_test_images_too(in_folder: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("cats", "dogs"):
            write_images(Path("wanted") / split / name, 1, first=ord(split[1]))
    manifest_of(Path("wanted"))
    shutil.copytree("wanted", RAW / "all/in/one")
    arrange({"manifest": "shapes.sha256"})
    assert contents(Path("data/shapes")) == contents(Path("wanted"))


def test_folders_within_a_class_are_kept_and_other_files_are_not(in_folder: Path) -> None:
    for name in ("cats/old", "cats/new", "dogs", ".git"):
        write_images(RAW / name, 2)
    (RAW / "cats/notes.txt").write_text("no picture")
    (RAW / "cats/._0.png").write_text("macOS's")
    arrange()
    places = {place.partition("/")[2] for place in contents(Path("data/shapes"))}
    assert places == {f"{name}/{number}.png" for name in ("cats/old", "cats/new", "dogs") for number in (0, 1)}


@pytest.mark.parametrize(
    ("cats", "dogs", "settings", "val"),
    [
        (20, 10, {"val_fraction": 0.2}, {"cats": 4, "dogs": 2}),
        (20, 10, {"val_fraction": 0.5}, {"cats": 10, "dogs": 5}),
        (20, 10, {}, {"cats": 4, "dogs": 2}),
        (30, 2, {"val_fraction": 0.1}, {"cats": 3, "dogs": 1}),  # one of each class validates at least …
        (30, 2, {"val_fraction": 0.9}, {"cats": 27, "dogs": 1}),  # … and one trains
    ],
)
def test_each_class_gives_its_share_to_val(in_folder: Path, cats: int, dogs: int, settings: dict, val: dict) -> None:
    write_images(RAW / "cats", cats)
    write_images(RAW / "dogs", dogs)
    arrange(settings)
    arranged = Path("data/shapes")
    assert {name: len(list((arranged / "val" / name).iterdir())) for name in ("cats", "dogs")} == val
    together = {**contents(arranged / "val"), **contents(arranged / "train")}
    assert together == contents(RAW)
    assert len(contents(arranged)) == cats + dogs  # none in both


def val_images(folder: Path, seed: int = 0, fraction: float = 0.2) -> set[str]:
    """The titles of the images that validate."""
    plan = split_by_class(folder, read_layout(folder, list_folder(folder)).classes, fraction, Dataset(seed=seed))
    return {title_of(path) for place, path in plan.items() if place.startswith("val/")}


def title_of(path: Path) -> str:
    with Image.open(path) as image:
        return str(image.info["Title"])


def test_a_split_is_the_same_again_and_whatever_the_files_are_called(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        write_images(tmp_path / name, 25)
    first = val_images(tmp_path)
    assert val_images(tmp_path) == first
    for path in [*(tmp_path / "cats").iterdir()]:
        path.rename(path.with_name(f"{hashlib.md5(path.name.encode()).hexdigest()}.png"))
    assert val_images(tmp_path) == first


def test_the_seed_of_params_draws_another_split(in_folder: Path) -> None:
    for name in ("cats", "dogs"):
        write_images(RAW / name, 25)
    drawn = []
    for seed in (0, 1, 2):
        arrange({"seed": seed})
        drawn.append(frozenset(contents(Path("data/shapes/val")).values()))
    assert len(set(drawn)) == 3
    assert all(len(first & second) <= 5 for first, second in pairwise(drawn))  # of ten


@pytest.mark.parametrize("seed", range(5))
def test_an_added_image_moves_one_other_at_most_and_none_of_another_class(tmp_path: Path, seed: int) -> None:
    write_images(tmp_path / "dogs", 20)
    write_images(tmp_path / "cats", 20)
    for number in range(20, 40):
        before = val_images(tmp_path, seed)
        write_images(tmp_path / "cats", 1, first=number)
        moved = (before ^ val_images(tmp_path, seed)) - {f"{tmp_path / 'cats'} {number}"}
        assert len(moved) <= 1
        assert all(title.startswith(str(tmp_path / "cats")) for title in moved)


@pytest.mark.parametrize(
    ("folders", "problem"),
    [
        (
            ["validation", "test"],
            "data/raw/shapes: found val and test without train. Expected train/ (val/ and test/ beside it are kept"
            " apart), or class folders only, which are split",
        ),
        (["validation"], "data/raw/shapes: found val without train. Expected train/"),
    ],
)
def test_splits_without_train_are_refused_with_advice(in_folder: Path, folders: list[str], problem: str) -> None:
    for folder in folders:
        for name in ("cats", "dogs"):
            write_images(RAW / folder / name, 3)
    with pytest.raises(ProjectError, match=f"^{re.escape(problem)}"):
        arrange()


def test_a_val_fraction_for_images_that_have_a_val_folder_is_refused(in_folder: Path, drawn: Path) -> None:
    as_pytorchs(drawn)
    problem = r"^data/raw/shapes has train/ and val/ already: take val_fraction out of this data set's entry$"
    with pytest.raises(ProjectError, match=problem):
        arrange({"val_fraction": 0.2})


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ({"cats": 3}, "data/raw/shapes: expected two or more folders of images, one per class; found cats/ (3 images)"),
        ({"cats": 3, "dogs": 0}, "one per class; found cats/ (3 images), dogs/ (0 images)"),
        ({".": 3}, "one per class; found no folders"),
        ({"cats": 3, "dogs": 1}, "data/raw/shapes/dogs: one image cannot be split into train and val; add images"),
        (
            {"train/cats": 2, "train/dogs": 2, "val/cats": 1},
            "data/raw/shapes: train and val must have the same classes; only one of the two has dogs",
        ),
        (
            {"train/cats": 2, "train/dogs": 2, "train/eels": 2, "val/cats": 1, "val/eels": 1},
            "data/raw/shapes: train and val must have the same classes; only one of the two has dogs",
        ),
        (
            {"train/cats": 2, "train/dogs": 2, "val/cats": 1, "val/dogs": 1, "test/Cats": 1, "test/dogs": 1},
            "data/raw/shapes: train and test must have the same classes; only one of the two has Cats, cats",
        ),
    ],
)
def test_images_that_cannot_be_classes_are_refused(in_folder: Path, images: dict[str, int], problem: str) -> None:
    """Not the same classes in train and val: labels are numbered within each, so they would silently be others."""
    for name, count in images.items():
        write_images(RAW / name, count)
    with pytest.raises(ProjectError, match=f"{re.escape(problem)}$"):
        arrange()
    assert not Path("data/shapes").exists()


def test_images_that_are_not_there_are_asked_for(in_folder: Path) -> None:
    with pytest.raises(ProjectError, match=r"^data/raw/shapes is not there: put the images in it, in one folder per"):
        arrange()


def test_a_name_that_is_no_data_set_is_answered_with_those_there_are(in_folder: Path, drawn: Path) -> None:
    as_pytorchs(drawn)
    arrange()
    with pytest.raises(ProjectError, match=r"^params\.yaml: datasets has no entry 'birds'; it has: shapes$"):
        main("birds")


def test_an_earlier_folder_is_replaced_whole_or_not_touched(in_folder: Path, drawn: Path) -> None:
    for name in ("shapes/train/discs/old.png", ".shapes.part/left.png"):  # a run before; another that was cut off
        (Path("data") / name).parent.mkdir(parents=True)
        (Path("data") / name).write_bytes(b"old")
    with pytest.raises(ProjectError, match="is not there"):
        arrange()
    assert Path("data/shapes/train/discs/old.png").read_bytes() == b"old"
    as_pytorchs(drawn)
    arrange()
    assert contents(Path("data/shapes")) == contents(drawn)
    assert not Path("data/.shapes.part").exists()


def test_a_run_that_breaks_off_leaves_no_half_folder(
    in_folder: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_pytorchs(drawn)
    arrange()
    before, copied, copyfile = contents(Path("data/shapes")), [], shutil.copyfile

    def copy_three(source: Path, target: Path) -> None:
        if len(copied) >= 3:
            raise OSError("no space left")
        copied.append(copyfile(source, target))

    monkeypatch.setattr(shutil, "copyfile", copy_three)
    with pytest.raises(OSError, match="no space left"):
        arrange()
    assert contents(Path("data/shapes")) == before
    assert not Path("data/.shapes.part").exists()


def test_all_that_is_done_to_a_picture_follows_at_once(in_folder: Path, drawn: Path) -> None:
    """Else, of more pictures than memory holds, each would be read from the disk several times."""
    as_pytorchs(drawn)
    with recording() as opened:
        arrange(workers=1)
    read = [name for name in opened if name.startswith("data/raw/") and name.endswith(".png")]
    assert len(set(read)) == 14
    assert [name for name, _ in groupby(read)] == list(dict.fromkeys(read))


@pytest.mark.parametrize(
    ("spoiled", "problem"),
    [
        (["train/discs/discs.1.png"], "1 of the 14 images in {} are missing or changed: train/discs/discs.1.png"),
        (
            [f"train/{kind}/{kind}.{number}.png" for kind in ("discs", "squares") for number in range(4)],
            "8 of the 14 images in {} are missing or changed: train/discs/discs.0.png, train/discs/discs.1.png,"
            " train/discs/discs.2.png, train/discs/discs.3.png, train/squares/squares.0.png and 3 more",
        ),
    ],
)
@pytest.mark.parametrize("how", ["missing", "changed"])
def test_missing_and_changed_images_are_counted_and_named(
    in_folder: Path, drawn: Path, spoiled: list[str], problem: str, how: str
) -> None:
    manifest_of(drawn)
    as_pytorchs(drawn)
    for name in spoiled:
        if how == "missing":
            (RAW / name).unlink()
        else:
            (RAW / name).write_bytes((RAW / name).read_bytes() + b"\0")
    with pytest.raises(ProjectError, match=f"^{re.escape(problem.format('data/manifests/shapes.sha256'))}$"):
        arrange({"manifest": "shapes.sha256"})
    assert not Path("data/shapes").exists()


def write_lines(*lines: str) -> None:
    Path("data/manifests").mkdir(parents=True)
    Path("data/manifests/shapes.sha256").write_text("\n".join(lines) + "\n")


GOOD, DIGEST = "0" * 64 + "  train/ants/1.jpg", "1" * 64


@pytest.mark.parametrize(
    "line",
    [
        f"{DIGEST} train/ants/2.jpg",
        f"{DIGEST}  training/ants/2.jpg",
        f"{DIGEST}  a/longer/line/than/is/shown.jpg",
        f"{DIGEST}  train/2.jpg",
        f"{DIGEST}  train/ants/deeper/2.jpg",
        f"{DIGEST}  train/ants/..\\2.jpg",
        f"{DIGEST}  /train/ants/2.jpg",
        f"{DIGEST}  ../train/ants/2.jpg",
        f"{DIGEST[:-1]}  train/ants/2.jpg",
        f"{'F' * 64}  train/ants/2.jpg",
        "# a comment",
        "",
        GOOD,
    ],
)
def test_a_bad_line_of_a_manifest_is_named_with_its_number(in_folder: Path, line: str) -> None:
    write_lines(GOOD, f"{DIGEST}  val/bees/1.jpg", line, "not looked at any more")
    with pytest.raises(ProjectError) as caught:
        read_manifest("shapes.sha256")
    assert str(caught.value) == (
        "data/manifests/shapes.sha256, line 3: expected a sha256, two spaces and {train,val,test}/CLASS/FILE, once"
        f" each; received {line[:90]!r}"
    )


def test_a_manifest_may_be_written_in_any_way_that_sha256sum_does(in_folder: Path) -> None:
    """`sha256sum --binary` puts a star before the name; on Windows lines end in CR LF."""
    write_lines(GOOD, f"{DIGEST} *val/a class/an image.jpg\r")
    assert read_manifest("shapes.sha256") == {"train/ants/1.jpg": "0" * 64, "val/a class/an image.jpg": DIGEST}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "data/raw/shapes: expected train images of two classes or more; found none"),
        (
            ["train/cats/0.png", "val/cats/1.png"],
            "data/raw/shapes: expected train images of two classes or more; found cats",
        ),
        (
            ["train/cats/0.png", "train/dogs/1.png"],
            "data/raw/shapes: train and val must have the same classes; only one of the two has cats, dogs",
        ),
    ],
)
def test_a_manifest_that_does_not_make_a_data_set_is_refused(in_folder: Path, names: list[str], problem: str) -> None:
    for name in names:
        write_images(RAW / Path(name).parent, 1, first=int(Path(name).stem))
    RAW.mkdir(parents=True, exist_ok=True)
    manifest_of(RAW)
    with pytest.raises(ProjectError, match=f"^{re.escape(problem)}$"):
        arrange({"manifest": "shapes.sha256"})
    assert not Path("data/shapes").exists()


def test_an_image_that_is_listed_twice_comes_twice(in_folder: Path) -> None:
    """Published data sets do hold the same image under two names."""
    for name in ("train/cats", "train/dogs", "val/cats", "val/dogs"):
        write_images(Path("wanted") / name, 1)
    shutil.copyfile("wanted/train/cats/0.png", "wanted/train/cats/again.png")
    manifest_of(Path("wanted"))
    shutil.copytree("wanted", RAW)
    (RAW / "train/cats/again.png").unlink()
    arrange({"manifest": "shapes.sha256"})
    assert contents(Path("data/shapes")) == contents(Path("wanted"))


def test_copies_of_an_image_stay_on_one_side(in_folder: Path) -> None:
    """Or the network would be judged by what it was trained on."""
    for name in ("cats", "dogs"):
        write_images(RAW / name, 12)
        for path in [*(RAW / name).iterdir()]:
            shutil.copyfile(path, path.with_name(f"copy of {path.name}"))
    arrange({"val_fraction": 0.5})
    train, val = (set(contents(Path("data/shapes") / split).values()) for split in ("train", "val"))
    assert (len(train), len(val)) == (12, 12)
    assert train & val == set()
    assert len(contents(Path("data/shapes"))) == 48


def test_copies_of_one_image_cannot_be_split(in_folder: Path) -> None:
    write_images(RAW / "cats", 3)
    write_images(RAW / "dogs", 1)
    shutil.copyfile(RAW / "dogs/0.png", RAW / "dogs/1.png")
    with pytest.raises(ProjectError, match=r"^data/raw/shapes/dogs: one image .2 copies of one. cannot be split into"):
        arrange()


LEAKS = (
    "data/raw/shapes: 2 pictures are in more than one of train, val and test: train/cats/0.png is"
    " val/dogs/7.png, train/cats/again.png is test/cats/1.png. Take one of each out, or set allow_duplicates: true"
    " for this data set"
)


@pytest.mark.parametrize("manifest", [{}, {"manifest": "shapes.sha256"}], ids=["folders", "manifest"])
def test_an_image_in_two_splits_is_refused_unless_it_is_allowed(in_folder: Path, manifest: dict) -> None:
    for split in ("train", "val", "test"):
        for name in ("cats", "dogs"):
            write_images(RAW / split / name, 2)
    shutil.copyfile(RAW / "train/cats/0.png", RAW / "val/dogs/7.png")
    shutil.copyfile(RAW / "train/cats/1.png", RAW / "test/cats/1.png")
    shutil.copyfile(RAW / "train/cats/1.png", RAW / "train/cats/again.png")  # does no harm
    manifest_of(RAW)
    with pytest.raises(ProjectError, match=f"^{re.escape(LEAKS)}$"):
        arrange(manifest)
    assert not Path("data/shapes").exists()
    arrange({**manifest, "allow_duplicates": True})
    assert contents(Path("data/shapes")) == contents(RAW)


def test_all_broken_images_are_named_at_once(in_folder: Path) -> None:
    for name in ("cats", "dogs"):
        write_images(RAW / name, 3)
    (RAW / "cats/1.png").write_bytes(b"no picture")
    (RAW / "dogs/2.png").write_bytes((RAW / "dogs/2.png").read_bytes()[:60])
    with pytest.raises(ProjectError) as caught:
        arrange()
    assert str(caught.value) == (
        "data/raw/shapes: 2 of 6 pictures cannot be used; take them out, or mend them:"
        " not a whole picture (2): data/raw/shapes/cats/1.png, data/raw/shapes/dogs/2.png"
    )
    assert not Path("data/shapes").exists()


def test_two_folders_for_one_split_are_refused(in_folder: Path, drawn: Path) -> None:
    shutil.copytree(drawn, RAW)
    shutil.copytree(drawn / "val", RAW / "validation")
    with pytest.raises(ProjectError, match=r"shapes: val/ and validation/ are both val; keep one of them"):
        arrange()


def draw_groups() -> None:
    """25 cats and 25 dogs, of ten owners: 0_3.png is of the owner 3."""
    for name in ("cats", "dogs"):
        write_images(RAW / name, 25)
        for path in sorted((RAW / name).iterdir()):
            path.rename(path.with_name(f"{path.stem}_{int(path.stem) % 10}.png"))


def owners(split: str) -> set[str]:
    return {path.stem.partition("_")[2] for path in Path(f"data/shapes/{split}").rglob("*.png")}


def test_a_drawn_split_keeps_groups_whole_in_all_classes_at_once(in_folder: Path) -> None:
    draw_groups()
    drawn = []
    for seed in range(4):
        arrange({"group_pattern": r"_(\d)", "seed": seed})
        assert owners("train") & owners("val") == set()
        assert [4 <= len(contents(Path(f"data/shapes/val/{name}"))) <= 6 for name in ("cats", "dogs")] == [True, True]
        assert len(contents(Path("data/shapes"))) == 50
        drawn.append(frozenset(owners("val")))
    assert len(set(drawn)) > 1
    arrange({"group_pattern": r"_(\d)"})
    assert owners("val") == drawn[0]


def test_groups_may_stand_in_a_manifest(in_folder: Path) -> None:
    draw_groups()
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  owner {path.stem[-1]}\n" for path in RAW.rglob("*.png")]
    Path("data/manifests").mkdir()
    Path("data/manifests/shapes.groups").write_text("".join(lines))
    arrange({"groups": "shapes.groups"})
    assert owners("train") & owners("val") == set()
    Path("data/manifests/shapes.groups").write_text("".join(lines[1:]))
    expected = (
        r"^data/raw/shapes: expected a line for each image in data/manifests/shapes\.groups; 1 have none: \w+/\w+\.png$"
    )
    with pytest.raises(ProjectError, match=expected):
        arrange({"groups": "shapes.groups"})
    Path("data/manifests/shapes.groups").write_text("oops\n")
    with pytest.raises(ProjectError, match=r"shapes\.groups, line 1: expected a sha256, a space and a group's name; "):
        arrange({"groups": "shapes.groups"})


def test_names_without_a_group_are_refused(in_folder: Path) -> None:
    write_images(RAW / "cats", 5)
    write_images(RAW / "dogs", 5)
    with pytest.raises(ProjectError, match=r"in which its group_pattern \(_\(\.\)\) finds something; 10 have none: "):
        arrange({"group_pattern": "_(.)"})


def test_too_few_groups_to_split_are_refused(in_folder: Path) -> None:
    for name in ("cats", "dogs"):
        write_images(RAW / name, 5)
    with pytest.raises(ProjectError, match=r"cats: 5 images in whole groups cannot be split into train and val; "):
        arrange({"group_pattern": "png"})


def test_groups_that_folders_tear_apart_are_warned_of(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, first in (("train", 0), ("val", 4)):
        for name in ("cats", "dogs"):
            write_images(RAW / split / name, 6, first)
    arrange({"group_pattern": r"\d+"})
    said = capsys.readouterr().out
    assert "warning: 2 groups have images in more than one of train, val and test: 4, 5\n" in said
    arrange({})
    assert "groups" not in capsys.readouterr().out


def test_copies_of_pictures_are_groups_for_what_follows(in_folder: Path) -> None:
    write_images(RAW / "train/cats", 4)
    write_images(RAW / "val/cats", 2, first=4)
    for split in ("train", "val"):
        write_images(RAW / split / "dogs", 4, first=10 if split == "val" else 0)
    arrange()
    assert not Path("data/shapes/groups.json").exists()
    shutil.copyfile(RAW / "train/cats/0.png", RAW / "train/cats/copy.png")
    arrange()
    groups = json.loads(Path("data/shapes/groups.json").read_text())
    assert groups["train/cats/0.png"] == groups["train/cats/copy.png"]
    assert len(set(groups.values())) == len(groups) - 1
