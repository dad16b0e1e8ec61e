"""Batch norm over the whole batch when each rank encodes a share of it."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _RankMean(torch.autograd.Function):
    """The mean of a tensor over ranks; its gradient is a mean over ranks too."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        return _RankMean.over_ranks(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _RankMean.over_ranks(gradient)

    @staticmethod
    def over_ranks(own: Tensor) -> Tensor:
        total = own.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total / distributed.get_world_size()


class GlobalBatchNorm(_BatchNorm):
    """Batch norm that in training uses the statistics of the whole batch, over all ranks.

    All ranks' shares have the same size. This does on any device what ``nn.SyncBatchNorm`` does on
    CUDA devices. In evaluation it is an ordinary batch norm.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # it stands for batch norms of one, two and three dimensions

    def forward(self, input: Tensor) -> Tensor:
        """Normalise values [m, C, ...]; the shape stays."""
        if not self.training:
            return super().forward(input)
        rest = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        values = input.float()
        mean = _RankMean.apply(values.mean(rest))
        centred = values - mean.view(shape)
        variance = _RankMean.apply(centred.square().mean(rest))
        count = distributed.get_world_size() * input.numel() // input.shape[1]
        self._track(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt()
        if self.weight is None:
            return (centred * scale.view(shape)).to(input.dtype)
        return torch.addcmul(self.bias.view(shape), centred, (scale * self.weight).view(shape)).to(
            input.dtype
        )

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics, if the layer has any."""
        if (
            self.running_mean is None
            or self.running_var is None
            or self.num_batches_tracked is None
        ):
            return
        self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * count / (count - 1), rate)


def with_global_batch_norm(encoder: nn.Module, device: torch.device) -> nn.Module:
    """Make the encoder's batch norms use the whole batch, in place (on CUDA: a converted copy).

    Parameters, buffers and their names stay.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(encoder)
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = GlobalBatchNorm
    return encoder
