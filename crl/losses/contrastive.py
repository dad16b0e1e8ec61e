"""The contrastive loss of the paper and its block form."""

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES


def contrastive_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, loss: str = "logistic"
) -> Tensor:
    """``L_un`` on a batch of tuples, as a scalar: the mean of ``l`` over them (section 2).

    anchor [B, d] holds ``f(x)``. positive [B, d] holds the features of the similar point, and
    negative [B, k, d] those of the k negatives; with the means of blocks in their place it is the
    block form of section 6.3. Scores are raw inner products: nothing is normalised and there is no
    temperature. ``loss`` is a name in ``LOSSES``. Raises ValueError if the shapes do not fit,
    KeyError for an unknown loss.
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
