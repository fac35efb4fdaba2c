"""stages/features.py: embeddings are what the last layer of the whole, frozen network gets."""

from pathlib import Path

import pytest
import torch
from torch import nn

from stages.common.images import Preprocessing, list_split, read_square, to_input
from stages.common.network import build, last_layer_name, set_last_layer
from stages.common.params import Runtime
from stages.features import embed, embeddings_figure
from tests.drawing import draw_split

LOOK = Preprocessing(resize=40, crop=32)
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "mobilenet_v3_small"])
def test_embeddings_are_the_last_layers_input_and_leave_the_network_as_it_was(tmp_path: Path, name: str) -> None:
    draw_split(tmp_path, 3)
    listed = list_split(tmp_path)
    network = build(name).train()  # embed must not rely on the caller for eval mode
    seen = []
    network.get_submodule(last_layer_name(network)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network.eval()(to_input(torch.stack([read_square(path, 40) for path in listed.files]), LOOK))
    network.train()

    set_last_layer(network, nn.Identity())
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    embeddings = embed(network, listed, LOOK, CPU, Runtime(progress=False))
    assert embeddings.dtype == torch.float32
    assert torch.allclose(embeddings, seen[0], atol=1e-5)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_embeddings_figure_shows_train_and_val_in_the_plane_of_train() -> None:
    train = torch.tensor([[-3.0, 0, 0], [3.0, 0, 0], [0, -1.0, 0], [0, 1.0, 0]])
    val = torch.tensor([[2.0, -0.5, 9.0]])  # the third dimension, in which train does not vary, is not shown
    features = {
        "classes": ["a", "b"],
        "train": {"embeddings": train, "labels": torch.tensor([0, 0, 1, 1])},
        "val": {"embeddings": val, "labels": torch.tensor([1])},
    }
    figure = embeddings_figure("net on data", features)
    assert figure.get_suptitle() == "net on data: what the frozen network sees"
    [axes] = figure.axes
    assert "90 %" in axes.get_xlabel()
    assert axes.collections[0].get_offsets().tolist() == [[-3, 0], [3, 0]]
    assert axes.collections[3].get_offsets().tolist() == [[2, -0.5]]
