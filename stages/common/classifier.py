"""A trained network with all that is needed to use it: its one file is enough."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from torch import nn

from stages.common.images import Preprocessing
from stages.common.network import build, new_last_layer, set_last_layer
from stages.common.tensors import load_tensors, save_tensors


@dataclass(frozen=True)
class Classifier:
    """
    The file is a dict that `torch.load(path, weights_only=True)` reads: network (torchvision's name), classes
    (names, in the order of the outputs), resize, crop, mean, std, precision, state_dict (torchvision's names).
    """

    network: nn.Module
    name: str
    classes: list[str]
    preprocessing: Preprocessing
    precision: str

    def save(self, path: Path) -> None:
        content: dict[str, object] = {
            "network": self.name,
            "classes": self.classes,
            **asdict(self.preprocessing),
            "precision": self.precision,
            "state_dict": {name: tensor.cpu().contiguous() for name, tensor in self.network.state_dict().items()},
        }
        save_tensors(path, content)

    @classmethod
    def load(cls, path: Path) -> Self:
        content = load_tensors(path, ("network", "classes", "resize", "crop", "mean", "std", "state_dict"))
        network = build(content["network"])
        set_last_layer(network, new_last_layer(network, len(content["classes"])))
        network.load_state_dict(content["state_dict"])
        preprocessing = Preprocessing(content["resize"], content["crop"], content["mean"], content["std"])
        return cls(network.eval(), content["network"], content["classes"], preprocessing, content["precision"])
