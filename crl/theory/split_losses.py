"""Losses on a finite split: exact for pairs of classes, sampled at any k and block size.

The exact losses enumerate all points of every pair of classes, at k = 1. The sampled ones are means
over independent draws, with a standard error.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.scoring.task_accuracy import log_symmetric_polynomials
from crl.theory.finite_split import FiniteSplit

# Margins at a time. They stay in a core's cache, and PyTorch starts no threads for so few.
ENUMERATED = 2**15 - 1
GATHERED = 2**20  # numbers of drawn points at a time


def unsupervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E l(f(x)·(f(x+) - f(x-)))`` for every pair of classes (c+, c-): float64 [N, N].

    The expectation is over x, x+ ~ D_c+ and x- ~ D_c-, by enumerating all ``sum_c n_c^2 * n``
    triples: section 2's L_un at k = 1 before it is averaged over classes. Raises KeyError for an
    unknown loss.
    """
    sizes = split.sizes
    labels = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
    sums = torch.stack(
        [
            _negative_sums(features, start, split, loss)
            for features, start in zip(split.by_class, split.starts.tolist(), strict=True)
        ]
    )
    return torch.zeros_like(sums[:, : len(sizes)]).index_add_(1, labels, sums) / sizes


def _negative_sums(anchors: Tensor, start: int, split: FiniteSplit, loss: str) -> Tensor:
    """The mean loss over all (x, x+) of one class, for each point of the split as x-: [n].

    anchors [n_c, d] are the features of the class, which begin at row ``start``.
    """
    scores = anchors @ split.features.T
    positive = scores[:, start : start + len(anchors)].flatten()
    sums = scores.new_zeros(len(split.features))
    size = max(1, ENUMERATED // len(sums))
    for chunk in torch.arange(len(positive), device=positive.device).split(size):
        margins = positive[chunk, None] - scores.index_select(0, chunk // len(anchors))
        sums += LOSSES[loss].of_pair(margins).sum(0)
    return sums / len(positive)


def supervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E_{x ~ D_c+} l(f(x)·(mu_c+ - mu_c-))`` for every pair (c+, c-): float64 [N, N].

    The mean classifier's loss on two classes (section 2), exact; it is 1 on the diagonal. By
    Jensen over x+ and x-, no entry exceeds that of :func:`unsupervised_pair_losses`. Raises
    KeyError for an unknown loss.
    """
    means = split.means
    scores = (features @ means.T for features in split.by_class)
    return torch.stack(
        [LOSSES[loss].of_pair(own[:, [c]] - own).mean(0) for c, own in enumerate(scores)]
    )


class Estimate(NamedTuple):
    """A mean over independent draws and its standard error."""

    mean: float
    standard_error: float


def draw_classes(rho: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw independent classes from rho [N]: int64 of the given shape."""
    drawn = torch.multinomial(
        rho.to(generator.device), math.prod(shape), replacement=True, generator=generator
    )
    return drawn.view(shape).to(rho.device)


def draw_tasks(rho: Tensor, size: int, draws: int, generator: torch.Generator) -> Tensor:
    """Draw tasks of ``size`` distinct classes, the anchor's class first: int64 [draws, size].

    The classes are i.i.d. from rho [N] given that they are distinct (section 2), so the probability
    of a task is proportional to the product of its rho. Sums over subsets decide class after class;
    rejection would not end for large tasks. Raises ValueError for fewer than ``size`` classes.
    """
    if size > len(rho):
        raise ValueError(f"a task of {size} distinct classes needs more than {len(rho)} classes")
    log_rho = rho.double().cpu().log()
    # [c, j]: of all sets of j classes among c, c+1, ..., the log of the sum of their rho products.
    subsets = log_symmetric_polynomials(log_rho.flip(0), size).flip(0)
    taken = torch.empty(draws, len(rho), dtype=torch.bool)
    missing = torch.full((draws,), size)
    for c in range(len(rho)):
        chance = (log_rho[c] + subsets[c + 1, missing - 1] - subsets[c, missing]).exp()
        taken[:, c] = (missing > 0) & (_uniform((draws,), generator).cpu() < chance)
        missing -= taken[:, c].long()
    shuffle = _uniform((draws, size), generator).argsort(1).cpu()
    return taken.nonzero()[:, 1].view(draws, size).gather(1, shuffle).to(rho.device)


def draw_collision_free(
    rho: Tensor, negatives: int, draws: int, generator: torch.Generator
) -> Tensor:
    """Draw class tuples (c+, c_1-, ..., c_k-) without a collision: int64 [draws, 1 + k].

    The classes are i.i.d. from rho [N] given that no c_i- is c+.
    """
    anchor = draw_classes(rho * (1 - rho) ** negatives, (draws, 1), generator)
    others = draw_classes(rho, (draws, negatives), generator)
    # The negatives are independent given c+: only those that collide are drawn again.
    while bool((collides := others == anchor).any()):
        others[collides] = draw_classes(rho, (int(collides.sum()),), generator)
    return torch.cat([anchor, others], 1)


def sampled_unsupervised_loss(
    split: FiniteSplit, tuples: Tensor, block_size: int, loss: str, generator: torch.Generator
) -> Estimate:
    """The mean of ``l`` over class tuples, with blocks of b points.

    tuples int64 [draws, 1 + k] holds the anchor's class first. For independent classes from rho
    this is ``L_un`` (sections 2 and 6.3). Draws ``1 + b + k b`` points a tuple.
    """
    return _estimate(LOSSES[loss].of_margins(_margins(split, tuples, block_size, generator)))


def sampled_different_loss(
    split: FiniteSplit, tuples: Tensor, loss: str, generator: torch.Generator
) -> Estimate:
    """The mean of ``l`` over the negatives whose class is not the anchor's; 0 without one.

    tuples as in :func:`sampled_unsupervised_loss`, with b = 1. For independent classes this is
    ``P[I- not empty] L_un^!=`` of section 6.1, where I- holds those negatives.
    """
    margins = _margins(split, tuples, 1, generator)
    margins = margins.masked_fill(tuples[:, 1:] == tuples[:, :1], math.inf)
    return _estimate(LOSSES[loss].of_margins(margins))


def sampled_supervised_loss(
    split: FiniteSplit, tuples: Tensor, loss: str, generator: torch.Generator
) -> Estimate:
    """``L_sup^mu`` averaged over class tuples int64 [draws, 1 + k] (section 2).

    The task of a tuple is its *distinct* classes. Their means score one point of the first class.
    """
    others = tuples[:, 1:]
    ordered, order = others.sort(dim=1, stable=True)
    repeated = torch.zeros_like(others, dtype=torch.bool)
    repeated.scatter_(1, order[:, 1:], ordered[:, 1:] == ordered[:, :-1])
    margins = _margins(split, tuples, None, generator)
    return _estimate(LOSSES[loss].of_margins(margins.masked_fill(repeated, math.inf)))


def _margins(
    split: FiniteSplit, tuples: Tensor, block_size: int | None, generator: torch.Generator
) -> Tensor:
    """Draw ``f(x)·(block of c+ - block of c_i-)`` for class tuples [draws, 1 + k]: [draws, k].

    Without a block size, class means stand in for the means of blocks.
    """
    means = split.means
    margins = []
    points = tuples.shape[1] * (block_size or 1)
    for chunk in tuples.split(max(1, GATHERED // (points * split.features.shape[1]))):
        anchor = split.features[_draw_points(split, chunk[:, 0], generator)]
        if block_size is None:
            partners = means[chunk]
        else:
            blocks = chunk[:, :, None].expand(-1, -1, block_size)
            partners = split.features[_draw_points(split, blocks, generator)].mean(2)
        scores = torch.einsum("td,tkd->tk", anchor, partners)
        margins.append(scores[:, :1] - scores[:, 1:])
    return torch.cat(margins)


def _draw_points(split: FiniteSplit, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a point of each class, with replacement: rows int64, shaped like ``classes``."""
    within = _uniform(tuple(classes.shape), generator).to(classes.device) * split.sizes[classes]
    return split.starts[classes] + within.long()


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _estimate(losses: Tensor) -> Estimate:
    return Estimate(float(losses.mean()), float(losses.std()) / math.sqrt(len(losses)))
