"""stages/weights.py: which files of weights are taken, and under which names they come out."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from stages.ground.errors import ProjectError
from stages.models.pretrained import Pretrained
from stages.networks import graph
from stages.networks.network import load_pretrained
from stages.weights import main
from tests.conftest import PROJECT, sha256_of, write_weights
from tests.models import model_entry

State = dict[str, Tensor]
OUT = Path("weights/mobilenet_v2.safetensors")


@pytest.fixture(scope="module")
def whole() -> State:
    """All 314 tensors of a mobilenet_v2, its last layer's weight and bias last."""
    torch.manual_seed(0)
    return torchvision.models.mobilenet_v2(weights=None).state_dict()


@pytest.fixture(scope="module")
def backbone(whole: State) -> State:
    return {name: tensor for name, tensor in whole.items() if not name.startswith("classifier.1.")}


def save(content: object, name: str = "published.pth") -> Path:
    torch.save(content, name)
    return Path(name)


def write_params(model: str, urls: list[Path], checksum: str) -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["models"] = {model: model_entry(model, "", checksum, urls=[str(url) for url in urls])}
    Path("params.yaml").write_text(yaml.safe_dump(params))


def fetched(file: Path) -> State:
    """What the stage makes of a file that is as published."""
    write_params("mobilenet_v2", [file], sha256_of(file))
    main("mobilenet_v2")
    return load_file(OUT)


def refused(file: Path, problem: str) -> None:
    with pytest.raises(ProjectError, match=rf"{file}: {problem}\. Put the right file there"):
        fetched(file)
    assert not Path("weights").exists() or list(Path("weights").iterdir()) == []


def same(first: State, second: State) -> bool:
    """The same names and equal tensors."""
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def renamed(state: State) -> State:
    return {f"module.{number}": tensor for number, tensor in enumerate(state.values())}


@pytest.mark.parametrize(("model", "last"), [("resnet18", "fc."), ("mobilenet_v2", "classifier.")])
def test_published_weights_load_into_torchvisions_network_without_the_last_layer(
    in_folder: Path, capsys: pytest.CaptureFixture[str], model: str, last: str
) -> None:
    """resnet18's with torchvision's names and its last layer, mobilenet_v2's with other names and without."""
    file, checksum = write_weights(in_folder, model)
    published = torch.load(file, weights_only=True)
    write_params(model, [file], checksum)
    main(model)
    tensors = [tensor for name, tensor in published.items() if not name.startswith(last)]
    assert capsys.readouterr().out == (
        f"weights/{model}.safetensors: {len(tensors)} tensors of {model}, without its last layer\n"
    )
    state = load_file(f"weights/{model}.safetensors")
    pretrained = Pretrained.read(Path(f"weights/{model}.safetensors"), model)
    loaded = load_pretrained(pretrained).state_dict()
    assert (f"{pretrained.last_layer}.", pretrained.width) == (
        last.replace("ier.", "ier.1."),
        512 if last == "fc." else 1280,
    )
    assert not any(name.startswith(last) for name in state)
    assert set(loaded) - set(state) == {name for name in loaded if name.startswith(last)}
    names = [name for name in loaded if not name.startswith(last)]
    for name, right in zip(names, tensors, strict=True):
        assert torch.equal(state[name], right)
        assert torch.equal(state[name], loaded[name])


def test_other_names_are_taken_in_order_and_a_last_layer_after_them_is_left_out(
    in_folder: Path, whole: State, backbone: State
) -> None:
    assert same(fetched(save(renamed(backbone))), backbone)
    assert same(fetched(save(renamed(whole))), backbone)


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_tensors_are_found_beside_what_trained_them(in_folder: Path, whole: State, backbone: State, key: str) -> None:
    assert same(fetched(save({key: whole, "epoch": 3})), backbone)


def test_safetensors_are_taken_if_they_are_whole(in_folder: Path, whole: State, backbone: State) -> None:
    file = Path("published.safetensors")
    save_file(whole, file)
    assert same(fetched(file), backbone)
    OUT.unlink()
    file.write_bytes(file.read_bytes()[:-1])
    refused(file, r"published\.safetensors is not a whole file of tensors")


