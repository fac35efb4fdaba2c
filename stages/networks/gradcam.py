"""Where a network looks: Grad-CAM.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def last_places(network: nn.Module) -> Iterator[list[Tensor | None]]:
    """A list of one: what `network`, run meanwhile, has last that is not pooled yet, (N, C, h, w).

    None if it keeps no places up to its end, as those made of tokens (vit_…).
    """
    found: list[Tensor | None] = [None]

    def keep(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
            found[0] = output
        elif isinstance(output, Tensor) and output.dim() == 3:  # tokens
            found[0] = None

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def look(network: nn.Module, image: np.ndarray, answer: int) -> np.ndarray | None:
    """How much each place of `image` speaks for the class numbered `answer`.

    The last activation before pooling is summed over its channels, each weighted by the mean gradient of the
    class's logit; what speaks against the class counts as nothing. Classifier.look gives the same, without torch, where
    the embedding is the mean of that activation.

    Args:
        network: in eval mode; it computes in float32.
        image: (3, H, W) float32, as the network gets it.

    Returns:
        (h, w) float32, 0 to 1, where 1 is the place that speaks most; all 0 if none does. None if the network keeps no
        places up to its end.
    """
    device = next(network.parameters()).device
    with torch.enable_grad(), last_places(network) as found:
        logits = network(torch.from_numpy(image)[None].to(device).requires_grad_())
    if (last := found[0]) is None:
        return None
    (gradient,) = torch.autograd.grad(logits[0, answer], last)
    heat = (gradient.mean((2, 3), keepdim=True) * last).sum(1).relu().detach().cpu()[0]
    over_maximum: np.ndarray = (heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)).numpy()
    return over_maximum
