"""The Quick Thoughts objective (Logeswaran & Lee 2018), the paper's baseline in Table 2."""

import torch
from torch import Tensor


def quick_thoughts_loss(first: Tensor, second: Tensor) -> Tensor:
    """The cross-entropy of similar pairs in a softmax over the batch, as a scalar in nats.

    first [B, s, d] and second [B, s, d] are the features of B blocks of s >= 2 points under two
    encoders; for one encoder they are the same tensor. The candidates of point i are all other
    points of the batch, with scores ``first_i · second_j``. The loss is the cross-entropy between
    their softmax and the uniform distribution on the s - 1 other points of i's block: every ordered
    pair in a block is a similar pair. With s = 2 this is Quick Thoughts with one similar sentence.
    Raises ValueError if the shapes do not fit.
    """
    if first.shape != second.shape or first.dim() != 3 or first.shape[1] < 2:
        shapes = f"{[*first.shape]} and {[*second.shape]}"
        raise ValueError(f"first and second must both be [B, s, d] with s >= 2, not {shapes}")
    size = first.shape[1]
    scores = first.flatten(0, 1) @ second.flatten(0, 1).T
    scores.fill_diagonal_(-torch.inf)
    similar = ((first * second.sum(1, keepdim=True)).sum(2) - (first * second).sum(2)) / (size - 1)
    return (scores.logsumexp(1) - similar.flatten()).mean()
