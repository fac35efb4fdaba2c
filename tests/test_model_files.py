"""stages/models/tensors.py and the files that are made of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from stages.ground.errors import ProjectError
from stages.models import tensors as tensors_module
from stages.models.features import Embedded, Features
from stages.models.graph import Graph
from stages.models.model_file import ModelFile
from stages.models.pretrained import Pretrained
from stages.models.tensors import TYPES, checksum, read_tensors, write_tensors
from stages.preprocessing.inputs import Preprocessing
from stages.statistics.novelty import Novelty
from tests.conftest import PROJECT

TENSORS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(7), "c": np.ones((2, 2), np.float32).T}
ABOUT = {"classes": ["größer", "b"], "n": 3}


def test_what_was_written_comes_back_and_any_reader_of_safetensors_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new/x.safetensors"
    write_tensors(path, TENSORS, ABOUT)
    tensors, about = read_tensors(path, ("classes",))
    for found in (tensors, load_file(path)):
        assert {name: (of.dtype, of.tolist()) for name, of in found.items()} == {
            name: (of.dtype, of.tolist()) for name, of in TENSORS.items()
        }
    assert tensors["a"].shape == ()
    assert {key: about[key] for key in ABOUT} == ABOUT
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_the_same_content_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path; from tests.test_model_files import *;"
        "write_tensors(Path(sys.argv[1]), TENSORS, ABOUT)"
    )
    for name in "xy":
        subprocess.run([sys.executable, "-c", write, tmp_path / name], check=True, cwd=PROJECT)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


@pytest.mark.parametrize("change", [lambda data: data[:-3], lambda data: data[:-3] + b"abc", lambda _: b"no tensors"])
def test_a_damaged_file_is_one_line_with_its_name(in_folder: Path, change) -> None:
    path = Path("x.safetensors")
    write_tensors(path, TENSORS, ABOUT)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ProjectError, match=r"^x\.safetensors is not a whole file of tensors that this project wrote;"):
        read_tensors(path)


def test_a_file_of_another_kind_is_told_by_what_it_lacks(in_folder: Path) -> None:
    write_tensors(Path("x"), TENSORS, ABOUT)
    with pytest.raises(ProjectError, match=r"^x: no backbone in it, so not what this project writes there"):
        Features.read(Path("x"))
    with pytest.raises(ProjectError, match=r"^x: no model in it"):
        Pretrained.read(Path("x"), "resnet18")
    with pytest.raises(FileNotFoundError):
        read_tensors(Path("none"))
    write_tensors(Path("y"), {}, {"backbone": "b", "classes": [], "files": {"val": ["a.png"]}})
    with pytest.raises(ProjectError, match=r"^y: no 'val\.embeddings' in it; run dvc repro"):
        Features.read(Path("y"))


def test_features_come_back(tmp_path: Path) -> None:
    of = Embedded(["train/a/1.png"], np.ones((1, 4), np.float32), np.array([0]))
    Features("backbone", ["a", "b"], {"train": of, "val": of}).write(tmp_path / "f")
    again = Features.read(tmp_path / "f")
    assert (again.backbone, again.classes, list(again.splits)) == ("backbone", ["a", "b"], ["train", "val"])
    assert again.splits["train"].files == of.files
    assert np.array_equal(again.splits["train"].embeddings, of.embeddings)
    assert np.array_equal(again.splits["train"].labels, of.labels)


def test_more_names_than_a_header_holds_lie_in_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, val = (
        Embedded([f"{split}/a/猫\n1.png", f"{split}/b/{split}.png"], np.eye(2, dtype=np.float32), np.arange(2))
        for split in ("train", "val")
    )
    of = Features("backbone", ["a", "b"], {"train": train, "val": val})
    of.write(tmp_path / "few")
    monkeypatch.setattr(tensors_module, "LONGEST_HEADER", 150)
    monkeypatch.setattr(tensors_module, "OF_TENSORS", 0)
    of.write(tmp_path / "many")
    for name, files in (("few", {"train": train.files, "val": val.files}), ("many", {"train": None, "val": None})):
        assert read_tensors(tmp_path / name)[1]["files"] == files
        again = Features.read(tmp_path / name)
        assert {split: of.files for split, of in again.splits.items()} == {"train": train.files, "val": val.files}
        assert np.array_equal(again.splits["val"].embeddings, val.embeddings)


@pytest.mark.parametrize("names", [b"[1", b"\xff"])
def test_names_that_cannot_be_read_are_one_line(tmp_path: Path, names: bytes) -> None:
    split = {"embeddings": np.eye(2, dtype=np.float32), "labels": np.arange(2), "files": np.frombuffer(names, np.uint8)}
    tensors = {f"{of}.{name}": array for of in ("train", "val") for name, array in split.items()}
    about = {"backbone": "b", "classes": ["a", "b"], "files": {"train": None, "val": None}}
    write_tensors(tmp_path / "f", tensors, about)
    with pytest.raises(ProjectError, match=r"f: the names of its files cannot be read; run dvc repro$"):
        Features.read(tmp_path / "f")


def test_pretrained_weights_come_back_and_say_which_they_are(tmp_path: Path) -> None:
    graph = Graph(onnx=bytes(range(256)), tensors=["b"])
    pretrained = Pretrained("own", "resnet18", "fc", 512, 32, "MIT", graph, TENSORS)
    pretrained.write(tmp_path / "w")
    again = Pretrained.read(tmp_path / "w", "own")
    assert replace(again, tensors={}) == Pretrained("own", "resnet18", "fc", 512, 32, "MIT", graph, {})
    with pytest.raises(ProjectError, match="not the weights of resnet50 that weights@resnet50 makes; run dvc repro"):
        Pretrained.read(tmp_path / "w", "resnet50")
    look = Preprocessing(40, 32)
    identity = again.identity(look)
    others = [
        again.identity(Preprocessing(40, 33)),
        again.identity(Preprocessing(40, 32, fit="pad")),
        again.identity(Preprocessing(40, 32, fit="squash")),
        again.identity(Preprocessing(40, 32, interpolation="bicubic")),
        again.identity(Preprocessing(40, 32, fit="pad", interpolation="bicubic")),
        again.identity(Preprocessing(40, 32, mean=(0.5, 0.5, 0.5))),
        Pretrained("own", "resnet18", "fc", 512, 32, "MIT", graph, TENSORS | {"b": TENSORS["b"] + 1}).identity(look),
        Pretrained("own", "resnet34", "fc", 512, 32, "MIT", graph, TENSORS).identity(look),
    ]
    assert identity == pretrained.identity(look)
    assert identity not in others
    assert len(set(others)) == len(others)
    assert identity.endswith("(resize=40, crop=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), values=None)")


def a_model(novelty: Novelty | None) -> ModelFile:
    tensors = {"fc.weight": np.ones((3, 8), np.float32), "fc.bias": np.zeros(3, np.float32)}
    graph = Graph(onnx=b"abc", tensors=[])
    return ModelFile("resnet18", "fc", graph, list("abc"), Preprocessing(40, 32), "float32", None, tensors, novelty)


def a_novelty() -> Novelty:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 8)).astype(np.float32)
    novelty = Novelty.of(embeddings, np.arange(60) % 3, None, 0.05, rng)
    assert novelty is not None
    return novelty


def test_what_tells_none_of_the_classes_comes_back_and_is_no_tensor_of_the_network(tmp_path: Path) -> None:
    novelty, embeddings = a_novelty(), np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    a_model(novelty).write(tmp_path / "m")
    again = ModelFile.read(tmp_path / "m")
    assert set(again.tensors) == {"fc.weight", "fc.bias"}
    assert again.novelty is not None
    assert (again.novelty.threshold, again.novelty.false_alarms) == (novelty.threshold, 0.05)
    assert np.array_equal(again.novelty.distances(embeddings), novelty.distances(embeddings))
    assert again.novelty.known.directions.dtype == np.float16


def test_a_model_that_cannot_tell_is_read_and_so_is_one_from_before_there_was_such_a_thing(tmp_path: Path) -> None:
    a_model(None).write(tmp_path / "m")
    assert ModelFile.read(tmp_path / "m").novelty is None
    tensors, about = read_tensors(tmp_path / "m")
    del about["none_of_these"], about["crc32"]
    write_tensors(tmp_path / "old", tensors, about)
    assert ModelFile.read(tmp_path / "old").novelty is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda tensors, _: tensors.pop("none_of_these.axes"), "no 'none_of_these.axes' in it"),
        (lambda tensors, _: tensors.update({"none_of_these.axes": np.ones((2, 7))}), "does not fit its network"),
        (lambda tensors, _: tensors.update({"none_of_these.directions": np.ones((0, 8))}), "does not fit its network"),
        (lambda tensors, _: tensors.update({"none_of_these.centres": np.ones((3, 1))}), "does not fit its network"),
        (lambda _, told: told.pop("threshold"), "none_of_these.threshold: Field required"),
        (lambda _, told: told.update(spans=[1, 0]), "none_of_these.spans.1: Input should be greater than 0"),
    ],
)
def test_what_tells_none_of_the_classes_must_fit_the_network(
    in_folder: Path, change: Callable[[dict, dict], object], line: str
) -> None:
    a_model(a_novelty()).write(Path("m"))
    tensors, about = read_tensors(Path("m"))
    change(tensors, about["none_of_these"])
    write_tensors(Path("m"), tensors, about)
    with pytest.raises(ProjectError) as raised:
        ModelFile.read(Path("m"))
    assert str(raised.value).startswith("m is not a model that stages.train made: ")
    assert line in str(raised.value)


def test_files_are_those_of_the_library_to_the_byte(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = {f'{letter} é"{kind}': rng.integers(0, 2, (3, 5)).astype(kind) for letter in "ba" for kind in TYPES}
    tensors |= {"empty": np.empty((0, 4), np.float32), "single": np.array(3.5), "turned": tensors['a é"float32'].T}
    write_tensors(tmp_path / "x", tensors, ABOUT)
    about = json.dumps({**ABOUT, "crc32": checksum(tensors)})
    contiguous = {name: np.ascontiguousarray(of).reshape(of.shape) for name, of in tensors.items()}
    assert (tmp_path / "x").read_bytes() == save(contiguous, {"about": about})


def test_mapped_tensors_are_the_same_and_stay_in_the_file(in_folder: Path) -> None:
    tensors = TENSORS | {
        "many": np.arange(100_000, dtype=np.float16),
        "empty": np.empty((0, 4)),
        "yes": np.array([True]),
    }
    write_tensors(Path("x"), tensors, ABOUT)
    copied, mapped = read_tensors(Path("x")), read_tensors(Path("x"), ("n",), mapped=True)
    assert mapped[1] == copied[1]
    assert list(mapped[0]) == list(copied[0])
    for name, of in copied[0].items():
        assert (mapped[0][name].dtype, mapped[0][name].tolist()) == (of.dtype, of.tolist())
    assert str(Path("x").resolve()) in Path("/proc/self/maps").read_text()
    with pytest.raises(ValueError, match="read-only"):
        mapped[0]["many"][0] = 1


def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors_module, "LONGEST_HEADER", 300)
    monkeypatch.setattr(tensors_module, "OF_TENSORS", 0)
    write_tensors(Path("x"), {}, {"files": ["a" * 200]})
    with pytest.raises(ProjectError, match=r"^y: its header would be longer than the 300 bytes that"):
        write_tensors(Path("y"), {}, {"files": ["a" * 300]})
    assert not Path("y").exists()
