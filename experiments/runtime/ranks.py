"""Joint operations of the processes (ranks) of one training run.

Each holds all data and the whole model, and encodes an equal share of the tuples of every step.
The loss, and so every update, is that of the whole batch.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment
from torch import Tensor, distributed

from crl.data.errors import DataError
from crl.experiments.errors import ConfigError, RunError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, ``per_node`` of them on each node.

    ``environment`` tells this process its rank and where to meet the others.
    """

    environment: ClusterEnvironment
    per_node: int
    nodes: int = 1

    @property
    def count(self) -> int:
        """The number of ranks."""
        return self.per_node * self.nodes


# Fabric gets it even for one process: it then neither looks for a cluster nor warns of one.
ALONE = Ranks(LightningEnvironment(), 1)


def rank_zero_first(fabric: Fabric, work: Callable[[], T]) -> T:
    """Call work() on rank 0, then on the others, which find rank 0's data in the cache.

    If it raises ConfigError, DataError, RunError or OSError on one rank, all ranks raise that.
    """
    if fabric.world_size == 1:
        return work()
    results: list[T] = []
    for own_turn in (fabric.is_global_zero, not fabric.is_global_zero):
        own_error: Exception | None = None
        if own_turn:
            try:
                results.append(work())
            except (ConfigError, DataError, RunError, OSError) as error:
                own_error = error
        for error_of_rank in gathered(own_error):
            if error_of_rank is not None:
                raise error_of_rank
    return results[0]


@contextmanager
def rank_zero_holds(fabric: Fabric, context: AbstractContextManager[object]) -> Iterator[None]:
    """Enter the context on rank 0; where that fails, raise its error on all ranks."""
    with ExitStack() as stack:
        own = context if fabric.is_global_zero else nullcontext()
        rank_zero_first(fabric, partial(stack.enter_context, own))
        yield


def gathered(value: T) -> list[T]:
    """Return the values of all ranks, in rank order."""
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def leave_process_group() -> None:
    """Leave the group of ranks; without other ranks, do nothing."""
    if distributed.is_initialized():
        with suppress(RuntimeError):  # another rank is gone already
            distributed.destroy_process_group()


def own_columns(columns: int, fabric: Fabric) -> slice:
    """Return which tuples of a batch are this rank's; ranks divide their number evenly."""
    share = columns // fabric.world_size
    return slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)


def gather_columns(own: Tensor) -> Tensor:
    """Return the features [m, B, d] of the tuples of all W ranks, in rank order.

    ``own``: the features [m, B / W, d] of this rank's tuples. Every rank computes the loss of the
    whole batch. Backward passes on the gradient of this rank's own features, times W. Fabric then
    averages the weights' gradients over ranks, which gives the gradient of that loss. Before this
    point, a rank's gradient of a parameter is one term of a sum. After it, the gradient is the same
    on every rank.
    """
    return _GatherColumns.apply(own)


class _GatherColumns(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.share = own.shape[1]
        shares = [
            torch.empty_like(own, memory_format=torch.contiguous_format)
            for _ in range(distributed.get_world_size())
        ]
        distributed.all_gather(shares, own.contiguous())
        return torch.cat(shares, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own = gradient.narrow(1, distributed.get_rank() * ctx.share, ctx.share)
        return own * distributed.get_world_size()
