"""Losses of fixed features on a finite split: exact by enumeration where k = 1, else sampled with a
standard error.

A finite split is itself a problem of the paper: its classes have the distribution rho, and ``D_c``
is the uniform distribution on the points of class c. Draws are independent and with replacement, so
that x and x+ may be the same point, which is what makes the lemmas of section 4 hold exactly on it.
All arithmetic is in float64.
"""

import math
from bisect import bisect_right
from typing import NamedTuple

import torch
from torch import Tensor

from crl.losses.contrastive import LOSSES, Loss

ENUMERATED = (
    2**15 - 1
)  # margins at a time: stays in a core's cache, and PyTorch forks no threads for so little work
GATHERED = 2**20  # numbers of drawn points at a time

# The losses of one margin, element by element: LOSSES at k = 1 without its last dimension, which
# costs five times more.
PAIR_LOSSES: dict[str, Loss] = {
    "logistic": lambda margins: torch.logaddexp(-margins, margins.new_zeros(())).div_(math.log(2)),
    "hinge": lambda margins: torch.relu(1 - margins),
}


class FiniteSplit(NamedTuple):
    """features float64 [n, d] sorted by class; sizes int64 [N], all positive; rho float64 [N]
    summing to 1."""

    features: Tensor
    sizes: Tensor
    rho: Tensor

    @property
    def starts(self) -> Tensor:
        """Row of the first point of each class: int64 [N]."""
        return self.sizes.cumsum(0) - self.sizes

    @property
    def by_class(self) -> tuple[Tensor, ...]:
        """The features of each class: N tensors [n_c, d]."""
        return self.features.split(self.sizes.tolist())

    @property
    def means(self) -> Tensor:
        """``mu_c``, the rows of the mean classifier (section 2): [N, d]."""
        return torch.stack([part.mean(0) for part in self.by_class])


class Estimate(NamedTuple):
    """A mean over independent draws and its standard error."""

    mean: float
    standard_error: float


def finite_split(features: Tensor, labels: Tensor, rho: Tensor) -> FiniteSplit:
    """The split of features [n, d] with labels [n] in 0..N-1 and class distribution rho [N].

    Classes without a point are left out, rho being conditioned on the others. Raises ValueError
    where fewer than two classes are left (tau = 1: the theory says nothing) or a feature is not
    finite.
    """
    sizes = torch.bincount(labels, minlength=len(rho))
    present = (sizes > 0) & (rho.to(sizes.device) > 0)
    if int(present.sum()) < 2:
        raise ValueError("the theory needs points of at least two classes")
    order = labels.argsort(stable=True)
    features = features[order[present[labels[order]]]].double()
    if not bool(features.isfinite().all()):
        raise ValueError("a feature is not a finite number")
    rho = rho.to(sizes.device).double()[present]
    return FiniteSplit(features, sizes[present], rho / rho.sum())


def enumeration_cost(sizes: Tensor) -> float:
    """Margins that :func:`unsupervised_pair_losses` evaluates for class sizes [N]: ``sum_c n_c^2 *
    sum_c n_c``."""
    sizes = sizes.double()  # int64 would overflow at a few million points a class
    return float(sizes.square().sum() * sizes.sum())


def subsample(
    labels: Tensor, classes: int, budget: float, generator: torch.Generator, least: int = 10
) -> Tensor:
    """Indices of random points whose enumeration costs at most ``budget`` margins: int64 [m],
    ascending.

    labels [n] in 0..classes-1. The same cap holds for every class: at most so many points, without
    replacement. All classes stay while the cap can be ``least`` points; below that random classes
    go, down to two. Few points a class make x = x+ frequent, few classes make tau large: both
    remain exact, of another split. Raises ValueError where two classes of one point each cost more
    than the budget.
    """
    sizes = torch.bincount(labels, minlength=classes)
    kept = sizes.nonzero()[:, 0]
    kept = kept[
        torch.randperm(len(kept), generator=generator, device=generator.device).to(kept.device)
    ]
    smallest = sizes[kept].clamp(max=least).double()
    kept = kept[: max(2, int((smallest.square().cumsum(0) * smallest.cumsum(0) <= budget).sum()))]
    caps = range(1, int(sizes.max()) + 1)
    cap = bisect_right(caps, budget, key=lambda cap: enumeration_cost(sizes[kept].clamp(max=cap)))
    if cap == 0:
        raise ValueError(
            f"a budget of {budget:g} margins does not even pay for two classes of one point"
        )
    order = torch.randperm(len(labels), generator=generator, device=generator.device).to(
        labels.device
    )
    order = order[labels[order].argsort(stable=True)]
    within = (
        torch.arange(len(order), device=order.device) - (sizes.cumsum(0) - sizes)[labels[order]]
    )
    return order[(within < cap) & torch.isin(labels[order], kept)].sort().values


def unsupervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E l(f(x)·(f(x+) - f(x-)))`` over x, x+ ~ D_c+ and x- ~ D_c-, for every pair (c+, c-):
    float64 [N, N].

    Exact, by enumerating all ``sum_c n_c^2 * n`` triples (section 2's L_un at k = 1, before
    averaging over classes). Raises KeyError for an unknown loss.
    """
    labels = torch.arange(len(split.sizes), device=split.sizes.device).repeat_interleave(
        split.sizes
    )
    sums = torch.stack(
        [_negative_sums(part, own, split, loss) for part, own in _with_columns(split)]
    )
    return torch.zeros_like(sums[:, : len(split.sizes)]).index_add_(1, labels, sums) / split.sizes


def _with_columns(split: FiniteSplit) -> list[tuple[Tensor, slice]]:
    ends = split.sizes.cumsum(0).tolist()
    return [
        (part, slice(end - len(part), end)) for part, end in zip(split.by_class, ends, strict=True)
    ]


def _negative_sums(anchors: Tensor, own: slice, split: FiniteSplit, loss: str) -> Tensor:
    """Mean loss over all (x, x+) of one class, for each point of the split as x-: [n]."""
    scores = anchors @ split.features.T
    positive = scores[:, own].flatten()
    rows = torch.arange(len(positive), device=positive.device)
    sums = scores.new_zeros(len(split.features))
    for part in rows.split(max(1, ENUMERATED // len(sums))):
        margins = positive[part, None] - scores.index_select(0, part // len(anchors))
        sums += PAIR_LOSSES[loss](margins).sum(0)
    return sums / len(positive)


def supervised_pair_losses(split: FiniteSplit, loss: str) -> Tensor:
    """``E_{x ~ D_c+} l(f(x)·(mu_c+ - mu_c-))`` for every pair (c+, c-): float64 [N, N], 1 on the
    diagonal.

    The mean classifier's loss on two classes (section 2), exact. Jensen over x+ and x- puts every
    entry at or below that of :func:`unsupervised_pair_losses`. Raises KeyError for an unknown loss.
    """
    means = split.means
    scores = (part @ means.T for part in split.by_class)
    return torch.stack(
        [PAIR_LOSSES[loss](own[:, [c]] - own).mean(0) for c, own in enumerate(scores)]
    )


def draw_classes(rho: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent classes from rho [N]: int64 of the given shape."""
    drawn = torch.multinomial(
        rho.to(generator.device), math.prod(shape), replacement=True, generator=generator
    )
    return drawn.view(shape).to(rho.device)


