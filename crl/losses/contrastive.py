"""The paper's contrastive loss with its block form, and its baseline: Quick Thoughts."""

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES


def contrastive_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, loss: str = "logistic"
) -> Tensor:
    """``L_un`` on a batch of tuples, as a scalar: the mean of ``l`` over them (section 2).

    anchor [B, d] holds ``f(x)``. positive [B, d] holds the features of the similar point, and
    negative [B, k, d] those of the k negatives. If both hold means of blocks instead, this is the
    block form of section 6.3. Scores are raw inner products: nothing is normalised and there is no
    temperature. ``loss`` is a name in ``LOSSES``. Raises ValueError if the shapes do not fit,
    KeyError for an unknown loss.
    """
    if anchor.shape != positive.shape or anchor.dim() != 2:
        raise ValueError(
            "anchor and positive must both be [B, d], not "
            f"{[*anchor.shape]} and {[*positive.shape]}"
        )
    if negative.dim() != 3 or negative.shape[::2] != anchor.shape or negative.shape[1] < 1:
        raise ValueError(
            "negative must be [B, k, d] with k >= 1 beside an anchor of "
            f"{[*anchor.shape]}, not {[*negative.shape]}"
        )
    margins = (anchor * positive).sum(-1, keepdim=True) - torch.einsum(
        "bd,bkd->bk", anchor, negative
    )
    return LOSSES[loss].of_margins(margins).mean()


def quick_thoughts_loss(first: Tensor, second: Tensor) -> Tensor:
    """The cross-entropy of similar pairs in a softmax over the batch, as a scalar in nats.

    The objective of Quick Thoughts (Logeswaran & Lee 2018), the baseline of the paper's Table 2.

    first [B, s, d] and second [B, s, d] are the features of B blocks of s >= 2 points under two
    encoders; for one encoder they are the same tensor. The candidates of point i are all other
    points of the batch, with scores ``first_i · second_j``. The loss is the cross-entropy between
    their softmax and the uniform distribution on the s - 1 other points of i's block: every ordered
    pair in a block is a similar pair. With s = 2 this is Quick Thoughts with one similar sentence.
    Raises ValueError if the shapes do not fit.
    """
    if first.shape != second.shape or first.dim() != 3 or first.shape[1] < 2:
        raise ValueError(
            "first and second must both be [B, s, d] with s >= 2, not "
            f"{[*first.shape]} and {[*second.shape]}"
        )
    size = first.shape[1]
    scores = first.flatten(0, 1) @ second.flatten(0, 1).T
    scores.fill_diagonal_(-torch.inf)
    similar = ((first * second.sum(1, keepdim=True)).sum(2) - (first * second).sum(2)) / (size - 1)
    return (scores.logsumexp(1) - similar.flatten()).mean()
