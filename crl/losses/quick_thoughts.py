"""The Quick Thoughts objective (Logeswaran & Lee 2018), the paper's baseline in Table 2."""

import torch
from torch import Tensor


def quick_thoughts_loss(first: Tensor, second: Tensor) -> Tensor:
    """In-batch softmax over dot products, every ordered pair inside a block being a similar pair; a
    scalar in nats.

    first [B, s, d] and second [B, s, d] are the features of B blocks of s >= 2 points under the two
    encoders (the same tensor twice for one encoder). For each point i, the points of the batch
    other than i are its candidates, with scores ``first_i · second_j``; the loss is the
    cross-entropy between their softmax and the uniform distribution on the s - 1 other points of
    i's block. With blocks of two this is the objective of Quick Thoughts for one similar sentence.
    Raises ValueError where the shapes do not fit.
    """
    if first.shape != second.shape or first.dim() != 3 or first.shape[1] < 2:
        raise ValueError(
            f"two equal [B, s, d] with s >= 2 are needed, not {[*first.shape]} and {[*second.shape]}"
        )
    size = first.shape[1]
    scores = first.flatten(0, 1) @ second.flatten(0, 1).T
    scores.fill_diagonal_(-torch.inf)
    similar = ((first * second.sum(1, keepdim=True)).sum(2) - (first * second).sum(2)) / (size - 1)
    return (scores.logsumexp(1) - similar.flatten()).mean()
