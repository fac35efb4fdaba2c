"""stages/training/batchnorm.py, by hand for a layer that sees the images themselves."""

import numpy as np
import torch
from torch import nn

from stages.preprocessing.inputs import Preprocessing, to_input
from stages.recipes.variant import Augment
from stages.training.batchnorm import BATCH, recompute_statistics
from stages.training.compute import Compute
from stages.training.examples import Images

CPU = Compute(torch.device("cpu"), "float32")
COUNT = BATCH + 8


def images() -> Images:
    """With augmentation, which is not to be seen."""
    squares = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 12, 12), np.uint8)
    return Images(squares, np.zeros(COUNT, int), Preprocessing(12, 8), Augment(min_scale=0.3, flip=True, crop=32))


def test_statistics_are_those_of_the_images_as_they_are() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.9), nn.BatchNorm2d(3)).train()
    of = images()
    recompute_statistics(network, of, CPU)
    parts = np.array_split(to_input(of.squares, of.preprocessing), 2)  # of 20 images each
    means = np.mean([part.mean((0, 2, 3)) for part in parts], 0)
    variances = np.mean([part.var((0, 2, 3), ddof=1) for part in parts], 0)
    assert np.allclose(network[0].running_mean, means, atol=1e-5)
    assert np.allclose(network[0].running_var, variances, atol=1e-5)
    assert np.allclose(network[2].running_mean, 0, atol=1e-5), "dropout is off meanwhile"
    assert np.allclose(network[2].running_var, 1, atol=1e-2), "or this would be 10"
    assert [layer.momentum for layer in network if isinstance(layer, nn.BatchNorm2d)] == [0.1, 0.1]
    assert not any(module.training for module in network.modules())


def test_what_was_there_before_and_the_weights_do_not_matter_and_stay() -> None:
    first, second = nn.Sequential(nn.BatchNorm2d(3)), nn.Sequential(nn.BatchNorm2d(3))
    second[0].running_mean += 7
    second[0].num_batches_tracked += 5
    for network in (first, second):
        recompute_statistics(network, images(), CPU)
    assert torch.equal(first[0].running_mean, second[0].running_mean)
    assert first[0].weight.tolist() == [1, 1, 1]
    assert first[0].weight.grad is None


def test_a_network_without_batchnorm_sees_no_image() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.GroupNorm(1, 2))
    network.register_forward_hook(lambda *_: 1 / 0)
    recompute_statistics(network, images(), CPU)
    assert not network.training
