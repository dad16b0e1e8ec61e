"""The contrastive loss with the other tuples of a batch as negatives.

:func:`pooled_loss_by_autograd` is the definition. :func:`pooled_contrastive_loss` gives the same
number with its gradient in closed form.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from crl.losses.margin_loss import LOSSES, MarginLoss

# The least number of tuples in a pool, and of draws an anchor gets in it. More of either costs more
# and gains little (docs/protocol.md).
_LEAST_TUPLES, _LEAST_DRAWS = 64, 15


def pooled_loss_by_autograd(points: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """``L_un`` with negatives from other tuples of the batch, as a scalar: the definition.

    points [1 + b, B, d] holds the features of 1 + b points of one class for each of B tuples.

    - Anchors: every point of every tuple.
    - Blocks: the positive block of point i is the b other points of its tuple. The negative block
      of another tuple is the points of that tuple without its i-th.
    - Draws: the batch is split into pools of n tuples (:func:`pool_size`). The n - 1 other tuples
      of the pool are dealt into disjoint groups of k = ``negatives``, as many as they fill. An
      anchor and one group are one draw. The loss is the mean of ``l`` over all draws.

    It is unbiased for ``L_un`` in its block form (section 6.3). The points of a tuple are i.i.d.
    from one class, so any point and the b others are an anchor and its positive block. The tuples
    are i.i.d. with classes from rho. So the blocks of any k other tuples are i.i.d. blocks of
    classes drawn from rho, independent of the anchor's tuple. This is how the paper draws
    negatives, collisions included. Each draw is therefore one sample of the paper's tuple. The mean
    over dependent samples has the same expectation; only its variance differs.

    The order of dealing changes no expectation. Here the last tuple takes the place of the anchor's
    own, and group g of G holds the tuples in the places g, g + G, ...

    Raises ValueError if the shapes do not fit, KeyError for an unknown loss.
    """
    _check(points, negatives)
    n = pool_size(points.shape[1], negatives)
    groups = (n - 1) // negatives
    blocks = (points.sum(0) - points) / (len(points) - 1)
    losses = []
    for anchor_pool, block_pool in zip(points.split(n, 1), blocks.split(n, 1), strict=True):
        scores = anchor_pool @ block_pool.mT  # [1 + b, n, n]: point, tuple of the anchor, block
        for own in range(n):
            others = [n - 1 if other == own else other for other in range(n - 1)]
            dealt = scores[:, own, others[: groups * negatives]].unflatten(1, (negatives, groups))
            margins = scores[:, own, own, None, None] - dealt
            losses.append(LOSSES[loss].of_margins(margins.mT))
    return torch.stack(losses).mean()


def pooled_contrastive_loss(points: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """:func:`pooled_loss_by_autograd` with its gradient in closed form: less time, less memory.

    It computes in the precision of the points, under autocast too. It can be differentiated once,
    by ``backward`` or ``autograd.grad``. Raises ValueError if the shapes do not fit, KeyError for
    an unknown loss.
    """
    _check(points, negatives)
    n = pool_size(points.shape[1], negatives)
    with torch.autocast(points.device.type, enabled=False):
        return _PooledLoss.apply(points, negatives, n, LOSSES[loss])


def pool_size(tuples: int, negatives: int) -> int:
    """The number of tuples in a pool, a divisor of the number of tuples.

    It is the smallest divisor from 64 on that leaves an anchor 15 draws of k = ``negatives``, or
    all tuples if there is none.
    """
    least = max(_LEAST_TUPLES, _LEAST_DRAWS * negatives + 1)
    return next((size for size in range(least, tuples) if tuples % size == 0), tuples)


def _check(points: Tensor, negatives: int) -> None:
    if points.dim() != 3 or points.shape[0] < 2 or points.shape[2] < 1:
        raise ValueError(f"points must be [1 + b, B, d] with b, d >= 1, not {[*points.shape]}")
    others = points.shape[1] - 1
    if not 1 <= negatives <= others:
        raise ValueError(f"negatives must be in 1..B - 1 = {others}, not {negatives}")


class _PooledLoss(torch.autograd.Function):
    """The closed form.

    In its shapes s is the number of (point, pool) pairs, n that of tuples in a pool, and g that of
    groups.
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor, k: int, n: int, loss: MarginLoss) -> Tensor:
        b = len(points) - 1
        anchors = points.reshape(-1, n, points.shape[2])  # [s, n, d]
        blocks = (points.sum(0) - points).reshape(anchors.shape)  # b times the means of blocks
        scores = torch.bmm(anchors, blocks.mT)  # [s, n, n]: anchor, block
        diagonal = scores.diagonal(dim1=1, dim2=2)
        own = diagonal.clone()
        # Put the last tuple in the place of the anchor's own: the others fill n - 1 columns.
        diagonal[:, :-1] = scores[:, :-1, -1]
        others, dealt = scores[..., :-1], (n - 1) // k * k
        # k comes first: a softmax over any other dimension is several times slower on a CPU.
        groups = others[..., :dealt].unflatten(2, (k, -1)).movedim(2, 0)  # [k, s, n, g]
        candidates = torch.cat([own[..., None].expand_as(groups[:1]), groups])
        losses, slopes = loss.with_slopes(candidates.div_(b))

        # The scores are not needed again: overwrite them by the slopes in the same places.
        groups.copy_(slopes)
        others[..., dealt:] = 0
        own = others.sum(2).neg_()
        scores[:, :-1, -1] = diagonal[:, :-1]
        diagonal.copy_(own)
        ctx.save_for_backward(anchors, blocks, scores)
        ctx.shape, ctx.weight = points.shape, loss.unit / (b * losses.numel())
        return losses.mean() * loss.unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        anchors, blocks, slopes = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            slopes = slopes * (gradient * ctx.weight)
            by_blocks = torch.bmm(slopes.mT, anchors)
            # A point belongs to every block of its tuple but the one in its own place.
            by_tuples = by_blocks.view(ctx.shape).sum(0)
            by_points = by_blocks.baddbmm_(slopes, blocks, beta=-1).view(ctx.shape).add_(by_tuples)
            return by_points, None, None, None
