"""Slow references for the losses, on scalar tensors: autograd gives their gradients too."""

import torch
from torch import Tensor


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
