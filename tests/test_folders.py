"""Folders, archives and tables as people have them: each is taken as they mean it, or with a line on what is left out,
or refused with what helps. A row of the table is a case; see `Case`.
"""

import io
import re
import shutil
import tarfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scripts import repro
from scripts.adding.images import add_images
from stages import arrange
from stages.ground.errors import ProjectError
from tests.conftest import PROJECT

SOURCE, RAW, ARRANGED = Path("photos"), Path("data/raw/mine"), Path("data/mine")
TWO = {"train/cats": 4, "train/dogs": 4, "val/cats": 1, "val/dogs": 1}  # five of each, a fifth of which validates
SAID = re.compile(
    r"left out: |note: |warning: |.* (is|are) taken as |.*passed over|no folder says|\d+ pictures have more"
)
VALIDATES = r"no folder says which images validate: 0\.2 of each class's train images do"
GRADIENT = np.linspace(0, 255, 12).astype(np.uint8).reshape(3, 4)
Make = Callable[[], object]
rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """What lies at SOURCE, and what comes of `python -m scripts.add mine SOURCE`, and of arrange then.

    taken: {"SPLIT/CLASS": images}, or none where it is refused; says: each line that a reader is told of beside counts,
    or the error, as regular expressions that match them whole.
    """

    make: tuple[Make, ...]
    says: list[str] = field(default_factory=list)
    taken: dict[str, int] | None = None
    options: dict[str, object] = field(default_factory=dict)
    source: Path = SOURCE


def encoded(pixels: np.ndarray | None = None, kind: str = "PNG", **options: object) -> bytes:
    """A small picture; each has other pixels, unless they are given."""
    if pixels is None:
        pixels = rng.integers(0, 256, (6, 7, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def put(place: str, content: bytes | None = None) -> Make:
    def make() -> None:
        path = SOURCE / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded() if content is None else content)

    return make


def several(*folders: str, count: int = 5, name: str = "{}.png") -> Make:
    def make() -> None:
        for folder in folders:
            for number in range(count):
                put(f"{folder}/{name.format(number)}")()

    return make


def folder(place: str) -> Make:
    return lambda: (SOURCE / place).mkdir(parents=True)


def link(place: str, target: str) -> Make:
    """To a place that is relative to this one."""

    def make() -> None:
        (SOURCE / place).parent.mkdir(parents=True, exist_ok=True)
        (SOURCE / place).symlink_to(target)

    return make


def elsewhere(place: str, count: int = 5) -> Make:
    """Pictures beside SOURCE."""
    return lambda: [
        (Path(place).mkdir(exist_ok=True), Path(place, f"{number}.png").write_bytes(encoded()))
        for number in range(count)
    ]


def zipped() -> None:
    """SOURCE as a zip file at zipped.zip."""
    with zipfile.ZipFile("zipped.zip", "w") as file:
        for path in sorted(SOURCE.rglob("*")):
            file.write(path, path.relative_to(SOURCE))


def tarred() -> None:
    with tarfile.open("photos.tar.gz", "w:gz") as file:
        file.add(SOURCE)


def table(text: str, encoding: str = "utf-8") -> Make:
    return lambda: Path("labels.csv").write_bytes(text.encode(encoding))


def params(change: Callable[[str], str]) -> Make:
    return lambda: Path("params.yaml").write_text(change(Path("params.yaml").read_text()))


def deep(place: str, values: list[float], kind: type, count: int = 5) -> Make:
    """TIFF files, each pixel of which is one of `values`."""

    def make() -> None:
        for number in range(count):
            seed = [number, *place.encode()]
            pixels = np.random.default_rng(seed).permuted(np.tile(np.array(values, kind), (number + 4, 2)))
            put(f"{place}/{number}.tif", encoded(pixels, "TIFF"))()

    return make


CATS_DOGS = several("cats", "dogs")
LABELS = {"table": Path("labels.csv")}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256))
ROWS = "".join(f"{n:04}x,{'cat' if n % 2 else 'dog'}\n" for n in range(10))
NUMBERED = several(".", count=10, name="{:04}x.png")
LOSE_HALF = "lose more than half to the middle square, all that a network with fit: crop sees"
LONG = [
    put(place, encoded(rng.integers(0, 256, (8, 40, 3), np.uint8)))
    for place in (*(f"dogs/{number}.png" for number in range(5)), "cats/0.png", "cats/1.png")
]


def pad_at(keys: str) -> str:
    said = "the middle square is 20% of the median picture, and all that is seen of it"
    return f"note: {said}: set {keys} in params.yaml to pad, which shows the rest as well"


