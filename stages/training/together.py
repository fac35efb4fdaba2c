"""A share of a batch, computed as part of the whole batch.

Where several processes share a batch (stages/training/distributed.py), most layers do not notice: they look at one
image at a time. Two kinds do, and are told of the whole batch here: BatchNorm, whose mean and variance are over all its
images, and what draws at random, dropout and stochastic depth. So the result is that of one process but for rounding.
torch's own SyncBatchNorm is for GPUs alone, and loses the activation that timm's BatchNormAct2d ends with.

Both are met where a network calls torch's functions, by a TorchFunctionMode, whatever module of whichever library calls
them. Not told are alpha dropout and attention's own dropout, which no network of torchvision or timm has by default.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from stages.training.distributed import Team

DROPOUT = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)


def together(team: Team, whole: int) -> AbstractContextManager[object]:
    """The context in which a network computes `team`'s share of a batch of `whole` images as part of that batch. All
    processes of the team must have seeded torch alike."""
    return Together(team, whole) if team.size > 1 else nullcontext()


class Together(TorchFunctionMode):
    def __init__(self, team: Team, whole: int) -> None:
        super().__init__()
        mine = team.share(torch.arange(whole).numpy())
        self.first, self.share, self.whole = int(mine[0]), len(mine), whole

    def __torch_function__(
        self, function: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm:
            return self.batch_norm(*args, **kwargs)
        if function in DROPOUT:
            return self.dropout(function, *args, **kwargs)
        if function is Tensor.bernoulli_:  # of stochastic depth, in either library
            return self.bernoulli_(*args, **kwargs)
        return function(*args, **kwargs)

    def batch_norm(
        self,
        images: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """As torch's, which has these arguments, by the mean and variance of the whole batch."""
        if not training or running_mean is None or running_var is None:  # such as timm's that standardizes weights
            return F.batch_norm(images, running_mean, running_var, weight, bias, training, momentum, eps)
        count = images.numel() // images.shape[1] // self.share * self.whole
        with torch.no_grad():
            # Of copies, which it would update: their type is that of the answers, also under bfloat16.
            share = torch.batch_norm_update_stats(images, running_mean.clone(), running_var.clone(), 0.0)
            mean, var = self._of_whole(*share)
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (count / (count - 1)), momentum)
        weight = torch.ones_like(mean) if weight is None else weight
        bias = torch.zeros_like(mean) if bias is None else bias
        normalized: Tensor = _Normalized.apply(images, weight, bias, mean, var, eps, count)
        return normalized

    def _of_whole(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """(C,) each, of the share: those of the whole batch. In float64, since squares of means are subtracted."""
        mean64 = mean.double()
        moments = torch.stack([mean64, var.double() + mean64.square()]) * (self.share / self.whole)
        dist.all_reduce(moments)
        return moments[0].to(mean.dtype), (moments[1] - moments[0].square()).to(var.dtype)

    def dropout(
        self, drop: Callable[..., Tensor], images: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """As `drop`, of which this share gets its part of what would have been drawn for the whole batch."""
        if not training or p == 0 or len(images) % self.share:
            return drop(images, p, training, inplace)
        rows = len(images) // self.share  # of each image: windows, as Swin Transformers have
        ones = torch.ones_like(self._empty_whole(images, rows))
        return images * drop(ones, p, training)[self._mine(rows)]

    def bernoulli_(self, noise: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if len(noise) % self.share:  # drawn for a whole batch at once
            return noise.bernoulli_(*args, **kwargs)
        rows = len(noise) // self.share
        return noise.copy_(self._empty_whole(noise, rows).bernoulli_(*args, **kwargs)[self._mine(rows)])

    def _empty_whole(self, part: Tensor, rows: int) -> Tensor:
        """In the layout that one process would have it in: in that order it is drawn."""
        last = part.ndim == 4 and part.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        return torch.empty(
            (rows * self.whole, *part.shape[1:]), dtype=part.dtype, device=part.device, memory_format=layout
        )

    def _mine(self, rows: int) -> slice:
        return slice(rows * self.first, rows * (self.first + self.share))


class _Normalized(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, where mean and var, (C,) each, are of x in all processes."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, eps: float, count: int
    ) -> Tensor:
        ctx.save_for_backward(images, weight, mean, var)
        ctx.eps, ctx.count = eps, count
        return F.batch_norm(images, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, of_output: Tensor) -> tuple[Tensor | None, ...]:
        """That with mean and var as constants, less what reaches the images by way of these (Ioffe and Szegedy, "Batch
        Normalization", 2015), which is linear in the normalized images."""
        images, weight, mean, var = ctx.saved_tensors
        of_images, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            of_output, images, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        slope, offset = sums * (weight / (ctx.count * (var + ctx.eps).sqrt()))
        of_images -= F.batch_norm(images, mean, var, slope, offset, False, 0.0, ctx.eps)
        return of_images, of_weight, of_bias, None, None, None, None
