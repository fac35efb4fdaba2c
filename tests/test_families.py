"""Networks of many families go the whole way: published weights, a new last layer, training, a file and back."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor
from torchvision.models import get_model_weights, list_models

from scripts.add_network import entry
from stages.common.classifier import Classifier
from stages.common.compute import Compute
from stages.common.errors import ProjectError
from stages.common.examples import Images
from stages.common.fit import predict, train_epoch
from stages.common.images import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from stages.common.network import UNSUITABLE, build, load_pretrained, new_last_layer, set_last_layer
from stages.common.tensors import save_tensors
from stages.weights import torchvision_names

NAMES = list_models(module=torchvision.models)
SIDE = 32  # pixels


def as_published(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under the names, and with the tensors, of files of that age."""
    if name == "densenet121":  # 2017: norm.1 for norm1, no counts of batches
        kept = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
        return {key.replace("norm1", "norm.1").replace("norm2", "norm.2"): tensor for key, tensor in kept.items()}
    return state


@pytest.mark.parametrize(
    "name",
    [
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
        "mnasnet0_5",
        "mobilenet_v3_small",
        "regnet_y_400mf",
        "resnet50",
        "shufflenet_v2_x0_5",
        "swin_t",
    ],
)
def test_a_network_goes_the_whole_way(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    published = build(name).state_dict()
    save_tensors(tmp_path / "weights.pt", torchvision_names(as_published(name, published), build(name)))
    network = load_pretrained(name, tmp_path / "weights.pt")
    last = new_last_layer(network, 3)
    set_last_layer(network, last)
    loaded = network.state_dict()
    same = [key for key, tensor in published.items() if loaded[key].shape == tensor.shape]
    assert len(published) - len(same) == 2  # the last layer's weight and bias
    assert all(torch.equal(loaded[key], published[key]) for key in same)

    preprocessing, compute = Preprocessing(SIDE, SIDE), Compute(torch.device("cpu"), "float32")
    squares = torch.randint(0, 256, (4, 3, SIDE, SIDE), dtype=torch.uint8)
    images = Images(squares, torch.tensor([0, 1, 2, 0]), preprocessing)
    first, weight = next(network.parameters()).detach().clone(), last.weight.detach().clone()
    loss, _ = train_epoch(network, images, torch.optim.SGD(network.parameters(), 0.01), 4, 0, 1, compute)
    assert 0 < loss < 10
    assert not torch.equal(last.weight, weight)
    assert not torch.equal(next(network.parameters()), first)

    Classifier(network.eval(), name, ["a", "b", "c"], preprocessing, "float32").save(tmp_path / "model.pt")
    again = Classifier.load(tmp_path / "model.pt")
    assert torch.allclose(predict(again.network, images, compute), predict(network, images, compute), atol=1e-5)


def test_a_vits_published_names_are_brought_to_torchvisions() -> None:
    """Its layers were called linear_1 and linear_2; it takes one size of image only, so it is not trained here."""
    network = build("vit_b_32")
    state = network.state_dict()
    published = {key.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): state[key] for key in state}
    assert set(published) != set(state)
    found = torchvision_names(published, network)
    assert set(state) - set(found) == {"heads.head.weight", "heads.head.bias"}
    assert all(found[key] is state[key] for key in found)


def test_the_unsuitable_are_all_whose_weights_expect_other_colours_or_that_answer_with_tuples() -> None:
    other_colours = {
        name
        for name in NAMES
        for weights in get_model_weights(name)
        if weights.name == "IMAGENET1K_V1"
        and (tuple(weights.transforms().mean), tuple(weights.transforms().std)) != (IMAGENET_MEAN, IMAGENET_STD)
    }
    with_tuples = {"googlenet", "inception_v3"}
    sources = [Path(torchvision.models.__file__).with_name(f"{name}.py") for name in ("googlenet", "inception")]
    others = {*Path(torchvision.models.__file__).parent.glob("*.py")} - {*sources}
    assert all("aux_logits" in path.read_text() for path in sources)
    assert not any("aux_logits" in path.read_text() for path in others)
    assert set(UNSUITABLE) == other_colours | with_tuples


def test_every_other_network_has_an_entry_that_params_yaml_takes() -> None:
    refused = set()
    for name in NAMES:
        try:
            lines, _ = entry(name)
        except ProjectError:
            refused.add(name)
            continue
        settings = dict(line.strip().split(": ") for line in lines if ": " in line)
        assert 32 <= int(settings["crop"]) <= int(settings["resize"]) <= 1024, name
        assert len(settings["sha256"].partition(" #")[0].strip('"')) in (8, 10), name
    assert refused == {"regnet_y_128gf", "vit_h_14"}
