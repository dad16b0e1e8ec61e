"""The contrastive loss of the paper, its block form, and two ways to pair tuples with negatives.

All losses use base-2 logarithms, so that the logistic loss of one zero margin is 1, as the theory asks.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[..., Tensor]  # margins, dim -> losses


def logistic(margins: Tensor, dim: int = -1) -> Tensor:
    """``log2(1 + sum_i exp(-v_i))`` over a dimension: margins [..., k] -> losses [...] (section 2)."""
    return nn.functional.softplus((-margins).logsumexp(dim), threshold=40) / math.log(2)


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


_LEAST_TUPLES, _LEAST_DRAWS = 64, 15  # of a pool, of an anchor in it; more cost more and gain little (docs/protocol.md)


def pooled_contrastive_loss(points: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """``L_un`` with the negatives of a tuple taken from *other* tuples of the batch, as a scalar.

    points [1 + b, B, d] holds the features of 1 + b points of one class for each of B tuples. The batch is split into pools
    (:func:`pool_size`). Every point i of tuple t is an anchor, the b other points of the tuple are its positive block, and
    the points but the i-th of another tuple of the pool are a negative block. These other tuples are dealt out in groups of
    k = ``negatives``, as many as they fill: each group is one draw.

    Unbiased for ``L_un`` in its block form (section 6.3): the points of a tuple are i.i.d. from one class, so any one
    of them and the b others are an anchor and a positive block. The tuples are i.i.d. with classes from rho, so the
    blocks of k distinct other tuples, whichever, are k i.i.d. blocks of classes drawn from rho, independent of tuple t,
    which is how the paper draws negatives (collisions with the class of t included). Each (point, draw) is therefore one
    sample of the paper's tuple, and the mean over all of them keeps the expectation; that they are dependent changes the
    variance only.

    Raises ValueError where the shapes do not fit.
    """
    if points.dim() != 3 or points.shape[0] < 2:
        raise ValueError(f"points must be [1 + b, B, d] with b >= 1, not {[*points.shape]}")
    size, tuples = points.shape[:2]
    if not 1 <= negatives <= tuples - 1:
        raise ValueError(f"negatives must be in 1..B - 1 = {tuples - 1}, not {negatives}")
    pool = pool_size(tuples, negatives)
    pools = points.unflatten(1, (-1, pool))
    scores = pools @ (pools.sum(0) - pools).transpose(2, 3) / (size - 1)
    # Behind each score on the diagonal stand, row by row, as many off it as the pool has tuples.
    others = scores.flatten(2)[..., 1:].unflatten(2, (pool - 1, pool + 1))[..., :-1].reshape(*scores.shape[:3], pool - 1)
    # k before the draws: a reduction over anything but the innermost dimension is several times faster on a CPU.
    groups = others[..., : (pool - 1) // negatives * negatives].unflatten(3, (negatives, -1))
    return LOSSES[loss](scores.diagonal(dim1=2, dim2=3)[..., None, None] - groups, dim=3).mean()


def pool_size(tuples: int, negatives: int) -> int:
    """How many tuples :func:`pooled_contrastive_loss` pairs with one another: the smallest divisor of their number from 64
    on that leaves an anchor 15 draws of so many negatives, else all of them."""
    least = max(_LEAST_TUPLES, _LEAST_DRAWS * negatives + 1)
    return next((size for size in range(least, tuples) if tuples % size == 0), tuples)
