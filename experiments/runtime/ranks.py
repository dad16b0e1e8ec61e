"""What the processes (ranks) of one training run do together. Each holds the whole data and the
whole model and encodes an equal share of the tuples of every step; the loss, and so every update,
is that of the whole batch."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from lightning_fabric.strategies import DDPStrategy, Strategy
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from data.errors import DataError
from experiments.errors import ConfigError, RunError

T = TypeVar("T")

_PATIENCE = timedelta(
    days=1
)  # of a rank with the others: rank 0 alone downloads, prepares data, and measures


@dataclass(frozen=True)
class Ranks:
    """``environment``: what tells this process its rank and where to meet the others; ``per_node``
    of them on each node."""

    environment: ClusterEnvironment
    per_node: int
    nodes: int = 1

    @property
    def count(self) -> int:
        """How many there are."""
        return self.per_node * self.nodes

    def strategy(self) -> Strategy | str:
        """Fabric's, to average gradients over ranks."""
        return DDPStrategy(timeout=_PATIENCE) if self.count > 1 else "auto"


ALONE = Ranks(
    LightningEnvironment(), 1
)  # given to Fabric, it looks for no cluster, nor warns of one that is not used


def rank_zero_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """work() by rank 0, then by the others, who find in the cache what it has prepared.

    Where it raises ConfigError, DataError, RunError or OSError on one of them, all raise that.
    """
    if fabric.world_size == 1:
        return work()
    found: list[T] = []
    for turn in (fabric.is_global_zero, not fabric.is_global_zero):
        mine: Exception | None = None
        if turn:
            try:
                found.append(work())
            except (ConfigError, DataError, RunError, OSError) as error:
                mine = error
        for theirs in gathered(mine):
            if theirs is not None:
                raise theirs
    return found[0]


@contextmanager
def rank_zero_holds(fabric: Fabric, context: AbstractContextManager[object]) -> Iterator[None]:
    """Enter the context on rank 0; where that fails, raise its error on all ranks."""
    with ExitStack() as stack:

        def enter() -> None:
            if fabric.is_global_zero:
                stack.enter_context(context)

        rank_zero_first(fabric, enter)
        yield


def gathered(value: T) -> list[T]:
    """The value of every rank, in their order."""
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def leave_process_group() -> None:
    """The end of what ranks do together, if there are others; from here on each goes its own
    way."""
    if distributed.is_initialized():
        with suppress(RuntimeError):  # a rank that is gone already
            distributed.destroy_process_group()


def own_columns(columns: int, fabric: Fabric) -> slice:
    """Which of a batch's tuples are this rank's. Their number is a multiple of the ranks."""
    share = columns // fabric.world_size
    return slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)


def gather_columns(own: Tensor) -> Tensor:
    """Features [m, B / W, d] of this rank's tuples -> [m, B, d] of the tuples of all W ranks, in
    their order.

    Every rank computes the loss of all. Of its gradient, the part with respect to this rank's
    features goes on, times W: the weights' gradients are then averaged over ranks, and the average
    is the gradient of that one loss, for parameters before this point (a rank's gradients are one
    term of a sum) as for those behind it (they are equal on all ranks).
    """
    return _GatherColumns.apply(own)


class _GatherColumns(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.share = own.shape[1]
        parts = [
            torch.empty_like(own, memory_format=torch.contiguous_format)
            for _ in range(distributed.get_world_size())
        ]
        distributed.all_gather(parts, own.contiguous())
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own = gradient.narrow(1, distributed.get_rank() * ctx.share, ctx.share)
        return own * distributed.get_world_size()


class _RankMean(torch.autograd.Function):
    """The mean of a tensor over ranks; so is its gradient."""

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
    """Batch norm in training by the statistics of all ranks' shares, which are of one size: what
    ``nn.SyncBatchNorm`` does on CUDA devices, for any device. In evaluation it is the batch norm
    that it was before."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # of one to three dimensions, as it was before

    def forward(self, input: Tensor) -> Tensor:
        """[m, C, ...] -> the same shape."""
        if not self.training:
            return super().forward(input)
        rest = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        values = input.float()
        mean = _RankMean.apply(values.mean(rest))
        centred = values - mean.view(shape)
        variance = _RankMean.apply(centred.square().mean(rest))
        if (
            self.running_mean is not None
            and self.running_var is not None
            and self.num_batches_tracked is not None
        ):
            self._track(
                mean.detach(),
                variance.detach(),
                distributed.get_world_size() * input.numel() // input.shape[1],
            )
        scale = (variance + self.eps).rsqrt()
        if self.weight is None:
            return (centred * scale.view(shape)).to(input.dtype)
        return torch.addcmul(self.bias.view(shape), centred, (scale * self.weight).view(shape)).to(
            input.dtype
        )

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert (
            self.running_mean is not None
            and self.running_var is not None
            and self.num_batches_tracked is not None
        )
        self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * count / (count - 1), rate)


def with_global_batch_norm(encoder: nn.Module, device: torch.device) -> nn.Module:
    """The encoder, its batch norms made those of the whole batch in place; parameters, buffers and
    names stay."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(encoder)
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = GlobalBatchNorm
    return encoder
