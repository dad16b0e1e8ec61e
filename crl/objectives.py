"""The contrastive loss of the paper, its block form, and two ways to pair tuples with negatives.

All losses use base-2 logarithms, so that the logistic loss of one zero margin is 1, as the theory asks.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[..., Tensor]  # margins, dim -> losses


def logistic(margins: Tensor, dim: int = -1) -> Tensor:
    """``log2(1 + sum_i exp(-v_i))`` over a dimension: margins [..., k] -> losses [...] (section 2)."""
    shift = margins.detach().amin(dim, keepdim=True).clamp(max=0)  # no exponential of what is left can overflow
    total = (shift - margins).exp().sum(dim) + shift.squeeze(dim).exp()
    return (total.log() - shift.squeeze(dim)) / math.log(2)


def hinge(margins: Tensor, dim: int = -1) -> Tensor:
    """``max(0, 1 + max_i(-v_i))`` over a dimension: margins [..., k] -> losses [...] (section 2)."""
    return torch.relu(1 - margins.amin(dim))


LOSSES: dict[str, Loss] = {"logistic": logistic, "hinge": hinge}


def contrastive_loss(anchor: Tensor, positive: Tensor, negative: Tensor, loss: str = "logistic") -> Tensor:
    """``L_un`` of section 2 (and its block form of section 6.3) on a batch of tuples, as a scalar.

    anchor [B, d] holds ``f(x)``; positive [B, d] the embedding (or block mean) of the similar point;
    negative [B, k, d] those of the k negatives. Raw inner products: nothing is normalised, no temperature.
    Raises ValueError where the shapes do not fit, KeyError for an unknown loss.
    """
    if anchor.shape != positive.shape or anchor.dim() != 2:
        raise ValueError(f"anchor and positive must both be [B, d], not {[*anchor.shape]} and {[*positive.shape]}")
    if negative.dim() != 3 or negative.shape[::2] != anchor.shape or negative.shape[1] < 1:
        raise ValueError(f"negative must be [B, k, d] with k >= 1 beside {[*anchor.shape]}, not {[*negative.shape]}")
    margins = (anchor * positive).sum(-1, keepdim=True) - torch.einsum("bd,bkd->bk", anchor, negative)
    return LOSSES[loss](margins).mean()


def pooled_contrastive_loss(points: Tensor, others: Tensor, loss: str = "logistic") -> Tensor:
    """``L_un`` with the negatives of a tuple taken from *other* tuples of the batch, as a scalar.

    points [1 + b, B, d] holds the features of 1 + b points of one class for each of B tuples; others [draws, k] holds,
    for each draw, k distinct shifts in 1..B-1. Every point i of tuple t is an anchor, the b other points of the tuple
    are its positive block, and the points but the i-th of tuple ``(t + shift_j) mod B`` are its j-th negative block.

    Unbiased for ``L_un`` in its block form (section 6.3): the points of a tuple are i.i.d. from one class, so any one
    of them and the b others are an anchor and a positive block. The tuples are i.i.d. with classes from rho, so the
    blocks of k distinct other tuples are k i.i.d. blocks of classes drawn from rho, independent of tuple t, which is
    how the paper draws negatives (collisions with the class of t included). Each (point, draw) is therefore one sample
    of the paper's tuple, and the mean over all of them keeps the expectation; that they are dependent changes the
    variance only.

    Raises ValueError where the shapes do not fit. That shifts are distinct and not 0 is left to the sampler: to look
    would wait for the device.
    """
    if points.dim() != 3 or points.shape[0] < 2:
        raise ValueError(f"points must be [1 + b, B, d] with b >= 1, not {[*points.shape]}")
    size, tuples = points.shape[:2]
    if others.dim() != 2 or min(others.shape) < 1 or others.shape[1] > tuples - 1:
        raise ValueError(f"others must be [draws, k] with 1 <= k <= B - 1 = {tuples - 1}, not {[*others.shape]}")
    others_of_tuple = points.sum(0) - points
    scores = points @ others_of_tuple.transpose(1, 2) / (size - 1)
    # k before the draws: a reduction over anything but the innermost dimension is several times faster on a CPU.
    shifts = others.T.flatten()
    columns = (torch.arange(tuples, device=points.device)[:, None] + shifts) % tuples
    negative = scores.gather(2, columns.expand(size, -1, -1)).unflatten(2, others.T.shape)
    margins = scores.diagonal(dim1=1, dim2=2)[..., None, None] - negative
    return LOSSES[loss](margins, dim=2).mean()
