"""BatchNorm's statistics, taken anew for the images as the finished network will see them."""

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from stages.networks.blocks import to_training
from stages.preprocessing.inputs import to_input
from stages.training.compute import Compute
from stages.training.examples import Images

BATCH = 32  # images


@torch.no_grad()
def recompute_statistics(network: nn.Module, images: Images, compute: Compute) -> None:
    """Set the running means and variances to those of `images`, not augmented, with the weights as they are.

    In training they are gathered along the way, of augmented and perhaps smaller crops (the train-test discrepancy of
    Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019), while the weights move; see Wu and
    Johnson, "Rethinking 'Batch' in BatchNorm", 2021, for taking them anew. The mean over all batches is taken; the
    network is in eval mode afterwards. Blocks that are not trained keep theirs.
    """
    to_training(network)
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    network.eval()
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean of all batches
        layer.train()
    for batch in np.array_split(np.arange(len(images.labels)), -(-len(images.labels) // BATCH)):
        inputs = torch.from_numpy(to_input(images.squares[batch], images.preprocessing)).to(compute.device)
        with compute.autocast():
            network(inputs.contiguous(memory_format=torch.channels_last))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
