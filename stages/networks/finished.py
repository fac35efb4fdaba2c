"""A finished model as torch has it, for what onnxruntime does not do."""

import torch
from torch import nn

from stages.models.model_file import ModelFile
from stages.networks.network import LastLayer, build, set_last_layer


def load_model(file: ModelFile) -> nn.Module:
    """The whole network of a finished model, in eval mode."""
    network = build(file.network, file.preprocessing.crop)
    set_last_layer(network, LastLayer(file.weight.shape[1], file.weight.shape[0]))
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in file.tensors.items()})
    return network.eval()
