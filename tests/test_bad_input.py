"""Whole stages on bad input: one line on stderr, exit status 1, and every file as it was before."""

import os
import pickle
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from stages.draw import FINDINGS
from stages.ground.files import read_table, write_table
from stages.models.tensors import read_tensors, write_tensors
from tests.conftest import sha256_of
from tests.drawing import draw_picture
from tests.finished import ARCHIVE, DATA, MANIFEST, MODEL, PUBLISHED, STAGES, call, everything
from tests.models import model_entry

RAW, IMAGES = Path("data/raw/shapes"), Path("data/shapes")
WEIGHTS, FEATURES, TRAINED = (
    Path(f"{folder}.safetensors")
    for folder in (f"weights/{MODEL}", f"features/{MODEL}/{DATA}", f"models/{MODEL}/{DATA}/frozen")
)
AUDIT = Path(f"tables/{MODEL}/{DATA}/audit/audit.tsv")
METRICS = Path(f"metrics/{MODEL}/{DATA}/frozen.json")
PLOTS = Path(f"plots/{MODEL}/{DATA}/frozen")
TABLES = Path(f"tables/{MODEL}/{DATA}")
CURVES, LEARNING_CURVE = (Path(f"plots/{MODEL}/{DATA}-{name}.tsv") for name in ("curves", "learning_curve"))
MISTAKES = TABLES / "frozen-mistakes"
COMPARISON = Path(f"metrics/{MODEL}/{DATA}.json")
MODEL_ENTRY = model_entry("alexnet", "a.pth", "0" * 64)
ALL_LAYERS = f"train {MODEL} {DATA} all"


def settings(key: str, value: object) -> Callable[[], None]:
    """A change to params.yaml: ("variants.frozen.lr", -1)."""

    def change() -> None:
        params = yaml.safe_load(Path("params.yaml").read_text())
        *above, last = key.split(".")
        section = params
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
        Path("params.yaml").write_text(yaml.safe_dump(params))

    return change


def recipe(**changes: object) -> Callable[[], None]:
    def change() -> None:
        for key, value in changes.items():
            settings(f"variants.frozen.{key}", value)()

    return change


def content(path: Path, data: bytes | str) -> Callable[[], None]:
    def change() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return change


def cut(path: Path, share: float = 0.5) -> Callable[[], None]:
    def change() -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return change


def damage(path: Path) -> Callable[[], None]:
    """One bit of a tensor's content, in the middle of the file."""

    def change() -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return change


