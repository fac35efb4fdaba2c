"""Where a network looks: Grad-CAM.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def last_places(network: nn.Module) -> Iterator[list[Tensor | None]]:
    """A list of one: what `network`, run meanwhile, has last that is not pooled yet, (N, C, h, w).

    None if it keeps none up to its end, as those made of tokens (vit_…).
    """
    found: list[Tensor | None] = [None]

    def keep(output: Tensor) -> None:
        if output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
            found[0] = output
        elif output.dim() == 3:  # tokens
            found[0] = None

    with _outputs_to(keep, network):
        yield found


@contextmanager
def _outputs_to(keep: Callable[[Tensor], None], network: nn.Module) -> Iterator[None]:
    """Meanwhile, each tensor that a module of `network` gives is handed to `keep`."""

    def hand_over(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            keep(output)

    hooks = [module.register_forward_hook(hand_over) for module in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def look(network: nn.Module, image: np.ndarray, answer: int) -> np.ndarray | None:
    """How much each place of `image` speaks for the class numbered `answer`.

    The last activation before pooling is summed over its channels, each weighted by the mean gradient of the
    class's logit; what speaks against the class counts as nothing. Classifier.look gives the same, without torch, where
    the embedding is the mean of that activation. Of networks made of tokens (vit_…) it is the last activation whose
    places the logit depends on: behind it, the answer is that of a token of its own.

    Args:
        network: in eval mode; it computes in float32.
        image: (3, H, W) float32, as the network gets it.

    Returns:
        (h, w) float32, 0 to 1, where 1 is the place that speaks most; all 0 if none does. None if the network keeps no
        places up to its end.
    """
    device, tokens = next(network.parameters()).device, _Tokens()
    with torch.enable_grad(), last_places(network) as found, _outputs_to(tokens.keep, network):
        logits = network(torch.from_numpy(image)[None].to(device).requires_grad_())
    if (last := found[0]) is not None:
        (gradient,) = torch.autograd.grad(logits[0, answer], last)
        if getattr(network, "output_fmt", None) == "NHWC":  # as timm's Swin says
            last, gradient = last.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)
    elif (places := tokens.last_that_counts(logits[0, answer])) is not None:
        last, gradient = places
    else:
        return None
    heat = (gradient.mean((2, 3), keepdim=True) * last).sum(1).relu().detach().cpu()[0]
    over_maximum: np.ndarray = (heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)).numpy()
    return over_maximum


@dataclass
class _Tokens:
    """What a network of tokens computes on its way."""

    outputs: list[Tensor] = field(default_factory=list)  # (N, T, C)
    grids: dict[int, tuple[int, int]] = field(default_factory=dict)  # by channels, of what has places

    def keep(self, output: Tensor) -> None:
        if output.dim() == 3:
            self.outputs.append(output)
        elif output.dim() == 4:
            self.grids[output.shape[1]] = (output.shape[2], output.shape[3])

    def last_that_counts(self, logit: Tensor) -> tuple[Tensor, Tensor] | None:
        """(1, C, h, w), with its gradient: the last tokens of the final width any place of which moves `logit`."""
        if not self.outputs or (grid := self.grids.get(self.outputs[-1].shape[2])) is None:
            return None
        alike = [of for of in self.outputs if of.shape == self.outputs[-1].shape]
        before = alike[0].shape[1] - grid[0] * grid[1]  # tokens that are no places stand before those that are
        gradients = torch.autograd.grad(logit, alike, allow_unused=True)
        for of, gradient in zip(reversed(alike), reversed(gradients), strict=True):
            if before >= 0 and gradient is not None and gradient[:, before:].any():
                last, slope = (each[:, before:].transpose(1, 2).reshape(1, -1, *grid) for each in (of, gradient))
                return last, slope
        return None
