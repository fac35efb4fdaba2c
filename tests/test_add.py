"""scripts/add.py and what it calls: images of one's own, and other networks, put into the project."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from scripts import add
from scripts.adding.entry import with_entry
from scripts.adding.images import add_images
from scripts.adding.network import add_network
from stages import arrange
from stages.ground.errors import ProjectError
from stages.networks.settings import network_of
from stages.preprocessing.inputs import IMAGENET_MEAN, IMAGENET_STD
from stages.settings import load_params
from tests.conftest import PROJECT, sha256_of

SOURCE, RAW = Path("photos"), Path("data/raw/mine")
drawn = 0


@pytest.fixture
def project(in_folder: Path) -> Path:
    """A folder with this project's params.yaml and dvc.yaml, which the test runs in."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(PROJECT / name, name)
    return in_folder


def draw(*places: str, size: tuple[int, int] = (9, 7)) -> None:
    """Pictures at SOURCE/PLACE, each of another colour, but for a corner."""
    global drawn
    for place in places:
        drawn += 1
        path = SOURCE / place
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", size, (drawn % 16 * 16, drawn // 16 % 16 * 16, drawn // 256 * 16))
        picture.paste((255, 255, 255), (0, 0, size[0], max(1, size[1] // 8)))
        picture.save(path, quality=100)


def draw_classes(*classes: str, count: int = 5, below: str = "") -> None:
    draw(*(f"{below}{name}/{number}.png" for name in classes for number in range(count)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_table(*lines: str, header: str = "file,label") -> Path:
    Path("labels.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return Path("labels.csv")


def refused(problem: str, name: str = "mine", source: Path = SOURCE, table: Path | None = None) -> None:
    """It is said, and nothing is changed."""
    before = contents(Path())
    with pytest.raises(ProjectError, match=f"^{problem}$"):
        add_images(name, source, table)
    assert contents(Path()) == before
    assert not RAW.with_name(f".{RAW.name}.part").exists()


def arranged() -> dict[str, bytes]:
    """What arrange@mine makes, without the splits' names."""
    arrange.main("mine")
    return {place.partition("/")[2]: content for place, content in contents(Path("data/mine")).items()}


@pytest.mark.parametrize("classes", [2, 3, 37])
def test_any_number_of_classes_is_put_in_as_it_is_and_arranged(project: Path, classes: int) -> None:
    draw_classes(*(f"class {number}" for number in range(classes)), count=3)
    add_images("mine", SOURCE, None)
    assert contents(RAW) == contents(SOURCE) == arranged()


def test_names_folders_and_formats_of_all_kinds_are_taken(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw("Große Käfer/eins zwei.JPG", "Große Käfer/tief/er/2.Jpeg", "Große Käfer/3.png", "Große Käfer/4.TIF")
    draw("蝶/1.webp", "蝶/2.BMP", "蝶/é/3.gif", "蝶/4.tiff")
    (SOURCE / "蝶/notes.txt").write_text("no picture")
    (SOURCE / "read me.txt").write_text("nor this")
    add_images("mine", SOURCE, None)
    pictures = {place: content for place, content in contents(SOURCE).items() if not place.endswith(".txt")}
    assert contents(RAW) == pictures == arranged()
    assert "data/mine/train: 6 images (Große Käfer 3, 蝶 3)\n" in capsys.readouterr().out


def test_splits_of_the_folder_stay(project: Path) -> None:
    for split in ("train", "Validation", "test"):
        draw_classes("cats", "dogs", below=f"outer/{split}/")
    add_images("mine", SOURCE, None)
    arrange.main("mine")
    assert {path.name for path in Path("data/mine").iterdir()} == {"train", "val", "test"}
    assert contents(Path("data/mine/val")) == contents(SOURCE / "outer/Validation")


def test_pictures_beside_the_class_folders_are_left_out_even_if_broken(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_classes("cats", "dogs")
    (SOURCE / "imageNotFound.gif").write_bytes(b"no picture")
    add_images("mine", SOURCE, None)
    assert len(contents(RAW)) == 10
    assert "left out: 1 pictures of photos/, in none of its folders (imageNotFound.gif)\n" in capsys.readouterr().out


def as_zip() -> Path:
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for path in sorted(SOURCE.rglob("*.*")):
            archive.write(path, path.relative_to(SOURCE))
    shutil.rmtree(SOURCE)
    return Path("photos.zip")


@pytest.mark.parametrize("zipped", [True, False])
def test_kaggles_flat_folder_is_sorted_by_the_files_names(project: Path, zipped: bool) -> None:
    draw(*(f"train/{name}.{number}.jpg" for name in ("cat", "dog") for number in range(4)))
    wanted = {f"{path.name[:3]}/{path.name}": path.read_bytes() for path in SOURCE.rglob("*.jpg")}
    add_images("mine", as_zip() if zipped else SOURCE, None)
    assert contents(RAW) == wanted == arranged()
    assert [path.name for path in Path("work").glob("*")] == (["locks"] if Path("work/locks").exists() else [])


def test_errors_in_an_archive_name_it_and_nothing_is_left(project: Path) -> None:
    draw_classes("cats", "dogs")
    (SOURCE / "cats/1.png").write_bytes(b"no picture")
    archive = as_zip()
    refused(
        r"photos\.zip: 1 of 10 pictures cannot be used; take them out, or mend them: photos\.zip/cats/1\.png: not a"
        r" whole picture, 10 bytes",
        source=archive,
    )
    archive.write_bytes(archive.read_bytes()[:50])
    refused(r"photos\.zip: not a zip file that can be unpacked \(File is not a zip file\)", source=archive)
    assert list(Path("work").iterdir()) == []


def test_all_broken_files_are_named(project: Path) -> None:
    draw_classes("cats", "dogs")
    for place in ("cats/0.png", "dogs/4.png"):
        (SOURCE / place).write_bytes(b"no picture")
    refused(
        r"photos: 2 of 10 pictures cannot be used; take them out, or mend them: not a whole picture \(2\):"
        " photos/cats/0.png, photos/dogs/4.png"
    )


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ([], "photos: no pictures are below it; expected two or more folders of them, one per class"),
        (
            ["cats/1.png", "cats/2.png"],
            "photos/cats: expected two or more folders of images, one per class. All 2 images lie in one folder, and 2"
            " are not named CLASS.NUMBER.jpg either: 1.png, 2.png. Sort them into folders, or name their classes in a"
            " table: --labels FILE.csv",
        ),
        (
            ["cat.1.png", "dog.2.png", "x.png"],
            "photos: expected two .* All 3 images .* 1 are not named CLASS.NUMBER.jpg either: x.png. Sort .*",
        ),
        (["cat.1.png", "cat.2.png"], r"photos: expected two or more folders of .*; found cat/ \(2 images\)"),
        (["cat.1.png", "Cat.2.png"], r"photos: labels that look the same: .* \(1\): Cat and cat"),
        (["cat.1.png", "test.2.png"], "photos/cat: one image cannot be split .*"),
        (["cats/1.png", "cats/x/2.png"], r"photos: expected two or more folders of .*; found cats/ \(2 images\)"),
        (["cats/1.png", "cats/2.png", "dogs/1.png"], "photos/dogs: one image cannot be split .*"),
        (["val/a/1.png", "val/b/2.png"], r"photos: found val without train\. Expected train/ .*"),
        (
            ["train/a/1.png", "train/b/2.png", "val/a/1.png", "val/c/2.png"],
            "photos: train and val must have the same classes; only one of the two has b, c",
        ),
    ],
)
def test_what_arrange_would_refuse_is_refused(project: Path, places: list[str], problem: str) -> None:
    SOURCE.mkdir()
    draw(*places)
    refused(problem)


def test_an_image_in_two_splits_is_refused(project: Path) -> None:
    for split in ("train", "val"):
        draw_classes("cats", "dogs", below=f"{split}/")
    shutil.copyfile(SOURCE / "train/cats/0.png", SOURCE / "val/cats/9.png")
    refused(r"photos: 1 pictures are in more than one of train, val and test: train/cats/0\.png is val/cats/9\.png\..*")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("My Photos", "'My Photos' cannot be the name of a data set: a name is small letters, digits and _, and .*"),
        ("2024", "'2024' cannot be .*"),
        ("../mine", r"'\.\./mine' cannot be .*"),
        ("raw", "'raw' cannot be .*: the names raw, manifests, embedded and corrections are taken by folders in data/"),
        ("ants_bees", r"params\.yaml has a data set ants_bees already; choose another name"),
        ("here", "data/raw/here is there already; choose another name, or remove it"),
        ("followed", r"data/raw/followed\.dvc is there already; .*"),
        ("left", "data/left is there already; .*"),
    ],
)
def test_a_name_that_is_invalid_or_taken_is_refused(project: Path, name: str, problem: str) -> None:
    draw_classes("cats", "dogs")
    for folder in ("data/raw/here", "data/left"):
        Path(folder).mkdir(parents=True)
    Path("data/raw/followed.dvc").write_text("")
    refused(problem, name)


@pytest.mark.parametrize("place", ["data/raw/mine", "data/raw/mine/inner", "data/raw", "."])
def test_images_that_lie_at_their_place_or_around_it_are_refused(project: Path, place: str) -> None:
    draw_classes("cats", "dogs")
    RAW.parent.mkdir(parents=True)
    shutil.move(SOURCE, RAW / "inner")
    refused(
        re.escape(place) + ": the images are copied to data/raw/mine, so they cannot lie there .*", source=Path(place)
    )


def test_a_source_that_is_not_there_is_refused(project: Path) -> None:
    refused("photos is not there; expected a folder of images or a zip file")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    add_images("mine", SOURCE, None)
    return capsys.readouterr().out


def test_what_is_found_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes("cats", "dogs", count=25)
    draw("cats/small.png", size=(4, 6))
    draw("dogs/large.png", size=(90, 70))
    assert said(capsys) == (
        "52 images of 2 classes; data/mine will be:\n"
        "data/mine/train: 42 images (cats 21, dogs 21)\n"
        "data/mine/val: 10 images (cats 5, dogs 5)\n"
        "sizes in pixels: smallest 4x6, median 9x7, largest 90x70\n"
        "no image is there twice\n"
        "how far to trust a result: with 10 val images one more mistake is 0.100 of accuracy, and 9 right of 10 has"
        " the 95 % interval 0.60 to 0.98\n"
        "\n"
        "They are copied to data/raw/mine; params.yaml has mine under datasets. Next:\n"
        "  dvc add data/raw/mine   # in a project with Git: DVC keeps the images, Git their version\n"
        "  dvc repro draw@mobilenet_v2-mine\n"
        "  dvc repro draw@efficientnet_lite0-mine\n"
        "  dvc repro draw@resnet18-mine\n"
    )
    capsys.readouterr()
    arrange.main("mine")
    assert capsys.readouterr().out == (
        "data/mine/train: 42 images (cats 21, dogs 21)\ndata/mine/val: 10 images (cats 5, dogs 5)\n"
    )


def test_copies_within_a_class_and_between_classes_are_told_apart(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        draw_classes("cats", "dogs", below=f"{split}/")
    shutil.copyfile(SOURCE / "train/cats/0.png", SOURCE / "train/cats/again.png")
    shutil.copyfile(SOURCE / "train/cats/1.png", SOURCE / "train/dogs/other.png")
    output = said(capsys)
    assert (
        "warning: 1 images are there more than once in their class: train/cats/0.png is train/cats/again.png\n"
    ) in output
    assert (
        "warning: 1 images are in more than one class, one of which is wrong: train/cats/1.png is"
        " train/dogs/other.png\n"
    ) in output
    assert "no image is there twice" not in output


def test_few_and_unbalanced_images_are_warned_of(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes("cats", count=20)
    draw_classes("dogs", count=3)
    output = said(capsys)
    assert "warning: unbalanced classes: cats has 16 train images, dogs 2. Accuracy then says little of dogs:" in output
    assert "warning: 18 train images are fewer than variants.unfrozen.batch_size (32) in params.yaml" in output
    assert "variants.frozen.batch_size" not in output


@pytest.mark.parametrize("split", [False, True])
def test_a_table_sorts_the_pictures(project: Path, split: bool, capsys: pytest.CaptureFixture[str]) -> None:
    draw(*(f"{number}.png" for number in range(12)), "deep/er/1.jpg", "not listed.png")
    files = [*(f"{number}.png" for number in range(12)), "deep/er/1.jpg"]
    labels = ["weiße Katze" if number % 2 else "dog" for number in range(13)]
    splits = ["train" if number < 8 else "valid" for number in range(13)]
    rows = [",".join(row[: 3 if split else 2]) for row in zip(files, labels, splits, strict=True)]
    table = write_table(*rows, rows[0], header="\ufefffile,label,split" if split else "\ufefffile, label")
    add_images("mine", SOURCE, table)
    above = ["train/" if number < 8 else "val/" for number in range(13)] if split else [""] * 13
    places = [f"{folder}{label}/{file}" for folder, label, file in zip(above, labels, files, strict=True)]
    assert contents(RAW) == {place: (SOURCE / file).read_bytes() for place, file in zip(places, files, strict=True)}
    assert "left out: 1 pictures that are in no class by labels.csv\n" in capsys.readouterr().out
    assert len(arranged()) == 13


def test_a_class_may_be_called_train_where_the_table_has_splits(project: Path) -> None:
    draw(*(f"{number}.png" for number in range(4)))
    table = write_table(
        "0.png,train,train", "1.png,bus,train", "2.png,train,val", "3.png,bus,val", header="file,label,split"
    )
    add_images("mine", SOURCE, table)
    assert set(arranged()) == {"train/0.png", "bus/1.png", "train/2.png", "bus/3.png"}


def test_all_problems_of_a_table_come_in_one_message(project: Path) -> None:
    draw("1.png", "2.png", "3.png", "4.png", "5.png", "7.png", "8.png")
    (SOURCE / "6.txt").write_text("no picture")
    table = write_table(
        "1.png,cat,train,,more", "gone.png,cat,train,", "2.png,,train,", "2.png,dog,val,", "3.png,a/b,val,",
        "4.png,..,train,", "../labels.csv,cat,train,", "6.txt,Cat,train,", "7.png,dog,mine,", '"8,8.png",x,val,',
        header="file,label,split,author",
    )  # fmt: skip
    refused(
        re.escape(
            "labels.csv: rows with more values than columns (1): line 2 (1.png);"
            " files that are not there (2): line 3 (gone.png), line 11 (8,8.png);"
            " empty labels (1): line 4 ();"
            " files named twice, with different labels or splits (1): line 5 (2.png);"
            " labels that cannot be a folder's name on every system (2): line 6 (a/b), line 7 (..);"
            " files outside of the folder (1): line 8 (../labels.csv);"
            " files that are no pictures (1): line 9 (6.txt);"
            " splits other than train, val and test (1): line 10 (mine);"
            " labels that look the same: write them alike, or tell them apart (1): Cat and cat"
        ),
        table=table,
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"file|label\n1.png|cat\n", "expected the columns file,label or .*; received 'file.label': no file"),
        (b"", r"expected the columns file,label or .*; received none: no file"),
        (b"file,what\n1.png,cat\n", "expected the columns file,label or .*; received 'file', 'what': no label"),
        (b"file,label\n", "expected a row for each picture, below the header; found none"),
        (
            b"file,label\n\xff.png,cat\n",
            r"expected a table of comma-separated values in UTF-8, .* \('utf-8' codec .*\)",
        ),
        (b'file,label\n"1.png,cat\n', r"expected a table of comma-separated values in UTF-8, .* \(unexpected end .*\)"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(project: Path, content: bytes, problem: str) -> None:
    draw("1.png", "2.png")
    Path("labels.csv").write_bytes(content)
    refused(rf"labels\.csv: {problem}", table=Path("labels.csv"))


def test_a_table_that_is_not_there_is_an_error_of_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("1.png")
    monkeypatch.setattr(sys, "argv", ["add", "mine", "photos", "--labels", "gone.csv"])
    with pytest.raises(SystemExit, match="1"):
        add.main()
    assert capsys.readouterr().err == "error: [Errno 2] No such file or directory: 'gone.csv'\n"


def break_at(monkeypatch: pytest.MonkeyPatch, breaks: str, copying: str) -> dict[str, bytes]:
    """Have adding fail there, in a project with Git and DVC: what is there before. `copying` names what copies."""
    for folder in (".git", ".dvc"):
        Path(folder).mkdir()

    def dvc(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path("data/raw/mine.dvc").write_text("")
        return subprocess.CompletedProcess(command, breaks == "dvc add", "", "ERROR: the cache is full")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", dvc)
    if breaks != "dvc add":
        monkeypatch.setattr({"params.yaml": "scripts.adding.data_set.add_entry", "copying": copying}[breaks], fail)
    return contents(Path())


@pytest.mark.parametrize("breaks", ["dvc add", "params.yaml", "copying"])
def test_nothing_half_done_is_left(project: Path, monkeypatch: pytest.MonkeyPatch, breaks: str) -> None:
    draw_classes("cats", "dogs")
    before = break_at(monkeypatch, breaks, "shutil.copyfile")
    with pytest.raises((ProjectError, KeyboardInterrupt), match="full" if breaks == "dvc add" else None):
        add_images("mine", SOURCE, None)
    assert contents(Path()) == before
    assert not RAW.exists()


MOBILENET_V3 = """\
  mobilenet_v3_small:
    source: torchvision
    name: mobilenet_v3_small
    urls:
      - https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth
    sha256: "047dcff4" # as far as its name gives it
    licence: BSD-3-Clause # torchvision's; of the weights it says nothing
    resize: 256
    crop: 224
    fit: crop
    interpolation: bilinear
    mean: [0.485, 0.456, 0.406]
    std: [0.229, 0.224, 0.225]
"""


def test_params_yaml_only_gains_the_lines_of_an_entry(project: Path) -> None:
    draw_classes("cats", "dogs")
    add_images("mine", SOURCE, None)
    add_network("mobilenet_v3_small")
    expected = Path(PROJECT / "params.yaml").read_bytes().decode()
    for lines, below in ((MOBILENET_V3, "\n# Archives"), ("  mine: {}\n", "\n# Ways of training")):
        assert expected.count(below) == 1
        expected = expected.replace(below, lines + below)
    assert Path("params.yaml").read_bytes().decode() == expected
    params = load_params()
    assert (list(params.datasets)[-1], list(params.models)[-1]) == ("mine", "mobilenet_v3_small")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a:\n  x: 1\nb: 2\n", "a:\n  x: 1\n  new: {}\nb: 2\n"),
        ("b: 2\na:\n    x: 1", "b: 2\na:\n    x: 1\n    new: {}\n"),
        ("a:\r\n  x: 1 # why\r\n\r\n# b\r\nb: 2\r\n", "a:\r\n  x: 1 # why\r\n  new: {}\r\n\r\n# b\r\nb: 2\r\n"),
        ("a:\n  x: &one\n    y: [1,\n      2]\n  z: *one\nb: 2\n", None),
        ("a:\n  x:\n  # of b\n\nb: 2\n", "a:\n  x:\n  new: {}\n  # of b\n\nb: 2\n"),
        ("a:\n  x:\n  - 1\n  - {é: 2}\nb: 2\n", "a:\n  x:\n  - 1\n  - {é: 2}\n  new: {}\nb: 2\n"),
    ],
)
def test_an_entry_comes_after_the_last_of_its_section_however_that_is_written(text: str, after: str | None) -> None:
    result = with_entry(text, "a", ["new: {}"])
    assert result == (after or text.replace("*one\n", "*one\n  new: {}\n"))
    old, new = yaml.safe_load(text), yaml.safe_load(result)
    assert new == {**old, "a": {**old["a"], "new": {}}}


def test_a_section_in_braces_is_not_guessed_at() -> None:
    with pytest.raises(ProjectError, match=r"^params\.yaml: a is written in braces; write one entry a line, without"):
        with_entry("a: {x: 1}\n", "a", ["new: {}"])


def test_a_checksum_of_digits_alone_stays_text(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.adding.network.to_graph", lambda *_: None)
    add_network("vgg13")
    assert load_params().models["vgg13"].sha256 == "19584684"


@pytest.mark.parametrize(
    ("name", "key", "look"),
    [
        ("swin_t", "swin_t", (232, 224, "bicubic", list(IMAGENET_MEAN), list(IMAGENET_STD))),
        ("efficientnet_v2_l", "efficientnet_v2_l", (480, 480, "bicubic", [0.5, 0.5, 0.5], [0.5, 0.5, 0.5])),
        ("timm/tf_efficientnet_lite1.in1k", "tf_efficientnet_lite1", (272, 240, "bicubic", [0.5] * 3, [0.5] * 3)),
        (
            "timm/resnet18.tv_in1k",
            "resnet18_tv_in1k",
            (256, 224, "bilinear", list(IMAGENET_MEAN), list(IMAGENET_STD)),
        ),
    ],
)
def test_a_network_is_put_in_with_the_images_that_its_library_says_it_expects(
    project: Path, name: str, key: str, look: tuple, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.adding.network.to_graph", lambda *_: None)  # which takes long of large networks
    add_network(name)
    model = load_params().models[key]
    assert network_of(model) == name
    assert (model.resize, model.crop, model.interpolation, model.mean, model.std) == look
    assert f"\n  dvc repro draw@{key}-cats_dogs\n" in capsys.readouterr().out


def test_a_network_that_onnx_cannot_hold_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 18, None)

    monkeypatch.setattr(torch.onnx, "export", unsupported)
    before = contents(project)
    with pytest.raises(ProjectError, match=r"^ConvNeXt cannot be written as an ONNX graph \(.*aten::strange"):
        add_network("timm/convnext_atto.d2_in1k")
    assert contents(project) == before


def test_weights_are_named_where_the_library_gives_no_checksum(project: Path) -> None:
    name, file = "timm/mobilenetv4_conv_small.e2400_r224_in1k", Path("w.safetensors")
    problem = f"^{re.escape(name)}: timm says no checksum of its weights .*: --weights FILE$"
    with pytest.raises(ProjectError, match=problem):
        add_network(name)
    file.write_bytes(b"weights")
    add_network(name, str(file))
    model = load_params().models["mobilenetv4_conv_small"]
    assert (model.urls, model.sha256, model.licence) == (["w.safetensors"], sha256_of(file), "apache-2.0")
    with pytest.raises(ProjectError, match=r"^https://x\.org/a\.pth is no file here and does not end in a checksum"):
        add_network("timm/convnext_atto.d2_in1k", "https://x.org/a.pth")
    add_network("timm/convnext_atto.d2_in1k", "https://x.org/a.pth", "0123ABCD")
    assert load_params().models["convnext_atto"].sha256 == "0123abcd"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("resnet18", "params.yaml has the network resnet18 already, under resnet18"),
        ("timm/resnt34", "'timm/resnt34': no network of timm; did you mean resnet34?"),
        ("timm/resnet34.none", "resnet34.none: Invalid pretrained tag (none) for resnet34.; expected timm's"),
        ("timm/deit_tiny_distilled_patch16_224.fb_in1k", "VisionTransformerDistilled has no last layer, or several;"),
        ("resnt34", "'resnt34': no classification network of torchvision; did you mean resnet34?"),
        (
            "googlenet",
            "googlenet cannot be used: in training it answers with a tuple. Choose another network in params",
        ),
        ("inception_v3", "inception_v3 cannot be used: in training it answers with a tuple."),
        (
            "maxvit_t",
            "the last layer of MaxVit is classifier.5, a Linear without a bias; expected a Linear with a bias",
        ),
        ("squeezenet1_1", "the last layer of SqueezeNet is classifier.1, a Conv2d; expected a Linear with a bias"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused(project: Path, name: str, problem: str) -> None:
    before = contents(project)
    with pytest.raises(ProjectError, match=f"^{re.escape(problem)}"):
        add_network(name)
    assert contents(project) == before


@pytest.mark.parametrize(
    "arguments", [[], ["mine"], ["--model", "resnet34", "mine", "photos"], ["--model", "resnet34", "--labels", "x"]]
)
def test_wrong_arguments_are_answered_with_the_right_ones(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["add", *arguments])
    with pytest.raises(SystemExit, match="2"):
        add.main()
    assert "error: expected NAME and PATH, or --model alone" in capsys.readouterr().err


def test_the_command_puts_images_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_classes("cats", "dogs")
    monkeypatch.setattr(sys, "argv", ["add", "mine", "photos"])
    add.main()
    assert contents(RAW) == contents(SOURCE)


def test_a_tables_groups_go_with_the_images(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(*(f"{number}.png" for number in range(20)))
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'},patient {number // 4}" for number in range(20)]
    add_images("mine", SOURCE, write_table(*rows, header="file,label,Patient ID"))
    assert "Patient ID is taken as group" in capsys.readouterr().out
    assert load_params().datasets["mine"].groups == "mine.groups"
    assert len(Path("data/manifests/mine.groups").read_text().splitlines()) == 20
    arrange.main("mine")
    patients = {
        split: {int(path.stem) // 4 for path in Path(f"data/mine/{split}").rglob("*.png")} for split in ("train", "val")
    }
    assert patients["train"] & patients["val"] == set()
    assert len(patients["val"]) == 1


def test_groups_may_be_found_in_names(project: Path) -> None:
    draw(*(f"{name}/{number // 3}_{number}.png" for name in ("cat", "dog") for number in range(15)))
    add_images("mine", SOURCE, group_pattern=r"^(\d+)_")
    assert load_params().datasets["mine"].group_pattern == r"^(\d+)_"
    arrange.main("mine")
    people = {
        split: {path.stem.partition("_")[0] for path in Path(f"data/mine/{split}").rglob("*.png")}
        for split in ("train", "val")
    }
    assert people["train"] & people["val"] == set()


def test_groups_that_cannot_be_used_leave_nothing_behind(project: Path) -> None:
    draw(*(f"{number}.png" for number in range(4)))
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'},{number if number else ''}" for number in range(4)]
    before = contents(Path())
    with pytest.raises(ProjectError, match=r"^labels\.csv: rows without a person \(1\): line 2 \(0\.png\)$"):
        add_images("mine", SOURCE, write_table(*rows, header="file,label,person"))
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'},one" for number in range(4)]
    with pytest.raises(ProjectError, match=r"photos/cat: 2 images in whole groups cannot be split"):
        add_images("mine", SOURCE, write_table(*rows, header="file,label,person"))
    with pytest.raises(ProjectError, match=r"group_pattern is no regular expression: "):
        add_images("mine", SOURCE, write_table(*rows), group_pattern="(")
    assert {name: of for name, of in contents(Path()).items() if name != "labels.csv"} == before
