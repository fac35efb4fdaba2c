"""torchvision's networks."""

from functools import partial

import torchvision
from torch import nn
from torchvision.models import MNASNet

from stages.ground.errors import ProjectError

UNSUITABLE = {
    "googlenet": "in training it answers with a tuple",
    "inception_v3": "in training it answers with a tuple",
}  # tests/test_families.py looks through torchvision's registry for more


def build(name: str) -> nn.Module:
    if name in UNSUITABLE:
        raise ProjectError(f"{name} cannot be used: {UNSUITABLE[name]}. Choose another network in params.yaml")
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    if isinstance(network, MNASNet):  # its own way of loading wants to know which version wrote the tensors
        network._load_from_state_dict = partial(nn.Module._load_from_state_dict, network)
    return network