def test_torchvisions_names_are_taken_in_any_order(in_folder: Path, whole: State, backbone: State) -> None:
    assert same(fetched(save(dict(reversed(whole.items())))), backbone)


def test_another_checksum_is_refused_and_the_next_place_is_taken(
    in_folder: Path, whole: State, backbone: State, server: Callable[[Path], str]
) -> None:
    (in_folder / "served").mkdir()
    wrong, right = save({**whole, "more": torch.zeros(1)}), save(whole, "served/right.pth")
    write_params("mobilenet_v2", [wrong], sha256_of(right))
    problem = f"expected sha256 {sha256_of(right)}, received {sha256_of(wrong)} ({wrong.stat().st_size} bytes). Put"
    with pytest.raises(ProjectError, match=re.escape(problem)):
        main("mobilenet_v2")
    assert not OUT.exists()
    write_params("mobilenet_v2", [wrong, f"{server(in_folder / 'served')}/right.pth"], sha256_of(right))
    main("mobilenet_v2")
    assert same(load_file(OUT), backbone)


@pytest.mark.parametrize("rename", [dict, renamed], ids=["torchvision's names", "other names"])
def test_a_tensor_of_another_shape_is_named_with_both_shapes(in_folder: Path, whole: State, rename) -> None:
    spoiled = {**whole, "features.0.0.weight": torch.zeros(32, 1, 3, 3)}
    refused(
        save(rename(spoiled)),
        r"features\.0\.0\.weight: expected shape \(32, 3, 3, 3\), received \(32, 1, 3, 3\);"
        r" these are not the weights of MobileNetV2",
    )


def test_other_names_in_another_order_are_refused_where_shapes_show_it(in_folder: Path, backbone: State) -> None:
    refused(save(renamed(dict(reversed(backbone.items())))), r"features\.0\.0\.weight: expected shape .*")


@pytest.mark.parametrize("count", [0, 1, 311, 313, 315])
def test_another_number_of_tensors_is_refused(in_folder: Path, whole: State, count: int) -> None:
    tensors = [*whole.values(), torch.zeros(1)][:count]
    refused(
        save({f"tensor.{number}": tensor for number, tensor in enumerate(tensors)}),
        f"expected 312 tensors before the last layer, received {count}",
    )


def test_weights_of_another_network_are_refused(in_folder: Path) -> None:
    file, _ = write_weights(in_folder, "resnet18")
    refused(file, "expected 312 tensors before the last layer, received 122")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([torch.zeros(1)], r"published\.pth: expected a state dict, names to tensors; received a list"),
        (torch.zeros(1), r"published\.pth: expected a state dict, names to tensors; received a Tensor"),
        ({"state_dict": {"a": torch.zeros(1), "b": 1}}, "expected a state dict, names to tensors"),
        ({"a": torch.zeros(1), "epoch": 3}, "expected a state dict, names to tensors"),
    ],
    ids=["list", "tensor", "nested", "more than tensors"],
)
def test_what_is_no_state_dict_is_refused(in_folder: Path, content: object, problem: str) -> None:
    refused(save(content), problem)


UNREADABLE = r"published\.pth is not a whole file of tensors, or one that would run code when it is loaded"


