"""The contrastive loss of the paper and its block form."""

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES


def contrastive_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, loss: str = "logistic"
) -> Tensor:
    """The mean of ``l`` over a batch of B tuples, a scalar: ``L_un`` (section 2) or its block form
    (section 6.3).

    anchor [B, d] holds ``f(x)``. positive [B, d] holds the features of the similar point, or the
    mean of its block. negative [B, k, d] holds those of the k negatives. Scores are raw inner
    products: nothing is normalised and there is no temperature. ``loss`` is a name in ``LOSSES``.
    Raises ValueError if the shapes do not fit, KeyError for an unknown loss.
    """
    if anchor.shape != positive.shape or anchor.dim() != 2:
        shapes = f"{[*anchor.shape]} and {[*positive.shape]}"
        raise ValueError(f"anchor and positive must both be [B, d], not {shapes}")
    if negative.dim() != 3 or negative.shape[::2] != anchor.shape or negative.shape[1] < 1:
        shapes = f"{[*anchor.shape]}, not {[*negative.shape]}"
        raise ValueError(f"negative must be [B, k, d] with k >= 1 beside an anchor of {shapes}")
    margins = (anchor * positive).sum(-1, keepdim=True) - torch.einsum(
        "bd,bkd->bk", anchor, negative
    )
    return LOSSES[loss].of_margins(margins).mean()
