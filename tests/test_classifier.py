"""stages/common/classifier.py: the model's file is enough, alone and in a stream alike."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from torchvision import transforms

from stages.common.classifier import BATCH, Classifier, Prediction
from stages.common.errors import ProjectError
from stages.common.tensors import load_tensors
from tests.drawing import draw_picture
from tests.models import CLASSES, draw_formats, small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model") / "small.pt")


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
    saved = torch.load(model, weights_only=True)
    network = torchvision.models.get_model(saved["network"], weights=None, num_classes=3)
    network.load_state_dict(saved["state_dict"])
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
        ProjectError,
        FileNotFoundError,
        IsADirectoryError,
        ProjectError,
        ProjectError,
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


def test_it_computes_in_float32_whatever_is_set_around_it(classifier: Classifier, pictures: list[Path]) -> None:
    seen = []

    def note(*_: object) -> None:
        seen.append((torch.backends.cudnn.conv.fp32_precision, torch.is_autocast_enabled("cpu")))

    alone, around = classifier(pictures[0]), torch.backends.cudnn.conv.fp32_precision
    with classifier.network.register_forward_hook(note), torch.autocast("cpu", torch.bfloat16):
        assert classifier(pictures[0]) == alone
    assert seen == [("ieee", False)], "cuDNN's convolutions are in TF32 otherwise"
    assert torch.backends.cudnn.conv.fp32_precision == around


def test_a_file_with_further_keys_is_read(model: Path, classifier: Classifier, tmp_path: Path) -> None:
    content = load_tensors(model)
    assert set(content) == {"network", "classes", "resize", "crop", "mean", "std", "precision", "state_dict"}
    torch.save(content | {"made_by": "another version"}, tmp_path / "other.pt")
    loaded = Classifier.load(tmp_path / "other.pt")
    assert (loaded.name, loaded.classes, loaded.preprocessing) == (
        "resnet18",
        CLASSES,
        classifier.preprocessing,
    )
    assert not loaded.network.training
    torch.save({key: content[key] for key in content if key != "precision"}, tmp_path / "earlier.pt")
    assert Classifier.load(tmp_path / "earlier.pt").precision == "not recorded"


class RunsCode:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("ran"),)


def changed(**values: object) -> Callable[[bytes, dict], object]:
    return lambda _, content: content | values


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data, _: data[: len(data) // 2], "x.pt is not a whole file of tensors"),
        (lambda *_: b"", "x.pt is not a whole file of tensors"),
        (lambda *_: b"\x80\x02\x85", "x.pt is not a whole file of tensors"),
        (lambda *_: RunsCode(), "x.pt is not a whole file of tensors, or one that would run code"),
        (lambda *_: [1], "x.pt: expected a state dict"),
        (lambda _, content: content["state_dict"], "x.pt is not a model that stages.train made: network: Field requ"),
        (changed(network="mobilenet_v9"), "network: no classification network of torchvision"),
        (changed(network="mobilenet_v2"), "x.pt is not a model that stages.train made: its state_dict does not fit"),
        (changed(classes=CLASSES[:2]), "its state_dict does not fit"),
        (changed(classes=[]), "classes: List should have at least 1 item"),
        (changed(resize=10**9), "resize: Input should be less than or equal to"),
        (changed(mean="grey"), "mean: Input should be a valid tuple"),
        (changed(state_dict={"a": 1}), "state_dict.a: Input should be an instance of Tensor"),
    ],
)
def test_what_is_no_model_is_an_error_of_one_line(
    in_folder: Path, model: Path, change: Callable[[bytes, dict], object], line: str
) -> None:
    content = change(model.read_bytes(), load_tensors(model))
    if isinstance(content, bytes):
        Path("x.pt").write_bytes(content)
    else:
        torch.save(content, "x.pt")
    with pytest.raises(ProjectError) as raised:
        Classifier.load("x.pt")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not Path("ran").exists()
