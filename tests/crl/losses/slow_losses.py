"""Slow references for the losses, on scalar tensors: autograd gives their gradients too."""

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.losses.pooled import pool_size


def normal(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def slow_loss(margins: list[Tensor], loss: str) -> Tensor:
    """The formulas of section 2, and the sum of logistic losses."""
    if loss == "hinge":
        worst = min(margins)
        return 1 - worst if worst < 1 else 0 * worst
    exponentials = [torch.exp(-margin) for margin in margins]
    if loss == "additive":
        return sum(torch.log2(1 + exponential) for exponential in exponentials)
    return torch.log2(1 + sum(exponentials))


def slow_dot(left: Tensor, right: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for x, y in zip(left, right, strict=True):
        total = total + x * y
    return total


def pooled_loss_by_autograd(points: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """The definition of the pooled loss, anchor after anchor."""
    n = pool_size(points.shape[1], negatives)
    groups = (n - 1) // negatives
    blocks = (points.sum(0) - points) / (len(points) - 1)
    losses = []
    for anchor_pool, block_pool in zip(points.split(n, 1), blocks.split(n, 1), strict=True):
        scores = anchor_pool @ block_pool.mT  # [1 + b, n, n]: point, tuple of the anchor, block
        for own in range(n):
            others = [n - 1 if other == own else other for other in range(n - 1)]
            dealt = scores[:, own, others[: groups * negatives]].unflatten(1, (negatives, groups))
            margins = scores[:, own, own, None, None] - dealt
            losses.append(LOSSES[loss].of_margins(margins.mT))
    return torch.stack(losses).mean()
