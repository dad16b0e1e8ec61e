"""The contrastive loss with the other tuples of a batch as negatives, its gradient written out.

Written out because the loss is a good part of a small encoder's training step; by autograd it takes
1.1 to 1.3 times as long on a CPU.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LEAST_TUPLES, _LEAST_DRAWS = (
    64,
    15,
)  # of a pool, of an anchor in it; more cost more and gain little (docs/protocol.md)


def pooled_contrastive_loss(points: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """``L_un`` with the negatives of a tuple taken from *other* tuples of the batch, as a scalar.

    points [1 + b, B, d] holds the features of 1 + b points of one class for each of B tuples. The
    batch is split into pools (:func:`pool_size`). Every point i of tuple t is an anchor, the b
    other points of the tuple are its positive block, and the points but the i-th of another tuple
    of the pool are a negative block. These other tuples are dealt out in groups of k =
    ``negatives``, as many as they fill: each group is one draw.

    Unbiased for ``L_un`` in its block form (section 6.3): the points of a tuple are i.i.d. from one
    class, so any one of them and the b others are an anchor and a positive block. The tuples are
    i.i.d. with classes from rho, so the blocks of k distinct other tuples, whichever, are k i.i.d.
    blocks of classes drawn from rho, independent of tuple t, which is how the paper draws negatives
    (collisions with the class of t included). Each (point, draw) is therefore one sample of the
    paper's tuple, and the mean over all of them keeps the expectation; that they are dependent
    changes the variance only.

    In the precision of the points, under autocast too. It can be differentiated once, by
    ``backward`` or ``autograd.grad``. Raises ValueError where the shapes do not fit, KeyError for
    an unknown loss.
    """
    if points.dim() != 3 or points.shape[0] < 2 or points.shape[2] < 1:
        raise ValueError(f"points must be [1 + b, B, d] with b, d >= 1, not {[*points.shape]}")
    tuples = points.shape[1]
    if not 1 <= negatives <= tuples - 1:
        raise ValueError(f"negatives must be in 1..B - 1 = {tuples - 1}, not {negatives}")
    with torch.autocast(points.device.type, enabled=False):
        return _PooledLoss.apply(points, negatives, pool_size(tuples, negatives), _FORMS[loss])


def pool_size(tuples: int, negatives: int) -> int:
    """How many tuples :func:`pooled_contrastive_loss` pairs with one another: the smallest divisor
    of their number from 64 on that leaves an anchor 15 draws of so many negatives, else all of
    them."""
    least = max(_LEAST_TUPLES, _LEAST_DRAWS * negatives + 1)
    return next((size for size in range(least, tuples) if tuples % size == 0), tuples)


def _cross_entropy(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``ln(1 + sum_i exp(s_i - s_0))``, the cross-entropy of the positive among all: [1 + k, ...]
    -> losses [...] and their slopes [k, ...] by the negatives' scores."""
    shares = scores.log_softmax(0)
    return shares[0].neg(), shares[1:].exp_()


def _hinge(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``max(0, 1 + max_i(s_i - s_0))``: [1 + k, ...] -> losses [...] and their slopes [k, ...] by
    the negatives' scores; equal scores share theirs."""
    worst = scores[1:].amax(0)
    losses = (1 + worst - scores[0]).relu_()
    equal = scores[1:] == worst
    return losses, equal * ((losses > 0).to(losses.dtype) / equal.sum(0))


class _Form(NamedTuple):
    """A loss: of the positive's score and the k negatives', losses and slopes; what both are to be
    multiplied by."""

    of_scores: Callable[[Tensor], tuple[Tensor, Tensor]]
    unit: float


# The names are those of crl.losses.contrastive.LOSSES.
_FORMS = {"logistic": _Form(_cross_entropy, 1 / math.log(2)), "hinge": _Form(_hinge, 1.0)}


class _PooledLoss(torch.autograd.Function):
    """In the shapes below s = (1 + b) * pools; n tuples are a pool; g groups of k are dealt from
    the n - 1 others."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, k: int, n: int, form: _Form) -> Tensor:
        b = len(points) - 1
        anchors = points.reshape(-1, n, points.shape[2])  # [s, n, d]
        blocks = (points.sum(0) - points).reshape(anchors.shape)  # times b
        scores = torch.bmm(anchors, blocks.mT)  # [s, n, n]: anchor, block
        diagonal = scores.diagonal(dim1=1, dim2=2)
        own = diagonal.clone()
        # The last tuple takes the place of the anchor's own among the others, which so stand in n -
        # 1 columns.
        diagonal[:, :-1] = scores[:, :-1, -1]
        others, dealt = scores[..., :-1], (n - 1) // k * k
        # k outermost: a softmax over any other dimension is several times slower on a CPU.
        groups = others[..., :dealt].unflatten(2, (k, -1)).movedim(2, 0)  # [k, s, n, g]
        candidates = torch.cat([own[..., None].expand_as(groups[:1]), groups])
        losses, slopes = form.of_scores(candidates.div_(b))

        # The scores are not needed any more: the slopes by them take their place, in the same
        # order.
        groups.copy_(slopes)
        others[..., dealt:] = 0
        own = others.sum(2).neg_()
        scores[:, :-1, -1] = diagonal[:, :-1]
        diagonal.copy_(own)
        ctx.save_for_backward(anchors, blocks, scores)
        ctx.shape, ctx.weight = points.shape, form.unit / (b * losses.numel())
        return losses.mean() * form.unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        anchors, blocks, slopes = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            slopes = slopes * (gradient * ctx.weight)
            by_blocks = torch.bmm(slopes.mT, anchors)
            # A point is part of all blocks of its tuple but the one that stands in its own place.
            by_tuples = by_blocks.view(ctx.shape).sum(0)
            return (
                by_blocks.baddbmm_(slopes, blocks, beta=-1).view(ctx.shape).add_(by_tuples),
                None,
                None,
                None,
            )
