"""The contrastive loss of the paper and its block form.

All losses use base-2 logarithms, so that the logistic loss of one zero margin is 1, as the theory
asks.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor], Tensor]


def logistic(margins: Tensor) -> Tensor:
    """``log2(1 + sum_i exp(-v_i))``: margins [..., k] -> losses [...] (section 2)."""
    return nn.functional.softplus((-margins).logsumexp(-1), threshold=40) / math.log(2)


def hinge(margins: Tensor) -> Tensor:
    """``max(0, 1 + max_i(-v_i))``: margins [..., k] -> losses [...] (section 2)."""
    return torch.relu(1 - margins.amin(-1))


# crl.losses.pooled has forms of its own of them, with their derivatives.
LOSSES: dict[str, Loss] = {"logistic": logistic, "hinge": hinge}


def contrastive_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, loss: str = "logistic"
) -> Tensor:
    """``L_un`` of section 2 (and its block form of section 6.3) on a batch of tuples, as a scalar.

    anchor [B, d] holds ``f(x)``; positive [B, d] the embedding (or block mean) of the similar
    point; negative [B, k, d] those of the k negatives. Raw inner products: nothing is normalised,
    no temperature. Raises ValueError where the shapes do not fit, KeyError for an unknown loss.
    """
    if anchor.shape != positive.shape or anchor.dim() != 2:
        raise ValueError(
            f"anchor and positive must both be [B, d], not {[*anchor.shape]} and {[*positive.shape]}"
        )
    if negative.dim() != 3 or negative.shape[::2] != anchor.shape or negative.shape[1] < 1:
        raise ValueError(
            f"negative must be [B, k, d] with k >= 1 beside {[*anchor.shape]}, not {[*negative.shape]}"
        )
    margins = (anchor * positive).sum(-1, keepdim=True) - torch.einsum(
        "bd,bkd->bk", anchor, negative
    )
    return LOSSES[loss](margins).mean()