def draw_tasks(rho: Tensor, size: int, draws: int, generator: torch.Generator) -> Tensor:
    """Tasks of ``size`` distinct classes: int64 [draws, size], the first being the anchor's.

    The classes are i.i.d. from rho [N], conditioned on being distinct (section 2), so a task's
    probability is proportional to the product of its rho; drawn class by class from sums over
    subsets, since rejection would not end for large tasks. Raises ValueError where there are fewer
    than ``size`` classes.
    """
    if size > len(rho):
        raise ValueError(f"a task of {size} distinct classes needs more than {len(rho)} classes")
    log_rho = rho.double().cpu().log()
    # subsets[c, j]: log of the sum, over the j-subsets of the classes c, c+1, ..., of the product
    # of their rho.
    subsets = log_rho.new_full((len(rho) + 1, size + 1), -math.inf)
    subsets[:, 0] = 0
    for c in reversed(range(len(rho))):
        subsets[c, 1:] = torch.logaddexp(subsets[c + 1, 1:], log_rho[c] + subsets[c + 1, :-1])
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
    """Class tuples (c+, c_1-, ..., c_k-) i.i.d. from rho [N] given that no c_i- is c+: int64
    [draws, 1 + k]."""
    anchor = draw_classes(rho * (1 - rho) ** negatives, (draws, 1), generator)
    others = draw_classes(rho, (draws, negatives), generator)
    while bool(
        (collides := others == anchor).any()
    ):  # the others are independent, so each is redrawn by itself
        others[collides] = draw_classes(rho, (int(collides.sum()),), generator)
    return torch.cat([anchor, others], 1)


def sampled_unsupervised_loss(
    split: FiniteSplit, tuples: Tensor, block_size: int, loss: str, generator: torch.Generator
) -> Estimate:
    """Mean of ``l`` over class tuples, int64 [draws, 1 + k], the anchor's class first, with blocks
    of b points.

    ``L_un`` where the classes are independent draws from rho (sections 2 and 6.3). Draws ``1 + b +
    k b`` points a tuple.
    """
    return _estimate(LOSSES[loss](_margins(split, tuples, block_size, generator)))


def sampled_different_loss(
    split: FiniteSplit, tuples: Tensor, loss: str, generator: torch.Generator
) -> Estimate:
    """As :func:`sampled_unsupervised_loss` with b = 1, over the negatives whose class is not the
    anchor's; 0 without one.

    With independent classes this is ``P[I- not empty] L_un^!=`` of section 6.1, I- holding those
    negatives.
    """
    margins = _margins(split, tuples, 1, generator)
    return _estimate(LOSSES[loss](margins.masked_fill(tuples[:, 1:] == tuples[:, :1], math.inf)))


def sampled_supervised_loss(
    split: FiniteSplit, tuples: Tensor, loss: str, generator: torch.Generator
) -> Estimate:
    """``L_sup^mu`` averaged over class tuples, int64 [draws, 1 + k], the anchor's class first
    (section 2).

    Each tuple is the task of its *distinct* classes, scored by the class means on one point of its
    first class.
    """
    others = tuples[:, 1:]
    ordered, order = others.sort(dim=1, stable=True)
    repeated = torch.zeros_like(others, dtype=torch.bool)
    repeated.scatter_(1, order[:, 1:], ordered[:, 1:] == ordered[:, :-1])
    margins = _margins(split, tuples, None, generator)
    return _estimate(LOSSES[loss](margins.masked_fill(repeated, math.inf)))


def _margins(
    split: FiniteSplit, tuples: Tensor, block_size: int | None, generator: torch.Generator
) -> Tensor:
    """``f(x)·(block of c+ - block of c_i-)`` for class tuples [draws, 1 + k]: [draws, k]; class
    means without a size."""
    means = split.means
    found = []
    points = tuples.shape[1] * (block_size or 1)
    for part in tuples.split(max(1, GATHERED // (points * split.features.shape[1]))):
        anchor = split.features[_draw_points(split, part[:, 0], generator)]
        if block_size is None:
            partners = means[part]
        else:
            blocks = part[:, :, None].expand(-1, -1, block_size)
            partners = split.features[_draw_points(split, blocks, generator)].mean(2)
        scores = torch.einsum("td,tkd->tk", anchor, partners)
        found.append(scores[:, :1] - scores[:, 1:])
    return torch.cat(found)


def _draw_points(split: FiniteSplit, classes: Tensor, generator: torch.Generator) -> Tensor:
    """A point of each class, with replacement: int64, shaped like ``classes``."""
    within = _uniform(tuple(classes.shape), generator).to(classes.device) * split.sizes[classes]
    return split.starts[classes] + within.long()


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _estimate(losses: Tensor) -> Estimate:
    return Estimate(float(losses.mean()), float(losses.std()) / math.sqrt(len(losses)))