CASES: dict[str, Case] = {
    # splits and classes
    "Kaggle's Training and Testing": Case(
        (several("Training/glioma", "Training/none"), several("Testing/glioma", "Testing/none", count=2)),
        ["Training/ is taken as train", "Testing/ is taken as test", VALIDATES],
        {"train/glioma": 4, "train/none": 4, "val/glioma": 1, "val/none": 1, "test/glioma": 2, "test/none": 2},
    ),
    "seg_train, seg_test and seg_pred": Case(
        (
            several("seg_train/a", "seg_train/b"),
            several("seg_test/a", "seg_test/b", count=1),
            several("seg_pred", count=3),
        ),
        [
            "seg_train/ is taken as train",
            "seg_test/ is taken as test",
            VALIDATES,
            "left out: seg_pred/, 3 pictures beside the folders of splits",
        ],
        {"train/a": 4, "train/b": 4, "val/a": 1, "val/b": 1, "test/a": 1, "test/b": 1},
    ),
    "training_set and test_set, wrapped twice": Case(
        (several("x/y/training_set/cats", "x/y/training_set/dogs"), several("x/y/test_set/cats", "x/y/test_set/dogs")),
        ["training_set/ is taken as train", "test_set/ is taken as test", VALIDATES],
        {**TWO, "test/cats": 5, "test/dogs": 5},
    ),
    "train and dev": Case(
        (several("train/cats", "train/dogs", count=4), several("dev/cats", "dev/dogs", count=1)),
        ["dev/ is taken as val"],
        TWO,
    ),
    "TRAIN and eval": Case(
        (several("TRAIN/cats", "TRAIN/dogs", count=4), several("eval/cats", "eval/dogs", count=1)),
        ["eval/ is taken as val"],
        TWO,
    ),
    "train2017 and val2017": Case(
        (several("train2017/cats", "train2017/dogs", count=4), several("val2017/cats", "val2017/dogs", count=1)),
        ["train2017/ is taken as train", "val2017/ is taken as val"],
        TWO,
    ),
    "trainset and testset and validation": Case(
        (
            several("trainset/cats", "trainset/dogs", count=4),
            several("validation/cats", "validation/dogs", count=1),
            several("testset/cats", "testset/dogs", count=1),
        ),
        ["trainset/ is taken as train", "validation/ is taken as val", "testset/ is taken as test"],
        {**TWO, "test/cats": 1, "test/dogs": 1},
    ),
    "train alone": Case((several("train/cats", "train/dogs"),), [VALIDATES], TWO),
    "val alone": Case((several("val/cats", "val/dogs"),), ["photos: found val without train. Expected train/ .*"]),
    "test and val": Case(
        (several("val/cats", "val/dogs", "test/cats", "test/dogs"),), ["photos: found val and test without train. .*"]
    ),
    "valid and validation": Case(
        (several("train/a", "train/b", "valid/a", "valid/b", "validation/a", "validation/b"),),
        [
            "photos: valid/ and validation/ are both val; keep one of them, or say which are which: --split train=train"
            " --split valid=val --split validation=val"
        ],
    ),
    "folds": Case(
        (several(*(f"fold_{n}/{name}" for n in (1, 2, 3) for name in ("cats", "dogs"))),),
        [
            r"photos: of the folders fold_1, fold_2, fold_3, several hold folders of one name \(cats, dogs\), so they"
            " may be no classes. If they are splits, say which are which: --split FOLDER=train --split FOLDER=val, .*"
        ],
    ),
    "folds of which the user says which": Case(
        (several(*(f"fold_{n}/{name}" for n in (1, 2, 3, 4) for name in ("cats", "dogs")), count=2),),
        [
            "fold_1/ is taken as train",
            "fold_2/ is taken as train",
            "fold_3/ is taken as val",
            "left out: fold_4/, 4 pictures beside the folders of splits",
        ],
        {"train/cats": 4, "train/dogs": 4, "val/cats": 2, "val/dogs": 2},
        {"splits": {"fold_1": "train", "fold_2": "train", "fold_3": "val"}},
    ),
    "a split that is not there": Case(
        (several("a/cats", "a/dogs", "c/cats"),),
        ["photos has no folder b with pictures; it has a, c"],
        options={"splits": {"b": "val"}},
    ),
    "a split without classes": Case(
        (several("a/cats", "a/dogs", "b"),),
        ["photos/b: expected folders, one per class; it holds pictures itself"],
        options={"splits": {"a": "train", "b": "val"}},
    ),
    "two sites with the same classes": Case(
        (several("Berlin/ill", "Berlin/well", "Paris/ill", "Paris/well"),),
        [r"photos: of the folders Berlin, Paris, several hold folders of one name \(ill, well\), so they may be no .*"],
    ),
    "folds that lack a class": Case(
        (several("fold_1/a", "fold_1/b", "fold_1/c", "fold_2/a", "fold_3/b", count=1),),
        [r"photos: of the folders .* hold folders of one name \(a, b\), so .*"],
    ),
    "two cameras with one class in common": Case(
        (several("cam1/good", "cam2/good", "cam2/bad"),), [r"photos: .* hold folders of one name \(good\), so .*"]
    ),
    "sites with splits in them": Case(
        (several("A/train/x", "A/train/y", "B/train/x", "B/train/y"),),
        ["photos: A/ holds the folders of splits: give the folder A alone"],
    ),
    "groups within splits": Case(
        (several("train/g1/a", "train/g1/b", "train/g2/a", "val/g1/a", "val/g2/a"),),
        [r"photos/train: of the folders g1, g2, several hold folders of one name \(a\), so .*"],
    ),
    "classes with splits in them": Case(
        (several("cats/train", "dogs/train", count=4), several("cats/val", "dogs/val", count=1)),
        ["the folders in each class's folder are taken as its splits"],
        TWO,
    ),
    "names that speak of splits": Case(
        (several("Train_v2/a", "Train_v2/b", "Test_v2/a", "Test_v2/b"),),
        ["photos: of the folders .*: --split Test_v2=test --split Train_v2=train; if they are classes, .*"],
    ),
    "flat folders of splits by class": Case(
        (several("train_cats", "train_dogs", "test_cats", "test_dogs"),),
        ["photos: test_cats, test_dogs, train_cats, train_dogs are called as splits, and have no class folders in .*"],
    ),
    "trainA and testA": Case(
        (several("trainA", "trainB", "testA", "testB"),), ["photos: .* are called as splits, and have no class .*"]
    ),
    "train of folders beside bus and car": Case(
        (several("train/steam", "train/diesel", "bus", "car"),),
        ["photos: train holds folders, as a split does, and lies beside bus, car, which may be classes: .*"],
    ),
    "splits within splits of the same name": Case(
        (
            several("seg_train/seg_train/a", "seg_train/seg_train/b"),
            several("seg_test/seg_test/a", "seg_test/seg_test/b"),
            several("seg_pred/seg_pred", count=3),
        ),
        [
            "seg_train/ is taken as train",
            "seg_test/ is taken as test",
            VALIDATES,
            "left out: seg_pred/, 3 pictures beside the folders of splits",
        ],
        {"train/a": 4, "train/b": 4, "val/a": 1, "val/b": 1, "test/a": 5, "test/b": 5},
    ),
    "a wrapper beside samples": Case(
        (several("data/cats", "data/dogs"), several("samples")),
        [r"note: folders in a class's folder are one class with it: data/ \(cats, dogs\)"],
        {"train/data": 8, "val/data": 2, "train/samples": 4, "val/samples": 1},
    ),
    "a wrapper beside a cover": Case(
        (several("x/train/cats", "x/train/dogs"), put("cover.png")),
        [r"left out: 1 pictures of photos/, in none of its folders \(cover.png\)", VALIDATES],
        TWO,
    ),
    "many pictures beside the classes of val": Case(
        (
            several("train/cats", "train/dogs", count=4),
            several("val/cats", "val/dogs", count=1),
            several("val", count=9),
        ),
        [r"left out: 9 pictures of val/, in none of its folders \(0.png, .* and 4 more\)"],
        TWO,
    ),
    "classes called valid and invalid": Case(
        (several("valid", "invalid"),), [], {"train/valid": 4, "train/invalid": 4, "val/valid": 1, "val/invalid": 1}
    ),
    "classes called train, bus and car": Case(
        (several("train", "bus", "car"),),
        [],
        {f"{split}/{name}": n for split, n in (("train", 4), ("val", 1)) for name in ("train", "bus", "car")},
    ),
    "classes called test and control": Case(
        (several("test", "control"),), [], {"train/test": 4, "train/control": 4, "val/test": 1, "val/control": 1}
    ),
    "classes of folders": Case(
        (several("cats/old", "cats/new", "dogs", count=5),),
        [r"note: folders in a class's folder are one class with it: cats/ \(new, old\)"],
        {"train/cats": 8, "train/dogs": 4, "val/cats": 2, "val/dogs": 1},
    ),
    "flat train and test": Case(
        (several("train", "test"),),
        ["photos: test, train are called as splits, and have no class folders in them: .*--labels FILE.csv.*"],
    ),
    "flat train, val and test": Case(
        (several("train", "val", "test"),),
        ["photos: test, train, val are called as splits, and have no class folders .*"],
    ),
    "flat train by name, and a test without labels": Case(
        (several("train", name="cat.{}.png"), several("train", name="dog.{}.png"), several("test1", count=3)),
        [
            "the beginnings of the files' names are taken as classes: cat, dog",
            "left out: 3 pictures of no class, beside train/",
            VALIDATES,
        ],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
    ),
    "flat train and val by name": Case(
        (
            several("train", count=4, name="cat.{}.png"),
            several("train", count=4, name="dog.{}.png"),
            several("val", count=1, name="cat.{}.png"),
            several("val", count=1, name="dog.{}.png"),
        ),
        ["the beginnings of the files' names are taken as classes: cat, dog"],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
    ),
    "dates in place of classes": Case(
        (several(".", name="2024.01.{}.jpg"),),
        ["photos: .* 5 are not named CLASS.NUMBER.jpg either: 2024.01.0.jpg, .*"],
    ),
    "a flat test beside train and val": Case(
        (several("train/cats", "train/dogs", count=4), several("val/cats", "val/dogs", count=1), several("test")),
        ["left out: test/, 5 pictures beside the folders of splits"],
        TWO,
    ),
    "pictures beside the classes of train": Case(
        (several("train/cats", "train/dogs"), put("train/sheet.png"), put("cover.png")),
        [
            r"left out: 1 pictures of train/, in none of its folders \(sheet.png\)",
            r"left out: 1 pictures of photos/, in none of its folders \(cover.png\)",
            VALIDATES,
        ],
        TWO,
    ),
    "images and masks": Case(
        (several("images", "masks"),), ["photos: images, masks are no classes, but what is shown .*"]
    ),
    "images and masks in each class": Case(
        (several("covid/images", "covid/masks", "normal/images", "normal/masks"),),
        [
            "left out: covid/masks/, 5 pictures of what is marked in others",
            "left out: normal/masks/, 5 pictures of what is marked in others",
        ],
        {"train/covid": 4, "train/normal": 4, "val/covid": 1, "val/normal": 1},
    ),
    "masks in a class, and annotations beside it": Case(
        (CATS_DOGS, several("cats/masks"), several("annotations")),
        [
            "left out: cats/masks/, 5 pictures of what is marked in others",
            "left out: annotations/, 5 pictures of what is marked in others",
        ],
        TWO,
    ),
    "mask and no_mask": Case(
        (several("mask", "no_mask"),), [], {"train/mask": 4, "train/no_mask": 4, "val/mask": 1, "val/no_mask": 1}
    ),
    "masks among the pictures": Case(
        (CATS_DOGS, put("cats/0_mask.png"), put("cats/1_mask.png"), put("cats/face_mask.png")),
        [
            r"warning: 2 pictures are called as masks of others, and train too: cats/0_mask.png, cats/1_mask.png|"
            r"warning: 2 pictures are called as masks of others, and train too: 0_mask.png, 1_mask.png"
        ],
        {"train/cats": 6, "train/dogs": 4, "val/cats": 2, "val/dogs": 1},
    ),
    # names
    "Cat and cat": Case(
        (several("Cat", "cat", "dog"),),
        [r"photos: classes whose names look the same: put them together, or rename one \(1\): Cat and cat"],
    ),
    "two ways to write an accent": Case(
        (several(unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")),),
        [r"photos: classes whose names look the same: .*\(cafe\\u0301\) and .*\(caf\\xe9\)"],
    ),
    "a space and an underscore": Case(
        (several("golden retriever", "golden_retriever"),), ["photos: classes whose names look the same: .*"]
    ),
    "a Cyrillic letter": Case(
        (several("cat", "\u0441\u0430t"),), [r"photos: .* look the same: .*: cat and .*t \(.u0441.u0430t\)"]
    ),
    "a mark that does not show": Case((several("cat", "ca\u200bt"),), ["photos: .* look the same: .*"]),
    "letters of full width": Case((several("cat", "\uff43\uff41\uff54"),), ["photos: .* look the same: .*"]),
    "0 and O": Case((several("0", "O"),), [], {"train/0": 4, "train/O": 4, "val/0": 1, "val/O": 1}),
    "another spelling in val": Case(
        (several("train/Cat", "train/dog", "val/cat", "val/dog"),),
        ["photos: train and val must have the same classes; only one of the two has Cat, cat"],
    ),
    "a class of two lines": Case(
        (several("a\nb", "c"),), [r"photos: labels that cannot be a folder's name .*: 'a\\nb'"]
    ),
    "a class with a tab": Case((several("a\tb", "c"),), [r"photos: labels that cannot be a folder's name .*: 'a\\tb'"]),
    "a class that Windows cannot write": Case((several("a:b", "con"),), ["photos: labels that .*: 'a:b', 'con'"]),
    "a class with a space at its end": Case((several("cat ", "dog"),), ["photos: labels that cannot be .*: 'cat '"]),
    "a class that ends in .part": Case(
        (several("a.part", "b"),), [], {"train/a.part": 4, "train/b": 4, "val/a.part": 1, "val/b": 1}
    ),
    # what is not the user's, or no picture
    "a notebook's checkpoints": Case(
        (CATS_DOGS, several("cats/.ipynb_checkpoints"), put(".DS_Store", b"x")),
        [r"left out: 2 files and folders that are hidden or a system's \(1 \.DS_Store, 1 \.ipynb_checkpoints\)"],
        TWO,
    ),
    "what photo programs keep": Case(
        (
            CATS_DOGS,
            several(".dtrash/cats", ".thumbnails/normal", "dogs/@eaDir", "$RECYCLE.BIN"),
            put("cats/Thumbs.db", b"x"),
        ),
        [r"left out: 5 files and folders that are hidden or a system's \(.*\)"],
        TWO,
    ),
    "what macOS puts into archives": Case(
        (CATS_DOGS, several("__MACOSX/cats", name="._{}.png"), put("cats/._0.png", b"x")),
        [r"left out: 2 files and folders that are hidden or a system's \(1 __MACOSX, 1 \._0\.png\)"],
        TWO,
    ),
    "the same as an archive": Case(
        (CATS_DOGS, several("__MACOSX/cats", name="._{}.png"), put("cats/._0.png", b"x"), zipped),
        [r"left out: 6 files and folders that are hidden or a system's \(5 __MACOSX, 1 \._0\.png\)"],
        TWO,
        source=Path("zipped.zip"),
    ),
    "an empty folder": Case(
        (CATS_DOGS, folder("New folder")), [r"left out: 1 folders of photos/, without pictures \(New folder\)"], TWO
    ),
    "annotations beside the classes": Case(
        (CATS_DOGS, put("annotations/1.xml", b"<a/>"), put("annotations/2.xml", b"<a/>")),
        [
            r"left out: 1 folders of photos/, without pictures \(annotations\)",
            r"left out: 2 files that are no pictures \(2 \.xml\)",
        ],
        TWO,
    ),
    "the same as an archive, too": Case(
        (CATS_DOGS, put("annotations/1.xml", b"<a/>"), put("annotations/2.xml", b"<a/>"), zipped),
        [
            r"left out: 1 folders of .*/, without pictures \(annotations\)",
            r"left out: 2 files that are no pictures \(2 \.xml\)",
        ],
        TWO,
        source=Path("zipped.zip"),
    ),
    "linked classes": Case((elsewhere("c"), elsewhere("d"), link("cats", "../c"), link("dogs", "../d")), [], TWO),
    "one linked class": Case((several("cats"), elsewhere("d"), link("dogs", "../d")), [], TWO),
    "linked pictures": Case(
        (several("cats"), elsewhere("d"), *(link(f"dogs/{n}.png", f"../../d/{n}.png") for n in range(5))), [], TWO
    ),
    "a link in a circle": Case(
        (CATS_DOGS, link("cats/all", "..")), [r"left out: 1 links to a folder that they are in \(cats/all\)"], TWO
    ),
    "links to nowhere": Case(
        (CATS_DOGS, link("cats/9.png", "gone.png"), link("dogs/8", "dogs")),
        [r"left out: 2 links to nowhere \(cats/9\.png, dogs/8\)"],
        TWO,
    ),
    "pointers of Git LFS": Case(
        (lambda: [put(f"{name}/{n}.jpg", POINTER)() for name in ("a", "b") for n in range(30)],),
        [
            r"photos: 60 of 60 pictures cannot be used; take them out, or mend them: a pointer of Git LFS, not the"
            r" file itself: run git lfs pull \(60\): photos/a/\d+\.jpg, .* and 55 more"
        ],
    ),
    "a pointer of git-annex": Case(
        (CATS_DOGS, put("cats/9.jpg", b"/annex/objects/SHA256E-s1--0a.jpg\n")),
        ["photos: 1 of 11 .*: photos/cats/9.jpg: a pointer of git-annex, not the file itself: run git annex get"],
    ),
    "an empty file": Case(
        (CATS_DOGS, put("cats/9.jpg", b"")), ["photos: 1 of 11 .*: photos/cats/9.jpg: empty, as a copy .*"]
    ),
    "zeros": Case(
        (CATS_DOGS, put("cats/9.jpg", bytes(9999))), ["photos: 1 of 11 .*/9.jpg: nothing but zeros, as a copy .*"]
    ),
    "a web page": Case(
        (CATS_DOGS, put("cats/9.jpg", b"<!DOCTYPE html><title>404</title>")),
        ["photos: 1 of 11 .*/9.jpg: a web page, not the file itself: download it anew"],
    ),
    "HEIC under another name": Case(
        (CATS_DOGS, put("cats/9.jpg", HEIC)), ["photos: 1 of 11 .*/9.jpg: a HEIC picture: convert it to JPEG, .*"]
    ),
    "some HEIC": Case(
        (CATS_DOGS, put("cats/8.HEIC", HEIC), put("cats/9.heic", HEIC)),
        [r"left out: 2 files, each a HEIC picture: convert it to JPEG, .* \(cats/8\.HEIC, cats/9\.heic\)"],
        TWO,
    ),
    "a class of HEIC alone": Case(
        (CATS_DOGS, put("eels/8.HEIC", HEIC), put("eels/9.HEIC", HEIC)),
        ["photos/eels: no picture, but 2 files, each a HEIC picture: convert it to JPEG, as heif-convert does"],
    ),
    "nothing but HEIC": Case(
        (put("eels/8.HEIC", HEIC),),
        ["photos: no pictures are below it; .*; left out: 1 files, each a HEIC picture: .*"],
    ),
    "a class of HEIC alone, in a zip file": Case(
        (CATS_DOGS, put("eels/8.HEIC", HEIC), put("eels/9.HEIC", HEIC), zipped),
        ["zipped.zip/eels: no picture, but 2 files, each a HEIC picture: convert it to JPEG, as heif-convert does"],
        source=Path("zipped.zip"),
    ),
    "a class of HEIC alone, in a split": Case(
        (several("train/cats", "train/dogs"), put("train/eels/8.HEIC", HEIC)),
        ["photos/train/eels: no picture, but 1 files, each a HEIC picture: .*"],
    ),
    "placeholders of iCloud": Case(
        (CATS_DOGS, put("cats/.9.jpg.icloud", b"bplist00")),
        [r"left out: 1 files, each a file that iCloud keeps elsewhere: have it downloaded \(cats/.9.jpg.icloud\)"],
        TWO,
    ),
    "a class of placeholders": Case(
        (CATS_DOGS, put("eels/.9.jpg.icloud", b"bplist00")),
        ["photos/eels: no picture, but 1 files, each a file that iC.*"],
    ),
    "a class of links to nowhere": Case(
        (CATS_DOGS, link("eels/1.jpg", "gone.jpg")), ["photos/eels: no picture, but 1 links to nowhere"]
    ),
    "a link to itself": Case(
        (CATS_DOGS, link("cats/9.png", "9.png")), [r"left out: 1 links to nowhere \(cats/9\.png\)"], TWO
    ),
    "copies that programs keep": Case(
        (CATS_DOGS, put("cats/0.png~"), put("cats/0.png_original"), put("dogs/1.bak"), put("dogs/2.png.crdownload")),
        [r"left out: 4 files that programs kept of others, or did not finish \(.*\)"],
        TWO,
    ),
    "raw files of a camera": Case(
        (CATS_DOGS, put("cats/9.NEF", encoded(kind="TIFF"))),
        [r"left out: 1 files, each a camera's raw file: develop it to JPEG \(cats/9\.NEF\)"],
        TWO,
    ),
    "videos, drawings and notes": Case(
        (
            CATS_DOGS,
            put("cats/1.mp4", b"\0\0\0\x18ftypisom"),
            put("cats/a.svg", b"<svg xmlns='x'/>"),
            put("notes.txt", b"x"),
            put("cats/notes.txt", b"y"),
            put("cats/README", b"z"),
        ),
        [
            r"left out: 1 files, each a drawing in SVG: export it as PNG \(cats/a\.svg\)",
            r"left out: 1 files, each a video: .* \(cats/1\.mp4\)",
            r"left out: 3 files that are no pictures \(2 \.txt, 1 no suffix\)",
        ],
        TWO,
    ),
    # pictures
    "other suffixes, and none": Case(
        (
            *(
                put(f"cats/{n}{suffix}", encoded(None, kind))
                for n, (suffix, kind) in enumerate(
                    ((".jfif", "JPEG"), (".JPE", "JPEG"), (".avif", "AVIF"), (".ppm", "PPM"), ("", "PNG"))
                )
            ),
            *(
                put(f"dogs/{n}{suffix}", encoded(None, kind))
                for n, (suffix, kind) in enumerate(
                    (
                        (".txt", "PNG"),
                        (".jp2", "JPEG2000"),
                        (".PNM", "PPM"),
                        (".image", "WEBP"),
                        (".jpeg_large", "JPEG"),
                    )
                )
            ),
        ),
        [],
        TWO,
    ),
    "transparent everywhere": Case(
        (
            CATS_DOGS,
            *(
                put(
                    f"cats/{n}.png",
                    encoded(np.dstack([rng.integers(0, 256, (6, 7, 3)), np.zeros((6, 7))]).astype(np.uint8)),
                )
                for n in range(5)
            ),
        ),
        [r"note: 5 pictures are transparent everywhere; their colours are taken as they are: .*"],
        TWO,
    ),
    "12 bits in 16": Case(
        (deep("cats", [0, 2000, 4095], np.uint16), deep("dogs", [9, 1000, 4000], np.uint16)),
        [r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 4095 white \(.*\); values: .*"],
        TWO,
    ),
    "8 bits in 32": Case(
        (deep("cats", [0, 100, 255], np.int32), deep("dogs", [0, 90, 200], np.int32)),
        [r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 255 white .*"],
        TWO,
    ),
    "Hounsfield's numbers": Case(
        (deep("cats", [-1000, 0, 1500], np.int32), deep("dogs", [-1000, 40, 3000], np.int32)),
        [r"10 pictures have more than 8 bits: of all of them, -1000 becomes black and 3000 white .*"],
        TWO,
    ),
    "shares as floating point numbers": Case(
        (deep("cats", [0, 0.25, 1], np.float32), deep("dogs", [0.1, 0.5, 0.9], np.float32)),
        [r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 1 white .*"],
        TWO,
    ),
    "dark among bright": Case(
        (deep("cats", [0, 60000], np.uint16), deep("dogs", [0, 4000], np.uint16)),
        [
            r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 65535 white .*",
            "warning: 5 pictures use less than an eighth of the range from black to white, and show little: .*",
        ],
        TWO,
    ),
    "one colour": Case(
        (CATS_DOGS, *(put(f"cats/{n}.png", encoded(np.full((n + 4, 5, 3), 9, np.uint8))) for n in (0, 1))),
        ["warning: 2 pictures are of one colour, and show nothing: (train|val)/cats/0.png, (train|val)/cats/1.png"],
        TWO,
    ),
    "nearly black": Case(
        (CATS_DOGS, put("dogs/0.png", encoded(GRADIENT // 10))),
        ["warning: 1 pictures use less than an eighth of the range from black to white, and show little: .*/0.png"],
        TWO,
    ),
    "a hot pixel": Case(
        (
            lambda: [
                put(
                    f"{name}/{n}.png",
                    encoded(
                        np.where(np.arange(2500).reshape(50, 50) == 7, 65535, rng.integers(0, 4000, (50, 50))).astype(
                            np.uint16
                        )
                    ),
                )()
                for name in ("cats", "dogs")
                for n in range(5)
            ],
        ),
        [r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 4095 white .*"],
        TWO,
    ),
    "no values in a part": Case(
        (deep("cats", [-3.4e38, 0, 0.9], np.float32), deep("dogs", [-3.4e38, 0.1, 1], np.float32)),
        [r"10 pictures have more than 8 bits: of all of them, 0 becomes black and 1 white .*"],
        TWO,
    ),
    "a test set of another range": Case(
        (
            deep("train/cats", [0, 4000], np.uint16),
            deep("train/dogs", [0, 3000], np.uint16),
            deep("test/cats", [0, 65535], np.uint16),
            deep("test/dogs", [0, 60000], np.uint16),
        ),
        [VALIDATES, r"20 pictures have more than 8 bits: of all of them, 0 becomes black and 4095 white .*"],
        {**TWO, "test/cats": 5, "test/dogs": 5},
    ),
    "one pixel that is bright": Case(
        (
            CATS_DOGS,
            put(
                "dogs/0.png",
                encoded(
                    np.where(np.arange(2500).reshape(50, 50) == 7, 255, rng.integers(0, 9, (50, 50))).astype(np.uint8)
                ),
            ),
        ),
        ["warning: 1 pictures use less than an eighth of the range from black to white, and show little: .*/0.png"],
        TWO,
    ),
    "long pictures": Case(
        (
            CATS_DOGS,
            put("dogs/0.png", encoded(rng.integers(0, 256, (8, 40, 3), np.uint8))),
            put("dogs/1.png", encoded(rng.integers(0, 256, (8, 16, 3), np.uint8))),
        ),
        [f"note: 1 pictures {LOSE_HALF}: .*/dogs/0.png"],
        TWO,
    ),
    "long pictures, most of them": Case(
        (CATS_DOGS, *LONG),
        [
            f"note: 7 pictures {LOSE_HALF}: .*",
            pad_at("models.mobilenet_v2.fit, models.efficientnet_lite0.fit, models.resnet18.fit"),
        ],
        TWO,
    ),
    "long pictures, which some networks see whole": Case(
        (CATS_DOGS, *LONG, params(lambda text: text.replace("fit: crop", "fit: pad", 1))),
        [f"note: 7 pictures {LOSE_HALF}: .*", pad_at("models.efficientnet_lite0.fit, models.resnet18.fit")],
        TWO,
    ),
    "long pictures, which all networks see whole": Case(
        (CATS_DOGS, *LONG, params(lambda text: text.replace("fit: crop", "fit: squash"))),
        [f"note: 7 pictures {LOSE_HALF}: .*"],
        TWO,
    ),
    "pages": Case(
        (CATS_DOGS, put("dogs/0.png", encoded(None, "TIFF", save_all=True, append_images=[Image.new("RGB", (7, 6))]))),
        ["note: 1 TIFF files have several pages, of which the first is taken: .*/dogs/0.png"],
        TWO,
    ),
    # archives and tables
    "a tar archive": Case(
        (CATS_DOGS, tarred),
        [r"photos\.tar\.gz: not a zip file that can be unpacked \(an archive: unpack it first\)"],
        source=Path("photos.tar.gz"),
    ),
    "numbers without suffix": Case(
        (NUMBERED, table(f"id,breed\n{ROWS}")),
        ["labels.csv: id is taken as file, breed is taken as label"],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "rows of nothing at the end": Case(
        (NUMBERED, table(f"file,label\n{ROWS},\n,\n\n")),
        [],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "semicolons, as Excel writes": Case(
        (NUMBERED, table(f"file;label\n{ROWS.replace(',', ';')}", "utf-8-sig")),
        [],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "tabs, in UTF-16, as Excel writes": Case(
        (NUMBERED, table(f"file\tlabel\n{ROWS.replace(',', chr(9))}", "utf-16")),
        [],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "a workbook": Case(
        (NUMBERED, lambda: zipfile.ZipFile("labels.csv", "w").writestr("a.xml", "<a/>")),
        ["labels.csv: a workbook; save it as CSV UTF-8"],
        options=LABELS,
    ),
    "more columns, and splits in other words": Case(
        (
            NUMBERED,
            table(
                "image,diagnosis,age,set\n"
                + "".join(
                    f"{n:04}x.png,{'ill' if n % 2 else 'well'},40,{'Training' if n < 8 else 'dev'}\n" for n in range(10)
                )
            ),
        ),
        [
            "labels.csv: image is taken as file, diagnosis is taken as label, set is taken as split",
            "labels.csv: passed over the columns age",
        ],
        {"train/ill": 4, "train/well": 4, "val/ill": 1, "val/well": 1},
        LABELS,
    ),
    "a name that two files have": Case(
        (NUMBERED, put("again/0000x.jpg", encoded(None, "JPEG")), table(f"file,label\n{ROWS}")),
        [r"labels\.csv: names that several files have \(1\): line 2 \(0000x\)"],
        options=LABELS,
    ),
    "classes called train and test, in a table": Case(
        (NUMBERED, table("file,label\n" + "".join(f"{n:04}x,{'train' if n % 2 else 'test'}\n" for n in range(10)))),
        [VALIDATES],
        {"train/train": 4, "train/test": 4, "val/train": 1, "val/test": 1},
        LABELS,
    ),
    "another suffix, letter case and folder": Case(
        (NUMBERED, table(f"file,label\n{ROWS.replace('x,', 'X.JPG,').replace('0000', 'all/0000')}")),
        [],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "a table of the NIH's": Case(
        (NUMBERED, table(f"sep=,\nImage Index,Finding Labels\n{ROWS.replace('cat', 'cat,').replace('dog', 'dog,')}")),
        ["labels.csv: Image Index is taken as file, Finding Labels is taken as label"],
        {"train/cat": 4, "train/dog": 4, "val/cat": 1, "val/dog": 1},
        LABELS,
    ),
    "a table without names of columns": Case(
        (NUMBERED, table(ROWS)),
        ["labels.csv: expected the columns file,label or file,label,split in its first line; received '0000x', .*"],
        options=LABELS,
    ),
    "Windows' own letters": Case(
        (NUMBERED, table("file,label\n0000x,K\u00e4fer\n", "cp1252")),
        ["labels.csv: expected a table of comma-separated values in UTF-8, which Excel calls CSV UTF-8 .*"],
        options=LABELS,
    ),
    "a row of HEIC": Case(
        (NUMBERED, put("z.heic", HEIC), table(f"file,label\n{ROWS}z.heic,cat\n")),
        [r"labels.csv: files, each a HEIC picture: .* \(1\): line 12 \(z.heic\)"],
        options=LABELS,
    ),
    "labels that look the same": Case(
        (NUMBERED, table(f"file,label\n{ROWS.replace('0001x,cat', '0001x,Cat')}")),
        [r"labels\.csv: labels that look the same: write them alike, or tell them apart \(1\): Cat and cat"],
        options=LABELS,
    ),
    # params.yaml
    "no downloads left": Case(
        (CATS_DOGS, params(lambda text: re.sub(r"(?s)(\ndownloads:\n).*?(\n# Data sets)", r"\1\2", text))), [], TWO
    ),
    "no data sets left": Case(
        (CATS_DOGS, params(lambda text: re.sub(r"(?s)(\ndownloads:\n).*?(\n# Ways)", r"\1datasets: # mine\n\2", text))),
        [],
        TWO,
    ),
    "braces": Case(
        (
            CATS_DOGS,
            params(lambda text: re.sub(r"(?s)(\ndownloads:)\n.*?(\n# Ways)", r"\1 {}\ndatasets: {}\n\2", text)),
        ),
        [],
        TWO,
    ),
}


@pytest.fixture
def project(in_folder: Path) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(PROJECT / name, name)
    return in_folder


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_folder_is_taken_as_it_is_meant_or_refused(
    project: Path, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in case.make:
        step()
    if case.taken is None:
        before = contents()
        with pytest.raises(ProjectError) as raised:
            add_images("mine", case.source, **case.options)
        (expected,) = case.says
        assert re.fullmatch(expected, str(raised.value)), str(raised.value)
        assert contents() == before
        return
    add_images("mine", case.source, **case.options)
    expect_lines(capsys.readouterr().out, case.says)
    arrange.main("mine")
    places = [path.relative_to(ARRANGED).parts for path in ARRANGED.rglob("*") if path.is_file()]
    assert Counter("/".join(place[:2]) for place in places if len(place) > 2) == case.taken
    assert not any(path.is_symlink() for path in RAW.rglob("*"))


def expect_lines(output: str, expected: list[str]) -> None:
    """These, each once, and no others of their kind."""
    lines = [line for line in output.splitlines() if SAID.match(line) and "would be refused" not in line]
    assert len(lines) == len(expected), lines
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, lines)


@pytest.mark.parametrize("section", ["downloads", "datasets"])
def test_make_repro_names_a_section_that_is_empty(project: Path, section: str) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text()) | {section: None}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ProjectError, match=rf"^params\.yaml: {section} is empty, which DVC cannot read: "):
        repro.check_sections()
