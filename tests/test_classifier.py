"""stages/models/classifier.py: the model's file is enough, alone and in a stream alike."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save
from safetensors.torch import load_file
from torchvision import transforms

from stages.ground.errors import ProjectError
from stages.models.classifier import BATCH, Classifier, Prediction
from stages.models.tensors import read_tensors, write_tensors
from stages.pictures.picture import UnusableError
from tests.drawing import draw_picture
from tests.models import CLASSES, draw_foreign, draw_formats, small_model, telling_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def classifier(model: Path) -> Classifier:
    return Classifier.load(model)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_formats(tmp_path_factory.mktemp("pictures"))


def same(prediction: object, of: Prediction) -> bool:
    assert isinstance(prediction, Prediction)
    return prediction.label == of.label and prediction.probabilities == pytest.approx(of.probabilities, abs=1e-5)


def test_a_prediction_is_that_of_a_plain_torchvision_script(model: Path, pictures: list[Path]) -> None:
    with safe_open(model, "pt") as file:
        saved = json.loads(file.metadata()["about"])
    network = torchvision.models.get_model(saved["network"], weights=None, num_classes=3)
    network.load_state_dict(load_file(model))
    network.eval()
    look = transforms.Compose(
        [
            transforms.Resize(saved["resize"]),
            transforms.CenterCrop(saved["crop"]),
            transforms.ToTensor(),
            transforms.Normalize(saved["mean"], saved["std"]),
        ]
    )
    path = next(path for path in pictures if path.name == "plain.png")
    with torch.inference_mode():
        expected = network(look(Image.open(path).convert("RGB"))[None]).softmax(1)[0].tolist()
    prediction = Classifier.load(str(model))(path)
    assert prediction.probabilities == pytest.approx(dict(zip(CLASSES, expected, strict=True)), abs=1e-4)
    assert (
        prediction.probability == max(prediction.probabilities.values()) == prediction.probabilities[prediction.label]
    )
    assert 0.34 < prediction.probability < 0.99, "a model that says the same of all would prove nothing"


def test_path_text_and_opened_picture_give_the_same_alone_and_in_a_stream(
    classifier: Classifier, pictures: list[Path]
) -> None:
    streamed = list(classifier.stream(pictures))
    assert [file for file, _ in streamed] == pictures
    for path, outcome in streamed:
        alone = classifier(path)
        assert same(outcome, alone), path
        assert classifier(str(path)) == alone
        with Image.open(path) as opened:
            assert classifier(opened) == alone, path
    assert classifier(Image.new("RGB", (90, 80), "red")).label in CLASSES


def test_the_batch_that_a_picture_is_in_changes_nothing(classifier: Classifier, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(2 * BATCH + 3)]
    for number, file in enumerate(files):
        draw_picture(file, "squares", number)
    streamed = dict(classifier.stream(files, workers=3))
    assert list(streamed) == files
    for file in (files[0], files[BATCH], files[-1]):
        assert same(streamed[file], classifier(file))
    assert len({outcome.probability for outcome in streamed.values()}) == len(files)


def test_a_stream_goes_on_past_what_cannot_be_read(classifier: Classifier, pictures: list[Path]) -> None:
    (folder := pictures[0].parent / "folder").mkdir()
    (text := folder / "text.jpg").write_text("no picture")
    bad = [str(text), f"{folder}/none.png", str(folder), "nul\0l.png", "\ud800.png"]
    good = [f"{path.parent}/./{path.name}" for path in pictures]
    names = [bad[0], good[0], *bad[1:4], *good[1:], bad[4]]
    streamed = list(classifier.stream(names))
    assert [name for name, _ in streamed] == names, "as given"
    errors = {name: outcome for name, outcome in streamed if isinstance(outcome, Exception)}
    assert [type(errors[name]) for name in bad] == [
        UnusableError,
        FileNotFoundError,
        IsADirectoryError,
        UnusableError,
        UnusableError,
    ]
    assert all(same(outcome, classifier(name)) for name, outcome in streamed if name in good)
    assert list(classifier.stream(bad)) != []


def test_a_picture_that_cannot_be_read_is_an_error_when_it_is_alone(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ProjectError, match=r"a\.png: not a whole picture, 10 bytes"):
        classifier(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        classifier(tmp_path / "b.png")


def test_a_stream_asks_for_no_more_files_than_two_batches_ahead(classifier: Classifier, pictures: list[Path]) -> None:
    asked = 0

    def without_end() -> Iterator[Path]:
        nonlocal asked
        for path in itertools.cycle(pictures[:1]):
            asked += 1
            yield path

    before, stream = threading.active_count(), classifier.stream(without_end())
    for given, _ in enumerate(itertools.islice(stream, 5 * BATCH)):
        assert asked <= given + 2 * BATCH
    stream.close()
    assert threading.active_count() == before
    assert list(classifier.stream([])) == []


def write(path: Path, model: Path, **changes: object) -> Path:
    """The same model with another header; a value of None leaves the entry out."""
    tensors, about = read_tensors(model)
    del about["crc32"]
    kept = {key: value for key, value in (about | changes).items() if value is not None}
    write_tensors(path, tensors, kept)
    return path


def test_a_file_with_further_keys_is_read(model: Path, classifier: Classifier, tmp_path: Path) -> None:
    _, about = read_tensors(model)
    assert set(about) == {
        "network", "last_layer", "classes", "resize", "crop", "mean", "std", "precision", "backbone", "graph", "crc32",
        "values", "fit", "interpolation", "none_of_these", "licence",
    }  # fmt: skip
    loaded = Classifier.load(write(tmp_path / "other.safetensors", model, made_by="another version"))
    assert (loaded.file.network, loaded.classes, loaded.preprocessing, loaded.file.precision) == (
        "resnet18", CLASSES, classifier.preprocessing, "float32"
    )  # fmt: skip


def test_a_file_of_before_there_was_fit_is_of_middle_squares(model: Path, tmp_path: Path) -> None:
    old = Classifier.load(write(tmp_path / "old.safetensors", model, fit=None))
    assert old.preprocessing.fit == "crop"


def test_all_of_a_long_picture_counts_where_the_model_says_so(model: Path, tmp_path: Path) -> None:
    """Two pictures that differ at their ends: as files and as images, one at a time and together."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 400, 3), dtype=np.uint8)
    ends = np.arange(400)[:, None] % 320 < 80
    images = [Image.fromarray(of) for of in (pixels, np.where(ends, 255 - pixels, pixels))]
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
    files = [str(tmp_path / f"{number}.png") for number in (0, 1)]
    for fit, alike in (("crop", True), ("pad", False), ("squash", False)):
        of = Classifier.load(write(tmp_path / f"{fit}.safetensors", model, fit=fit))
        first, second = (outcome for _, outcome in of.stream(files))
        assert same(second, first) == alike
        assert all(same(of(one), first) for one in (images[0], files[0]))
        assert all(same(of(one), second) for one in (images[1], files[1]))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data: data[: len(data) // 2], "x.safetensors is not a whole file of tensors"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "x.safetensors is not a whole file of tensors"),
        (lambda _: b"", "x.safetensors is not a whole file of tensors"),
        (lambda _: b"\x80\x02\x85", "x.safetensors is not a whole file of tensors"),
        (lambda _: b"\xff" * 100, "x.safetensors is not a whole file of tensors"),
        (lambda _: save({"a": np.ones(3)}), "x.safetensors is not a whole file of tensors that this project wrote"),
        ({"network": None}, "x.safetensors is not a model that stages.train made: network: Field requ"),
        ({"classes": CLASSES[:2]}, "its last layer is not one of 2 classes"),
        ({"classes": []}, "classes: List should have at least 1 item"),
        ({"classes": ["a", "a", "b"]}, "two of its classes have one name"),
        ({"resize": 10**9}, "resize: Input should be less than or equal to"),
        ({"resize": 40}, "crop (64) is above resize (40)"),
        ({"fit": "stretch"}, "fit: Input should be 'crop', 'pad' or 'squash'"),
        ({"mean": "grey"}, "mean: Input should be a valid"),
        ({"std": [0, 1, 1]}, "images cannot be normalized"),
        ({"last_layer": "conv1"}, "its last layer is not one of 3 classes"),
        ({"graph": {"onnx": "no base64!", "tensors": []}}, "graph.onnx: "),
        ({"graph": {"onnx": "YWJj", "tensors": []}}, "its tensors do not fit its graph"),
    ],
)
def test_what_is_no_model_is_an_error_of_one_line(in_folder: Path, model: Path, change: object, line: str) -> None:
    path = Path("x.safetensors")
    if isinstance(change, dict):
        write(path, model, **change)
    else:
        path.write_bytes(change(model.read_bytes()))
    with pytest.raises(ProjectError) as raised:
        Classifier.load(path)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda tensors: tensors.pop("conv1.weight"), "its tensors do not fit its graph"),
        (lambda tensors: tensors.update({"conv1.weight": np.ones((1, 2), np.float32)}), "do not fit its graph"),
        (lambda tensors: tensors.pop("fc.bias"), "its last layer is not one of 3 classes"),
        (lambda tensors: tensors["bn1.weight"].fill(np.nan), "some of its weights are not finite"),
    ],
    ids=["one is missing", "of another shape", "no last layer", "not finite"],
)
def test_tensors_that_are_no_model_are_an_error_of_one_line(
    in_folder: Path, model: Path, change: Callable[[dict], object], line: str
) -> None:
    tensors, about = read_tensors(model)
    change(tensors)
    write_tensors(Path("x.safetensors"), tensors, about)
    with pytest.raises(ProjectError) as raised:
        Classifier.load("x.safetensors")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_foreign_picture_is_told_and_those_of_the_classes_are_not(tmp_path: Path) -> None:
    classifier = Classifier.load(telling_model(tmp_path / "telling.safetensors", tmp_path / "known"))
    foreign = classifier(draw_foreign(tmp_path / "foreign.png"))
    assert foreign.none_of_these is True
    assert foreign.distance > foreign.threshold == classifier.file.novelty.threshold
    assert foreign.label in CLASSES, "what it would have been"
    assert foreign.probability == max(foreign.probabilities.values())
    (tmp_path / "more").mkdir()
    for number in range(100, 120):
        draw_picture(tmp_path / f"more/{number}.png", "discs", number)
    known = [outcome for _, outcome in classifier.stream(sorted((tmp_path / "more").iterdir()))]
    assert sum(of.none_of_these for of in known) <= 2
    assert all(of.none_of_these == (of.distance > of.threshold) for of in known)


def test_a_model_that_cannot_tell_says_nothing_of_it(classifier: Classifier, pictures: list[Path]) -> None:
    prediction = classifier(pictures[0])
    assert (prediction.none_of_these, prediction.distance, prediction.threshold) == (None, None, None)
