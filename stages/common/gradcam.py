"""Where a network looks: Grad-CAM.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def look(network: nn.Module, image: Tensor, answer: int) -> Tensor | None:
    """How much each place of `image` speaks for the class numbered `answer`.

    The last activation before pooling is summed over its channels, each weighted by the mean gradient of the
    class's logit; what speaks against the class counts as nothing.

    Args:
        network: in eval mode; it computes in float32.
        image: (3, H, W) float32, as the network gets it.

    Returns:
        (H, W) float32 on the CPU, 0 to 1, where 1 is the place that speaks most; all 0 if none does. None if the
        network keeps no places up to its end, as those made of tokens (vit_…).
    """
    last: Tensor | None = None

    def keep(_: nn.Module, __: object, output: object) -> None:
        nonlocal last
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2:].numel() > 1:  # not pooled yet
            last = output
        elif isinstance(output, Tensor) and output.dim() == 3:  # tokens
            last = None

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        device = next(network.parameters()).device
        with torch.enable_grad():
            logits = network(image[None].to(device).requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    if last is None:
        return None
    (gradient,) = torch.autograd.grad(logits[0, answer], last)
    heat = (gradient.mean((2, 3), keepdim=True) * last).sum(1, keepdim=True).relu().detach().cpu()
    heat = _over_maximum(heat).round(decimals=2)  # what is beyond may differ with the number of threads
    return _over_maximum(F.interpolate(heat, image.shape[1:], mode="bilinear")[0, 0])


def _over_maximum(heat: Tensor) -> Tensor:
    return heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)
