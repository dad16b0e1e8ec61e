"""The contrastive loss of the paper, its block form, and two ways to pair tuples with negatives.

All losses use base-2 logarithms, so that the logistic loss of one zero margin is 1, as the theory asks.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def logistic(margins: Tensor) -> Tensor:
    """``log2(1 + sum_i exp(-v_i))`` over the last dimension: margins [..., k] -> losses [...] (section 2)."""
    zero = margins.new_zeros(()).expand(*margins.shape[:-1], 1)
    return torch.logsumexp(torch.cat([zero, -margins], dim=-1), dim=-1) / math.log(2)


def hinge(margins: Tensor) -> Tensor:
    """``max(0, 1 + max_i(-v_i))`` over the last dimension: margins [..., k] -> losses [...] (section 2)."""
    return torch.relu(1 - margins.amin(dim=-1))


LOSSES: dict[str, Loss] = {"logistic": logistic, "hinge": hinge}


def block_means(features: Tensor) -> Tensor:
    """Mean embedding of each block: features [..., b, d] -> [..., d] (section 6.3)."""
    return features.mean(dim=-2)


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


def pooled_contrastive_loss(anchor: Tensor, positive: Tensor, others: Tensor, loss: str = "logistic") -> Tensor:
    """``L_un`` with the negatives of a tuple taken from the positive blocks of *other* tuples, as a scalar.

    anchor [B, d] and positive [B, d] as in :func:`contrastive_loss`; others [draws, k] holds, for each draw, k
    distinct shifts in 1..B-1: the i-th negative of tuple t is the positive block of tuple ``(t + shift_i) mod B``.

    Unbiased for ``L_un``: the tuples of a batch are i.i.d., so the k blocks of k distinct other tuples are i.i.d.
    blocks of classes drawn from rho, independent of tuple t, which is how the paper draws negatives (collisions with
    the class of t included). Each draw is therefore one sample of the paper's tuple, and a mean over draws keeps the
    expectation; the draws of a batch are dependent, which changes the variance only.

    Raises ValueError where the shapes do not fit. That shifts are distinct and not 0 is left to the sampler: to look
    would wait for the device.
    """
    if anchor.shape != positive.shape or anchor.dim() != 2:
        raise ValueError(f"anchor and positive must both be [B, d], not {[*anchor.shape]} and {[*positive.shape]}")
    tuples = anchor.shape[0]
    if others.dim() != 2 or min(others.shape) < 1 or others.shape[1] > tuples - 1:
        raise ValueError(f"others must be [draws, k] with 1 <= k <= B - 1 = {tuples - 1}, not {[*others.shape]}")
    scores = anchor @ positive.T
    # Row t of `rolled` starts at tuple t's own block, so that one column index serves every row.
    rows = torch.arange(tuples, device=anchor.device)
    rolled = scores.gather(1, (rows[:, None] + rows) % tuples)
    margins = rolled[:, :1, None] - rolled[:, others]
    return LOSSES[loss](margins).mean()