def gone(path: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(path) if path.is_dir() else path.unlink()


def emptied(folder: Path) -> Callable[[], None]:
    def change() -> None:
        for path in folder.iterdir():
            path.unlink()

    return change


def moved(source: Path, target: Path) -> Callable[[], None]:
    def change() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    return change


def saved(path: Path, change_content: Callable[[dict], object]) -> Callable[[], None]:
    """Another content of a file of torch's."""
    return lambda: torch.save(change_content(torch.load(path, weights_only=True)), path)


def tensors(
    path: Path, change_tensors: Callable[[dict], object] = lambda _: None, **about: object
) -> Callable[[], None]:
    """Other tensors, and other values of the header, in a file of this project's; None leaves a value out."""

    def change() -> None:
        found, header = read_tensors(path)
        change_tensors(found)
        header |= about
        del header["crc32"]
        write_tensors(path, found, {key: value for key, value in header.items() if value is not None})

    return change


def row(path: Path, **values: object) -> Callable[[], None]:
    """Other values in the first row of a table."""

    def change() -> None:
        first, *others = read_table(path)
        write_table(path, [first | values, *others])

    return change


class Payload:
    """A pickle of this runs code when it is loaded."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("ran"),)


def code(path: Path) -> Callable[[], None]:
    return lambda: path.write_bytes(pickle.dumps({"state_dict": Payload()}))


def published(write: Callable[[], object]) -> Callable[[], None]:
    """Other weights to fetch, with the checksum that they have."""

    def change() -> None:
        write()
        settings(f"models.{MODEL}.sha256", sha256_of(PUBLISHED))()

    return change


def archive(*members: str | zipfile.ZipInfo, more: bytes = b"") -> Callable[[], None]:
    def change() -> None:
        with zipfile.ZipFile(ARCHIVE, "w") as zipped:
            for member in members:
                zipped.writestr(member, Path("served/shapes/train/discs/discs.0.png").read_bytes() + more)

    return change


def flag_as_encrypted() -> None:
    packed = re.sub(rb"(PK\x01\x02.{4}).", lambda found: found[1] + b"\x01", ARCHIVE.read_bytes(), flags=re.DOTALL)
    ARCHIVE.write_bytes(packed)


def damage_archive() -> None:
    packed = bytearray(ARCHIVE.read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    ARCHIVE.write_bytes(packed)


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def own_images(*changes: Callable[[], None]) -> Callable[[], None]:
    """Without a manifest: data/raw/shapes as it lies there."""

    def change() -> None:
        settings(f"datasets.{DATA}", {})()
        for step in changes:
            step()

    return change


def picture(path: Path, **options: object) -> Callable[[], None]:
    """A picture of another kind in the place of `path`, with its suffix."""

    def change() -> None:
        mode = options.pop("mode", "RGB")
        Image.new(mode, (9, 9)).save(path, **options)

    return change


def one_of_each() -> None:
    shutil.rmtree(RAW)
    for kind in ("discs", "squares"):
        draw_picture(RAW / kind / "0.png", kind, 0)


def twice(source: Path, target: Path) -> Callable[[], None]:
    return lambda: shutil.copyfile(source, target)


def all_layers(*changes: Callable[[], object]) -> Callable[[], None]:
    """A variant `all` that trains them, and more changes."""

    def change() -> None:
        variants = yaml.safe_load(Path("params.yaml").read_text())["variants"]
        settings("variants.all", variants["frozen"] | {"trainable": "all"})()
        for step in changes:
            step()

    return change


def a_mistake(*changes: Callable[[], object]) -> Callable[[], None]:
    """One at least, as explain writes it, and more changes."""

    def change() -> None:
        draw_picture(MISTAKES / "1.png", "discs", 0)
        Image.new("L", (2, 2), 255).save(MISTAKES / "1-heat.png")
        first = {"number": 1, "file": "val/a.png", "label": "discs", "prediction": "squares", "probability": 0.9}
        write_table(MISTAKES / "mistakes.tsv", [first])
        for step in changes:
            step()

    return change


FIRST = RAW / "train/discs/discs.0.png"
TABLE: dict[str, tuple[str, Callable[[], object], str]] = {
    # params.yaml, as every stage reads it
    "no params.yaml": (STAGES[1], gone(Path("params.yaml")), "No such file or directory: 'params.yaml'"),
    "no YAML": (STAGES[1], content(Path("params.yaml"), "seed: [0"), "params.yaml is not valid YAML: .*line 1"),
    "an empty file": (STAGES[1], content(Path("params.yaml"), ""), "params.yaml: the whole file: "),
    "a list": (STAGES[1], content(Path("params.yaml"), "- seed"), "params.yaml: the whole file: "),
    "no UTF-8": (STAGES[1], content(Path("params.yaml"), b"seed: \xff"), "params.yaml is not valid YAML: "),
    "a key twice": (STAGES[1], content(Path("params.yaml"), "seed: 0\nseed: 1"), "the key seed stands twice"),
    "no seed": (STAGES[1], content(Path("params.yaml"), "precision: auto"), "params.yaml: seed: missing"),
    "a near miss": (STAGES[4], recipe(lerning_rate=1), r"frozen\.lerning_rate: unknown key; did you mean lr\?"),
    "a negative rate": (STAGES[4], recipe(lr=-1), r"frozen\.lr: .* greater than 0; received -1"),
    "NaN for a rate": (STAGES[4], recipe(lr=float("nan")), r"frozen\.lr: .*received nan"),
    "a word for a number": (STAGES[4], recipe(epochs="ten"), r"frozen\.epochs: .*integer; received 'ten'"),
    "yes for a number": (STAGES[4], recipe(batch_size=True), r"frozen\.batch_size: .*received True"),
    "no batch": (STAGES[4], recipe(batch_size=0), r"frozen\.batch_size: .*received 0"),
    "a schedule without its steps": (STAGES[4], recipe(step_epochs=None), "schedule: step needs step_epochs and"),
    "augmented features": (
        STAGES[4],
        recipe(augment={"min_scale": 1.0, "flip": True}),
        r"frozen: augment needs trainable: all or last_N",
    ),
    "two problems": (STAGES[4], recipe(lr=-1, epochs=0), r"frozen\.epochs: .*; params.yaml: variants\.frozen\.lr: "),
    "an unknown network": (STAGES[2], settings(f"models.{MODEL}.name", "resnet19"), r"name: .*did you mean resnet1"),
    "a crop above the size": (STAGES[3], settings(f"models.{MODEL}.crop", 40), r"crop must not be above resize \(36\)"),
    "no checksum": (STAGES[2], settings(f"models.{MODEL}.sha256", "none"), r"sha256: .*received 'none'"),
    "no urls": (STAGES[0], settings(f"downloads.{DATA}.urls", []), r"downloads\.shapes\.urls: .*at least 1 item"),
    "a url without a file": (
        STAGES[0],
        settings(f"downloads.{DATA}.urls", ["http://a/b/"]),
        "ends with the file's name",
    ),
    "two ways to split": (STAGES[1], settings(f"datasets.{DATA}.val_fraction", 0.2), "give manifest or val_fraction"),
    "a name with a hyphen": (STAGES[1], settings("datasets.a-b", {}), r"datasets\.a-b: a name is small letters"),
    "a reserved name": (
        STAGES[1],
        settings("datasets.raw", {}),
        "the names raw, manifests, embedded and corrections are taken",
    ),
    "a download of nothing": (STAGES[0], settings("downloads.x", {"urls": ["x.zip"]}), r"downloads\.x has no entry"),
    "an unknown device": (STAGES[3], settings("runtime.device", "tpu"), r"runtime\.device: .*'cpu'.*received 'tpu'"),
    "an absent device": (
        ALL_LAYERS,
        all_layers(settings("runtime.device", "mps")),
        "runtime.device is mps, which this machine",
    ),
    # names on the command line
    "no such download": ("download x", lambda: None, "downloads has no entry 'x'; it has: shapes"),
    "no such data set": ("arrange x", lambda: None, "datasets has no entry 'x'; it has: shapes"),
    "no such network": ("weights x", lambda: None, "models has no entry 'x'; it has: mobilenet_v2"),
    "no such network to embed": (f"features x {DATA}", lambda: None, "models has no entry 'x'"),
    "no such variant": (f"train {MODEL} {DATA} x", lambda: None, "variants has no entry 'x'; it has: frozen"),
    "no such network to train": (f"train x {DATA} frozen", lambda: None, "models has no entry 'x'"),
    "no such variant to evaluate": (f"evaluate {MODEL} {DATA} x", lambda: None, "models/mobilenet_v2/shapes/x.safet"),
    "no such variant to explain": (f"explain {MODEL} {DATA} x", lambda: None, "models/mobilenet_v2/shapes/x.safet"),
    "no such data set to compare on": (f"compare {MODEL} x", lambda: None, "metrics/mobilenet_v2/x/frozen.json"),
    "no such data set to draw": (f"draw {MODEL} x", lambda: None, "tables/mobilenet_v2/x/embeddings.tsv"),
    # archives
    "no archive": (STAGES[0], gone(ARCHIVE), r"shapes.zip is not to be had: served/shapes.zip: no such file"),
    "an empty archive": (STAGES[0], content(ARCHIVE, b""), "not a zip file"),
    "a page for an archive": (STAGES[0], content(ARCHIVE, "<!DOCTYPE html>"), "not a zip file"),
    "a truncated archive": (STAGES[0], cut(ARCHIVE), "not a zip file"),
    "a damaged archive": (STAGES[0], damage_archive, "not a zip file that can be unpacked|missing or changed"),
    "an encrypted archive": (STAGES[0], flag_as_encrypted, "is encrypted; nothing was unpacked"),
    "a path upwards": (STAGES[0], archive("../x.png"), r"its member '\.\./x.png' points outside its folder"),
    "an absolute path": (STAGES[0], archive("/tmp/x.png"), "points outside its folder"),
    "a drive": (STAGES[0], archive("C:/x.png"), "points outside its folder"),
    "a device": (STAGES[0], archive("a/aux.png"), "has a name that not every system can write"),
    "a link": (STAGES[0], archive(link("a/x.png")), "is a link"),
    "names that differ by case": (STAGES[0], archive("a/x.png", "A/X.png"), "would be one file"),
    "a file that is a folder": (STAGES[0], archive("a.png", "a.png/b.png"), "would be the folder of"),
    "a bomb": (STAGES[0], settings("runtime.unpack_limit_gib", 1e-9), "more than runtime.unpack_limit_gib"),
    "no pictures": (
        STAGES[0],
        lambda: zipfile.ZipFile(ARCHIVE, "w").writestr("a/x.txt", "x"),
        r"no pictures among its 1 files; left out: 1 files that are no pictures \(1 .txt\)",
    ),
    "other pictures": (
        STAGES[0],
        archive("a/x.png"),
        "13 of the 14 images in data/manifests/shapes.sha256 are missing",
    ),
    # raw images
    "no raw folder": (STAGES[1], gone(RAW), "data/raw/shapes is not there: put the images in it"),
    "no manifest": (STAGES[1], gone(MANIFEST), "No such file or directory: 'data/manifests/shapes.sha256'"),
    "a bad line": (STAGES[1], content(MANIFEST, "abc"), "shapes.sha256, line 1: expected a sha256.*received 'abc'"),
    "an image gone": (STAGES[1], gone(FIRST), "1 of the 14 images .* are missing or changed: train/discs/discs.0.png"),
    "an image changed": (
        STAGES[1],
        picture(FIRST),
        "1 of the 14 images .* are missing or changed: train/discs/discs.0.png",
    ),
    "an empty raw folder": (
        STAGES[1],
        own_images(gone(RAW / "train"), gone(RAW / "val")),
        "expected two or more folders of images",
    ),
    "one class": (
        STAGES[1],
        own_images(gone(RAW / "train/discs"), gone(RAW / "val/discs")),
        "data/raw/shapes: expected train images of two classes or more; found squares",
    ),
    "a class without images": (
        STAGES[1],
        own_images(*(gone(RAW / f"train/discs/discs.{n}.png") for n in range(4))),
        "data/raw/shapes: expected train images of two classes or more; found squares",
    ),
    "a class of val alone": (
        STAGES[1],
        own_images(lambda: shutil.copytree(RAW / "val/discs", RAW / "val/rings")),
        "train and val must have the same classes; only one of the two has rings",
    ),
    "val alone": (STAGES[1], own_images(gone(RAW / "train")), "found val without train"),
    "val and test": (STAGES[1], own_images(moved(RAW / "train", RAW / "test")), "found val and test without train"),
    "two folders for val": (
        STAGES[1],
        own_images(lambda: shutil.copytree(RAW / "val", RAW / "valid")),
        "val/ and valid/ are both val",
    ),
    "one image a class": (STAGES[1], own_images(one_of_each), "one image cannot be split into train and val"),
    "a leak": (
        STAGES[1],
        own_images(twice(FIRST, RAW / "val/discs/9.png")),
        "1 pictures are in more than one of train",
    ),
    "an empty picture": (
        STAGES[1],
        own_images(content(FIRST, b"")),
        r"1 of 14 pictures .*discs.0.png: empty, as a copy that was cut off",
    ),
    "a truncated picture": (STAGES[1], own_images(cut(FIRST)), "discs.0.png: not a whole picture"),
    "a page for a picture": (
        STAGES[1],
        own_images(content(FIRST, "<html>")),
        "discs.0.png: a web page, not the file itself: download it anew",
    ),
    "an animation": (
        STAGES[1],
        own_images(picture(FIRST, format="GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")])),
        "discs.0.png: animated, with 2 frames; expected a still picture",
    ),
    "a line of pixels": (
        STAGES[1],
        own_images(lambda: Image.new("RGB", (1, 51)).save(FIRST)),
        "discs.0.png: one side more than 50 times the other: 1x51 pixels",
    ),
    "a name in another encoding": (
        STAGES[1],
        own_images(lambda: FIRST.rename(os.fsdecode(os.fsencode(FIRST.parent) + b"/caf\xe9.png"))),
        r"names of pictures that are not in UTF-8; rename them \(1\): 'train/discs/caf.udce9.png'",
    ),
    "a class that is a value to YAML": (
        STAGES[1],
        settings("datasets.no", {}),
        r"datasets\.no: to YAML this is no name",
    ),
    "sections that disagree": (
        STAGES[1],
        lambda: (settings("downloads.x", {"urls": ["x.zip"]})(), settings("learning_curve.variant", "x")()),
        r"downloads\.x has no entry .*; learning_curve\.variant: expected a variant with",
    ),
    "another format": (
        STAGES[1],
        own_images(picture(FIRST, format="EPS")),
        "discs.0.png: in the format EPS; expected one of",
    ),
    "floats that are no numbers": (
        STAGES[1],
        own_images(lambda: Image.new("F", (9, 9), float("nan")).save(FIRST, "TIFF")),
        "discs.0.png: no pixel is a number",
    ),
    "a range that is none": (
        STAGES[1],
        own_images(settings(f"datasets.{DATA}.values", [9, 9])),
        "values: expected what",
    ),
    "a link to a folder": (
        STAGES[1],
        own_images(lambda: (RAW / "train/rings").symlink_to("discs")),
        "data/raw/shapes/train/rings: links to folders, which DVC does not follow",
    ),
    "classes that look the same": (
        STAGES[1],
        own_images(
            lambda: [shutil.copytree(RAW / split / "discs", RAW / split / "Discs") for split in ("train", "val")]
        ),
        r"classes whose names look the same: .* \(1\): Discs and discs",
    ),
    "a crop that the network cannot take": (
        "weights alexnet",
        settings("models.alexnet", MODEL_ENTRY | {"resize": 40, "crop": 40}),
        "params.yaml: models.alexnet.crop: alexnet cannot take 32 images at once of 40 pixels",
    ),
    "one image at a time, of a network with BatchNorm": (
        ALL_LAYERS,
        all_layers(settings("variants.all.batch_size", 1)),
        "models.mobilenet_v2.crop, variants.all.batch_size: mobilenet_v2 cannot take 1 images at once of 32 pixels",
    ),
    # weights
    "no weights": (STAGES[2], gone(PUBLISHED), r"mobilenet_v2.pth is not to be had: .*no such file"),
    "another checksum": (STAGES[2], cut(PUBLISHED), "expected sha256 [0-9a-f]{64}, received"),
    "truncated weights": (STAGES[2], published(cut(PUBLISHED)), "is not a whole file of tensors"),
    "a page for weights": (STAGES[2], published(content(PUBLISHED, "<html>")), "is not a whole file of tensors"),
    "code for weights": (STAGES[2], published(code(PUBLISHED)), "one that would run code when it is loaded"),
    "a list for weights": (STAGES[2], published(saved(PUBLISHED, list)), "expected a state dict, .*received a list"),
    "numbers for weights": (STAGES[2], published(saved(PUBLISHED, lambda _: {"a": 1})), "expected a state dict"),
    "too few tensors": (
        STAGES[2],
        published(saved(PUBLISHED, lambda state: dict(list(state.items())[1:]))),
        "expected 312 tensors before the last layer, received 311",
    ),
    "another shape": (
        STAGES[2],
        published(saved(PUBLISHED, lambda state: {name: tensor[None] for name, tensor in state.items()})),
        "expected shape .* these are not the weights of MobileNetV2",
    ),
    "a last layer that is a Conv": (
        "weights squeezenet1_1",
        settings("models.squeezenet1_1", MODEL_ENTRY | {"name": "squeezenet1_1"}),
        "the last layer of SqueezeNet is classifier.1, a Conv2d; expected a Linear",
    ),
    # what earlier stages made, damaged since
    "no images to embed": (STAGES[3], gone(IMAGES), "data/shapes/train"),
    "no weights to embed with": (STAGES[3], gone(WEIGHTS), "weights/mobilenet_v2.safetensors"),
    "truncated weights to embed with": (STAGES[3], cut(WEIGHTS), "mobilenet_v2.safetensors is not a whole file of ten"),
    "another network's weights": (
        STAGES[3],
        tensors(WEIGHTS, model="resnet18"),
        "weights/mobilenet_v2.safetensors: not the weights of mobilenet_v2 that weights@mobilenet_v2 makes",
    ),
    "weights for another size": (
        STAGES[3],
        settings(f"models.{MODEL}.crop", 33),
        "the network's graph is of images of 32 pixels, not 33; run dvc repro",
    ),
    "an image damaged since": (
        STAGES[3],
        cut(IMAGES / "train/discs/discs.0.png"),
        "discs/discs.0.png: not a whole picture",
    ),
    "code for trained weights": (STAGES[3], code(WEIGHTS), "mobilenet_v2.safetensors is not a whole file of tensors"),
    "a model for weights": (STAGES[3], twice(TRAINED, WEIGHTS), "weights/mobilenet_v2.safetensors: no model in it"),
    "no features": (STAGES[4], gone(FEATURES), "features/mobilenet_v2/shapes.safetensors"),
    "truncated features": (STAGES[4], cut(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "code for features": (STAGES[4], code(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "something else for features": (
        STAGES[4],
        tensors(FEATURES, classes=None),
        "features/mobilenet_v2/shapes.safetensors: no classes in it",
    ),
    "features without val": (
        STAGES[4],
        tensors(FEATURES, lambda of: of.pop("val.labels")),
        r"features/mobilenet_v2/shapes.safetensors: no 'val\.labels' in it",
    ),
    "features of other weights": (
        STAGES[4],
        tensors(FEATURES, backbone="resnet18 01234567"),
        "features/mobilenet_v2/shapes.safetensors is of resnet18 01234567; expected mobilenet_v2",
    ),
    "a model for features": (
        STAGES[4],
        twice(TRAINED, FEATURES),
        "features/mobilenet_v2/shapes.safetensors: no files in it",
    ),
    "no weights to train on features": (STAGES[4], gone(WEIGHTS), "weights/mobilenet_v2.safetensors"),
    "damaged weights to train on features": (STAGES[4], damage(WEIGHTS), "mobilenet_v2.safetensors is not a whole fil"),
    "fewer images than a batch": (STAGES[4], recipe(batch_size=9), r"has 8 images, fewer than .*batch_size \(9\)"),
    "a loss that is not finite": (STAGES[4], recipe(lr=1e38, epochs=9), "the loss is (nan|inf) in epoch .*; lower lr"),
    "no weights to train": (ALL_LAYERS, all_layers(gone(WEIGHTS)), "weights/mobilenet_v2.safetensors"),
    "damaged weights to train": (
        ALL_LAYERS,
        all_layers(damage(WEIGHTS)),
        "weights/mobilenet_v2.safetensors is not a whole file of tensors",
    ),
    "another network's weights to train": (
        ALL_LAYERS,
        all_layers(tensors(WEIGHTS, model="resnet18")),
        "weights/mobilenet_v2.safetensors: not the weights of mobilenet_v2 that",
    ),
    "too few weights to train": (
        ALL_LAYERS,
        all_layers(tensors(WEIGHTS, lambda of: of.pop("features.0.0.weight"))),
        "the weights of mobilenet_v2 are not those that weights@mobilenet_v2 makes",
    ),
    "no images to train on": (ALL_LAYERS, all_layers(gone(IMAGES)), "data/shapes/train"),
    "a train image damaged since": (
        ALL_LAYERS,
        all_layers(cut(IMAGES / "train/discs/discs.0.png")),
        "data/shapes/train/discs/discs.0.png: not a whole picture",
    ),
    "a val image damaged since": (
        ALL_LAYERS,
        all_layers(cut(IMAGES / "val/discs/discs.4.png")),
        "data/shapes/val/discs/discs.4.png: not a whole picture",
    ),
    "weights of another kind": (STAGES[3], tensors(WEIGHTS, graph=None), "mobilenet_v2.safetensors: no graph in it"),
    "damaged weights": (STAGES[3], damage(WEIGHTS), "mobilenet_v2.safetensors is not a whole file of tensors"),
    "damaged features": (STAGES[4], damage(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "a damaged model": (STAGES[5], damage(TRAINED), "frozen.safetensors is not a whole file of tensors"),
    "a model of weights that are not finite": (
        STAGES[5],
        tensors(TRAINED, lambda of: of["features.0.0.weight"].fill(float("nan"))),
        "frozen.safetensors is not a model that stages.train made: some of its weights are not finite",
    ),
    "a model of a crop above the size": (
        STAGES[5],
        tensors(TRAINED, crop=64),
        r"not a model that stages.train made: crop \(64\) is above resize \(36\)",
    ),
    "a model with a class twice": (STAGES[5], tensors(TRAINED, classes=["a", "a"]), "two of its classes have one name"),
    "a model that divides by 0": (STAGES[5], tensors(TRAINED, std=[0, 1, 1]), "images cannot be normalized by"),
    "no model": (STAGES[5], gone(TRAINED), "models/mobilenet_v2/shapes/frozen.safetensors"),
    "a truncated model": (STAGES[5], cut(TRAINED), "frozen.safetensors is not a whole file of tensors"),
    "code for a model": (STAGES[5], code(TRAINED), "frozen.safetensors is not a whole file of tensors"),
    "something else for a model": (
        STAGES[5],
        tensors(TRAINED, network=None),
        "frozen.safetensors is not a model that stages.train made: network: Field required",
    ),
    "a graph that is none": (
        STAGES[5],
        tensors(TRAINED, graph={"onnx": "YWJj", "tensors": []}),
        "frozen.safetensors is not a model that stages.train made: its tensors do not fit its graph",
    ),
    "a model without a layer of its graph": (
        STAGES[5],
        tensors(TRAINED, lambda of: of.pop("features.0.0.weight")),
        "frozen.safetensors is not a model that stages.train made: its tensors do not fit its graph",
    ),
    "a model with a layer of another shape": (
        STAGES[5],
        tensors(TRAINED, lambda of: of.update({"features.0.0.weight": of["features.0.0.weight"][:5].copy()})),
        "frozen.safetensors is not a model that stages.train made: its tensors do not fit its graph",
    ),
    "a model without its last layer": (
        STAGES[5],
        tensors(TRAINED, lambda of: of.pop("classifier.1.weight")),
        "frozen.safetensors is not a model that stages.train made: its last layer is not one of 2 classes",
    ),
    "a model of more classes than answers": (
        STAGES[5],
        tensors(TRAINED, classes=["discs", "rings", "squares"]),
        "frozen.safetensors is not a model that stages.train made: its last layer is not one of 3 classes",
    ),
    "a model of other classes": (
        STAGES[5],
        tensors(TRAINED, classes=["a", "b"]),
        "data/shapes/val has the classes discs, squares; the model was trained on a, b",
    ),
    "weights for a model": (STAGES[5], twice(WEIGHTS, TRAINED), "not a model that stages.train made: classes: Field"),
    "an empty model": (STAGES[5], content(TRAINED, b""), "frozen.safetensors is not a whole file of tensors"),
    "truncated features to evaluate on": (STAGES[5], cut(FEATURES), "shapes.safetensors is not a whole file of tenso"),
    "damaged features to evaluate on": (STAGES[5], damage(FEATURES), "shapes.safetensors is not a whole file of tenso"),
    "features without val to evaluate on": (
        STAGES[5],
        tensors(FEATURES, lambda of: of.pop("val.embeddings")),
        r"features/mobilenet_v2/shapes.safetensors: no 'val\.embeddings' in it",
    ),
    "features without images that train": (
        STAGES[4],
        tensors(FEATURES, files={"val": ["val/x.png"] * 8}),
        "shapes.safetensors: no embeddings of train images in it that can be used; run dvc repro",
    ),
    "features of fewer images than names": (
        STAGES[4],
        tensors(FEATURES, lambda of: of.update({"val.labels": of["val.labels"][:3].copy()})),
        "shapes.safetensors: no embeddings of val images in it that can be used; run dvc repro",
    ),
    "features that are no numbers": (
        STAGES[4],
        tensors(FEATURES, lambda of: of["train.embeddings"].fill(float("nan"))),
        "shapes.safetensors: no embeddings of train images in it that can be used; run dvc repro",
    ),
    "weights without a graph to use": (
        STAGES[3],
        tensors(WEIGHTS, graph={"onnx": 1}),
        "mobilenet_v2.safetensors: no graph in it that can be used; run dvc repro",
    ),
    "weights that do not fit their graph": (
        STAGES[3],
        tensors(WEIGHTS, lambda of: of.pop("features.0.0.weight")),
        "weights/mobilenet_v2.safetensors: its tensors do not fit its graph; run dvc repro",
    ),
    "classes that differ between splits": (
        STAGES[3],
        gone(IMAGES / "val/discs"),
        "data/shapes/val: expected images of the same classes as in train; found .* of squares; run dvc repro",
    ),
    "no image that validates": (
        ALL_LAYERS,
        all_layers(emptied(IMAGES / "val/discs"), emptied(IMAGES / "val/squares")),
        "data/shapes/val: expected images of the same classes as in train; found 0 of discs, squares",
    ),
    "features of other images": (
        STAGES[5],
        tensors(FEATURES, files={"train": ["train/x.png"] * 8, "val": ["val/x.png"] * 6}),
        "features/mobilenet_v2/shapes.safetensors is of other images than data/shapes; run dvc repro",
    ),
    "no features to evaluate on": (STAGES[5], gone(FEATURES), "features/mobilenet_v2/shapes.safetensors"),
    "no images to evaluate": (STAGES[5], gone(IMAGES / "val"), "data/shapes/val"),
    "a class gone since": (
        STAGES[5],
        gone(IMAGES / "val/discs"),
        "data/shapes/val: expected images of the same classes as in train; found .* of squares; run dvc repro",
    ),
    # audit
    "damaged features to audit": (STAGES[7], damage(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "an image to audit that is damaged": (
        STAGES[7],
        cut(IMAGES / "val/discs/discs.4.png"),
        "1 of 14 pictures cannot be used; take them out, or mend them: .*discs.4.png: not a whole picture",
    ),
    "no audit to compare on": (STAGES[8], gone(AUDIT), "audit/audit.tsv"),
    "an audit of no table": (STAGES[8], content(AUDIT, "a\n1\n"), "audit.tsv: no column kind, or no rows; run dvc"),
    "a number of an audit that is none": (
        STAGES[10],
        content(AUDIT, "\t".join(FINDINGS) + "\nx" + "\t" * (len(FINDINGS) - 1) + "\n"),
        "audit.tsv, line 2: invalid literal for int.*'x'; run dvc repro",
    ),
    "no metrics": (STAGES[8], gone(METRICS), "metrics/mobilenet_v2/shapes/frozen.json"),
    "truncated metrics": (STAGES[8], cut(METRICS), "frozen.json: not valid JSON"),
    "no predictions": (STAGES[8], gone(PLOTS / "predictions.tsv"), "frozen/predictions.tsv"),
    "other predictions": (
        STAGES[8],
        content(PLOTS / "predictions.tsv", "a\tb\n1\t2\n"),
        "predictions.tsv: no column file",
    ),
    "a table in another encoding": (
        STAGES[8],
        content(PLOTS / "predictions.tsv", b"file\xff\tlabel\n"),
        "predictions.tsv: not a table in UTF-8",
    ),
    "metrics without an accuracy": (STAGES[8], content(METRICS, "{}"), "frozen.json: no 'accuracy' in it; run dvc"),
    "metrics of no table": (STAGES[8], content(METRICS, "[1]"), "frozen.json: no 'accuracy' in it; run dvc repro"),
    "a word for an accuracy": (
        STAGES[8],
        content(METRICS, '{"accuracy": "high", "accuracy_low": 0, "accuracy_high": 1}'),
        "frozen.json: accuracy: expected a number, received 'high'; run dvc repro",
    ),
    "a loss that is no number": (
        STAGES[8],
        content(PLOTS / "history.tsv", "epoch\tsplit\tloss\taccuracy\n1\tval\tnan\t1\n"),
        "history.tsv, line 2: expected numbers, received .*nan",
    ),
    "an empty history": (STAGES[8], content(PLOTS / "history.tsv", ""), "history.tsv: no column split, or no rows"),
    "no history": (STAGES[8], gone(PLOTS / "history.tsv"), "frozen/history.tsv"),
    "a history without losses": (
        STAGES[8],
        content(PLOTS / "history.tsv", "epoch\tsplit\taccuracy\n1\tval\t1\n"),
        "history.tsv: no column loss",
    ),
    # the learning curve
    "no features to draw from": (STAGES[6], gone(FEATURES), "features/mobilenet_v2/shapes.safetensors"),
    "damaged features to draw from": (STAGES[6], damage(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "truncated features to draw from": (STAGES[6], cut(FEATURES), "shapes.safetensors is not a whole file of tensors"),
    "weights for features": (
        STAGES[6],
        twice(WEIGHTS, FEATURES),
        "features/mobilenet_v2/shapes.safetensors: no backbone in it",
    ),
    # mistakes
    "no model to explain": (STAGES[9], gone(TRAINED), "models/mobilenet_v2/shapes/frozen.safetensors"),
    "a damaged model to explain": (STAGES[9], damage(TRAINED), "frozen.safetensors is not a whole file of tensors"),
    "a truncated model to explain": (STAGES[9], cut(TRAINED), "frozen.safetensors is not a whole file of tensors"),
    "features for a model": (
        STAGES[9],
        twice(FEATURES, TRAINED),
        "models/mobilenet_v2/shapes/frozen.safetensors is not a model that stages.train made: network: Field required",
    ),
    "a model whose classes have changed places": (
        STAGES[9],
        tensors(TRAINED, classes=["squares", "discs"]),
        r"the network gives (discs|squares) 0\.\d+, and evaluate gave 0\.\d+: ",
    ),
    "no predictions to explain": (STAGES[9], gone(PLOTS / "predictions.tsv"), "frozen/predictions.tsv"),
    "half a table of predictions": (STAGES[9], cut(PLOTS / "predictions.tsv", 0.1), "predictions.tsv: no column"),
    "a probability that the network does not give": (
        STAGES[9],
        row(PLOTS / "predictions.tsv", probability="0.123"),
        r"val/discs/discs\.4\.png: the network gives (discs|squares) 0\.\d+, and evaluate gave 0\.123: ",
    ),
    "a probability that is nan": (
        STAGES[9],
        row(PLOTS / "predictions.tsv", probability="nan"),
        "predictions.tsv, line 2: expected numbers, received .*nan",
    ),
    "a probability that is no number": (
        STAGES[9],
        row(PLOTS / "predictions.tsv", probability="much"),
        "predictions.tsv, line 2: could not convert string to float: 'much'; run dvc repro",
    ),
    "a line of predictions cut off": (
        STAGES[9],
        content(PLOTS / "predictions.tsv", "file\tlabel\tprediction\tprobability\nval/discs/discs.4.png\tdiscs\n"),
        "predictions.tsv, line 2: .*; run dvc repro",
    ),
    "predictions of no image": (
        STAGES[9],
        content(PLOTS / "predictions.tsv", "file\tlabel\tprediction\tprobability\n"),
        "predictions.tsv: .*no rows",
    ),
    "no image of a prediction": (STAGES[9], gone(IMAGES / "val/discs/discs.4.png"), "val/discs/discs.4.png"),
    "a damaged image of a prediction": (STAGES[9], cut(IMAGES / "val/discs/discs.4.png"), "not a whole picture"),
    "a class that the model does not know": (
        STAGES[9],
        row(PLOTS / "predictions.tsv", prediction="rings"),
        "predictions.tsv: 'rings' is no class of the model",
    ),
    # figures
    "no metrics to draw": (STAGES[10], gone(METRICS), "metrics/mobilenet_v2/shapes/frozen.json"),
    "truncated metrics to draw": (STAGES[10], cut(METRICS), "frozen.json: not valid JSON"),
    "metrics without a number": (STAGES[10], content(METRICS, "{}"), "frozen.json: no 'accuracy' in it"),
    "no comparison": (STAGES[10], gone(COMPARISON), "metrics/mobilenet_v2/shapes.json"),
    "a truncated comparison": (STAGES[10], cut(COMPARISON), "metrics/mobilenet_v2/shapes.json: not valid JSON"),
    "no curves": (STAGES[10], gone(CURVES), "plots/mobilenet_v2/shapes-curves.tsv"),
    "curves of no epoch": (STAGES[10], content(CURVES, ""), "shapes-curves.tsv: no column variant, or no rows"),
    "curves without losses": (
        STAGES[10],
        content(CURVES, "variant\tsplit\tepoch\taccuracy\nfrozen\tval\t1\t1\n"),
        "shapes-curves.tsv: no column loss",
    ),
    "no learning curve": (STAGES[10], gone(LEARNING_CURVE), "plots/mobilenet_v2/shapes-learning_curve.tsv"),
    "a learning curve without accuracies": (
        STAGES[10],
        content(LEARNING_CURVE, "images\tdraw\n8\t1\n"),
        "shapes-learning_curve.tsv: no column accuracy",
    ),
    "no table of confidence": (STAGES[10], gone(TABLES / "frozen-confidence.tsv"), "shapes/frozen-confidence.tsv"),
    "confidence without counts": (
        STAGES[10],
        content(TABLES / "frozen-confidence.tsv", "low\thigh\tright\tconfidence\n0\t1\t1\t1\n"),
        "frozen-confidence.tsv: no column count",
    ),
    "a count that is no number": (
        STAGES[10],
        row(TABLES / "frozen-confidence.tsv", count="many"),
        "frozen-confidence.tsv, line 2: invalid literal .*'many'; run dvc repro",
    ),
    "no table of trained points": (STAGES[10], gone(TABLES / "frozen-embeddings.tsv"), "shapes/frozen-embeddings.tsv"),
    "no table of points": (STAGES[10], gone(TABLES / "embeddings.tsv"), "tables/mobilenet_v2/shapes/embeddings.tsv"),
    "points without coordinates": (
        STAGES[10],
        content(TABLES / "frozen-embeddings.tsv", "label\tx\na\t1\n"),
        "frozen-embeddings.tsv: no column y",
    ),
    "a coordinate that is no number": (
        STAGES[10],
        row(TABLES / "embeddings.tsv", x="left"),
        "embeddings.tsv, line 2: could not convert string to float: 'left'; run dvc repro",
    ),
    "curves without the variant": (
        STAGES[10],
        content(CURVES, "variant\tsplit\tepoch\tloss\taccuracy\nother\tval\t1\t1\t1\n"),
        "shapes-curves.tsv: no rows of frozen in it; run dvc repro",
    ),
    "a comparison of another network": (STAGES[10], content(COMPARISON, "{}"), "no 'mobilenet_v2-shapes' in it"),
    "a comparison without a variant": (
        STAGES[10],
        content(COMPARISON, '{"mobilenet_v2-shapes": {}}'),
        "shapes.json: no 'frozen' in it; run dvc repro",
    ),
    "a cut picture of a mistake": (
        STAGES[10],
        a_mistake(cut(MISTAKES / "1.png")),
        "frozen-mistakes/1.png: not a whole picture",
    ),
    "an empty table of mistakes": (
        STAGES[10],
        content(MISTAKES / "mistakes.tsv", ""),
        "mistakes.tsv: no column number",
    ),
    "mistakes in another encoding": (STAGES[10], content(MISTAKES / "mistakes.tsv", b"\xff"), "not a table in UTF-8"),
    "no picture of a mistake": (
        STAGES[10],
        a_mistake(gone(MISTAKES / "1.png")),
        "frozen-mistakes/1.png",
    ),
    "a damaged picture of a mistake": (
        STAGES[10],
        a_mistake(content(MISTAKES / "1.png", "no picture")),
        "frozen-mistakes/1.png: not a whole picture",
    ),
    "an empty picture of a mistake": (
        STAGES[10],
        a_mistake(content(MISTAKES / "1.png", b"")),
        "frozen-mistakes/1.png: empty, as a copy",
    ),
    "a damaged heat map of a mistake": (
        STAGES[10],
        a_mistake(content(MISTAKES / "1-heat.png", "no picture")),
        "frozen-mistakes/1-heat.png: not a whole picture",
    ),
    "no mistakes to draw": (STAGES[10], gone(MISTAKES), "shapes/frozen-mistakes/mistakes.tsv"),
    "no table of mistakes": (STAGES[10], gone(MISTAKES / "mistakes.tsv"), "shapes/frozen-mistakes/mistakes.tsv"),
    "mistakes without labels": (
        STAGES[10],
        content(MISTAKES / "mistakes.tsv", "number\tfile\n1\tval/a.png\n"),
        "mistakes.tsv: no column label",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_bad_input_is_one_line_and_changes_nothing(
    finished_project: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    stage, break_it, said = TABLE[case]
    break_it()
    before = everything()
    status = call(stage)
    line = capsys.readouterr().err
    assert re.fullmatch(rf"error: .*({said}).*\n", line), line
    assert status == 1
    assert everything() == before