@pytest.mark.parametrize("cut", ["empty", "page", "half", "pickle cut short"])
def test_what_is_no_whole_file_is_refused(in_folder: Path, backbone: State, cut: str) -> None:
    file = save(backbone)
    content = {
        "empty": b"",
        "page": b"<html>Sign in</html>",
        "half": file.read_bytes()[: file.stat().st_size // 2],
        "pickle cut short": b"\x80\x02}",
    }
    file.write_bytes(content[cut])
    refused(file, UNREADABLE)


class MakesAFolder:
    """Its pickle says: on loading, call os.mkdir."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.name,)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_file_is_not_run(in_folder: Path, backbone: State, new_format: bool) -> None:
    file = in_folder / "published.pth"
    torch.save({**backbone, "code": MakesAFolder("it_ran")}, file, _use_new_zipfile_serialization=new_format)
    refused(file, UNREADABLE)
    assert not Path("it_ran").exists()
    torch.load(file, weights_only=False)
    assert Path("it_ran").exists()  # or the file would have been harmless anyway


def test_earlier_weights_stay_if_the_new_ones_are_refused(in_folder: Path) -> None:
    OUT.parent.mkdir()
    OUT.write_bytes(b"earlier")
    with pytest.raises(ProjectError, match="expected a state dict"):
        fetched(save([]))
    assert [(path.name, path.read_bytes()) for path in OUT.parent.iterdir()] == [(OUT.name, b"earlier")]


def test_earlier_weights_stay_if_writing_the_new_ones_breaks_off(
    in_folder: Path, whole: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(tensor: np.ndarray) -> bytes:
        raise OSError("no space left")

    file = save(whole)
    OUT.parent.mkdir()
    OUT.write_bytes(b"earlier")
    monkeypatch.setattr("stages.models.tensors._bytes", full_disk)
    with pytest.raises(OSError, match="no space left"):
        fetched(file)
    assert [(path.name, path.read_bytes()) for path in OUT.parent.iterdir()] == [(OUT.name, b"earlier")]


def test_a_network_whose_last_layer_is_not_linear_is_refused_before_anything_is_fetched(in_folder: Path) -> None:
    write_params("squeezenet1_1", [Path("nowhere.pth")], "0" * 64)
    problem = r"^the last layer of SqueezeNet is classifier\.1, a Conv2d; expected a Linear with a bias\. Choose"
    with pytest.raises(ProjectError, match=problem):
        main("squeezenet1_1")


def test_a_name_that_is_no_model_is_answered_with_those_there_are(in_folder: Path) -> None:
    write_params("mobilenet_v2", [Path("nowhere.pth")], "0" * 64)
    with pytest.raises(ProjectError, match=r"^params\.yaml: models has no entry 'resnet18'; it has: mobilenet_v2$"):
        main("resnet18")


def test_weights_of_half_precision_are_kept_as_float32(in_folder: Path, backbone: State) -> None:
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in backbone.items()}
    assert {tensor.dtype for tensor in fetched(save(halved)).values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("digits", [8, 10, 63])
def test_the_beginning_of_a_checksum_is_enough_and_must_be_right(in_folder: Path, whole: State, digits: int) -> None:
    file = save(whole)
    checksum = sha256_of(file)
    write_params("mobilenet_v2", [file], checksum[:digits])
    main("mobilenet_v2")
    OUT.unlink()
    wrong = checksum[: digits - 1] + ("0" if checksum[digits - 1] != "0" else "1")
    write_params("mobilenet_v2", [file], wrong)
    with pytest.raises(ProjectError, match=f"expected sha256 {wrong}, received {checksum}"):
        main("mobilenet_v2")
    assert not OUT.exists()


@pytest.mark.parametrize("rename", [dict, renamed], ids=["torchvision's names", "other names"])
@pytest.mark.parametrize("with_last", [True, False])
def test_files_without_counts_of_batches_are_taken(in_folder: Path, whole: State, rename, with_last: bool) -> None:
    """PyTorch wrote none before 0.4.1; torchvision still publishes such files."""
    old = {name: tensor for name, tensor in whole.items() if not name.endswith("num_batches_tracked")}
    if not with_last:
        del old["classifier.1.weight"], old["classifier.1.bias"]
    expected = {name: tensor for name, tensor in whole.items() if not name.startswith("classifier.1.")}
    assert same(fetched(save(rename(old))), expected)  # the counts of new weights are 0


def test_a_graph_that_does_not_compute_what_the_network_does_is_refused(
    in_folder: Path, whole: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = graph._exported

    def of_another(module: torch.nn.Module, images: Tensor):
        torch.nn.init.ones_(module.network.features[0][0].weight)
        module.network.features[0][0].stride = (1, 1)
        return exported(module, images)

    monkeypatch.setattr(graph, "_exported", of_another)
    refused(save(whole), "MobileNetV2 as an ONNX graph gives embeddings that differ from torch's by .*")


def test_a_network_that_onnx_cannot_hold_is_refused_in_one_line(
    in_folder: Path, whole: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 18, None)

    monkeypatch.setattr(torch.onnx, "export", unsupported)
    refused(save(whole), r"MobileNetV2 cannot be written as an ONNX graph \(.*aten::strange.*\); choose another .*")
