"""A finite split of features as a problem of the paper: its rho, tau and s(f).

The classes have the distribution rho, and ``D_c`` is the uniform distribution on the points of
class c. Points are drawn independently and with replacement, so x and x+ may be the same point:
then the lemmas of section 4 hold exactly. All arithmetic is in float64.
"""

from bisect import bisect_right
from typing import NamedTuple

import torch
from torch import Tensor


class FiniteSplit(NamedTuple):
    """Features float64 [n, d] sorted by class, class sizes int64 [N], rho float64 [N].

    Every class has a point; rho sums to 1.
    """

    features: Tensor
    sizes: Tensor
    rho: Tensor

    @property
    def starts(self) -> Tensor:
        """The row of each class's first point: int64 [N]."""
        return self.sizes.cumsum(0) - self.sizes

    @property
    def by_class(self) -> tuple[Tensor, ...]:
        """The features of each class: N tensors [n_c, d]."""
        return self.features.split(self.sizes.tolist())

    @property
    def means(self) -> Tensor:
        """``mu_c``, the rows of the mean classifier (section 2): [N, d]."""
        return torch.stack([features.mean(0) for features in self.by_class])


def finite_split(features: Tensor, labels: Tensor, rho: Tensor) -> FiniteSplit:
    """The split of features [n, d] with labels [n] in 0..N-1 and class distribution rho [N].

    It leaves out classes without a point and conditions rho on the others. Raises ValueError if
    fewer than two classes remain (then tau = 1, and the theory says nothing) or if a feature is not
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


def intraclass_deviation(split: FiniteSplit) -> float:
    """``s(f) = E_{c ~ nu}[sqrt(||Sigma(f, c)||_2) E_{x ~ D_c} ||f(x)||]`` (lemma 4.4).

    nu is proportional to rho^2. Sigma is the covariance of the features in class c (divided by
    n_c); its norm is its largest eigenvalue.
    """
    deviations = torch.stack([_deviation(features) for features in split.by_class])
    nu = split.rho.square()
    return float((nu * deviations).sum() / nu.sum())


def _deviation(features: Tensor) -> Tensor:
    centred = features - features.mean(0)
    # Both Gram matrices have the same largest eigenvalue: take the smaller one.
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    largest = torch.linalg.eigvalsh(gram)[-1].clamp(min=0) / len(features)
    return largest.sqrt() * features.norm(dim=1).mean()


def enumeration_cost(sizes: Tensor) -> float:
    """The number of margins ``sum_c n_c^2 * sum_c n_c`` at class sizes [N].

    :func:`crl.theory.split_losses.unsupervised_pair_losses` evaluates this many.
    """
    # In floats: int64 would overflow at a few million points a class.
    return float(sizes.double().square().sum() * sizes.sum())


def subsample(
    labels: Tensor, classes: int, budget: float, generator: torch.Generator, least: int = 10
) -> Tensor:
    """Draw points whose :func:`enumeration_cost` is at most ``budget``: int64 indices [m].

    labels [n] lie in 0..classes-1. The indices are sorted. One cap holds for all classes: each
    keeps at most that many points, drawn without replacement. All classes stay while the cap can be
    ``least`` points; else random classes are left out until two remain. Few points a class make
    x = x+ frequent, and few classes make tau large: the theory stays exact, of another split.
    Raises ValueError if two classes of one point each cost more than the budget.
    """
    sizes = torch.bincount(labels, minlength=classes)
    present = sizes.nonzero()[:, 0]
    shuffle = torch.randperm(len(present), generator=generator, device=generator.device)
    chosen = present[shuffle.to(present.device)]
    smallest = sizes[chosen].clamp(max=least).double()
    affordable = smallest.square().cumsum(0) * smallest.cumsum(0) <= budget
    chosen = chosen[: max(2, int(affordable.sum()))]
    cap = bisect_right(
        range(1, int(sizes.max()) + 1),
        budget,
        key=lambda cap: enumeration_cost(sizes[chosen].clamp(max=cap)),
    )
    if cap == 0:
        raise ValueError(f"a budget of {budget:g} margins is too small for two classes of a point")
    order = torch.randperm(len(labels), generator=generator, device=generator.device)
    order = order.to(labels.device)
    order = order[labels[order].argsort(stable=True)]
    starts = sizes.cumsum(0) - sizes
    within = torch.arange(len(order), device=order.device) - starts[labels[order]]
    return order[(within < cap) & torch.isin(labels[order], chosen)].sort().values
