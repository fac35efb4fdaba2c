"""Training the last blocks on what the others, which stay as they are, make of each image: computed once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.networks.blocks import cut, to_training
from stages.preprocessing.inputs import to_input
from stages.training.compute import Compute
from stages.training.examples import Images

BATCH = 32  # images
MOST_MIB = 2048  # of activations; above that they are computed in every step


@dataclass(frozen=True)
class Activations:
    """What the blocks that stay as they are make of all images; has what training asks of Images."""

    activations: Tensor  # (N, …)
    labels: np.ndarray  # (N,) int64

    def augmented(self, of: np.ndarray, device: torch.device, epoch: int) -> Tensor:
        """Those of the images numbered `of`; they are the same in every epoch."""
        return self.activations[torch.from_numpy(of)].to(device)


def shortened(network: nn.Module, images: Images, compute: Compute) -> tuple[nn.Module, Images | Activations]:
    """What a step of training is to run, and on what: the last blocks on activations, where that comes to the same.

    Else the network and the images as they are: where all blocks are trained, images change from epoch to epoch,
    several processes share the work, or the activations are more than MOST_MIB.
    """
    if all(of.requires_grad for of in network.parameters()) or images.augment or compute.team.size > 1:
        return network, images
    to_training(network)
    if (parts := cut(network)) is None:
        print("the blocks that are not trained run in each step: torch.fx cannot tell them from the others", flush=True)
        return network, images
    front, back = parts
    kept: Tensor | None = None
    with torch.no_grad(), compute.autocast():
        for start in range(0, len(images.labels), BATCH):
            inputs = torch.from_numpy(to_input(images.squares[start : start + BATCH], images.preprocessing))
            part = front(inputs.to(compute.device, memory_format=torch.channels_last)).cpu()
            if kept is None:
                if part[0].nbytes * len(images.labels) > MOST_MIB << 20:
                    return network, images
                kept = part.new_empty((len(images.labels), *part.shape[1:]))
            kept[start : start + BATCH] = part
    assert kept is not None  # there are train images
    return back, Activations(kept, images.labels)
