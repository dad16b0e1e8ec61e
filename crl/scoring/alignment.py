"""Whether two representations of the same points see them alike, whatever their axes and
dimensions.

Mutual nearest neighbours as Huh, Cheung, Wang and Isola (The Platonic Representation Hypothesis,
2024) compare models, and centred kernel alignment (Kornblith et al., 2019) with the unbiased
estimate of Song et al. (2012), which does not grow with the dimension as the plain one does.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from crl.scoring.chunks import CHUNK_BYTES


class Alignment(NamedTuple):
    """value: of the two representations; null_mean, null_std: over random pairings of their points;
    p_value: the share of pairings, this one counted, that are aligned as much."""

    value: float
    null_mean: float
    null_std: float
    p_value: float


def neighbours(features: Tensor, count: int) -> Tensor:
    """The ``count`` points with the largest cosine to each point, itself left out: features [n, d]
    -> int64 [n, count].

    Of equal cosines the point that comes first counts as nearer. A feature of length 0 has cosine 0
    with all. Raises ValueError for a count outside of 1..n-1.
    """
    total = len(features)
    if not 1 <= count < total:
        raise ValueError(f"neighbours: {count} of {total} points; choose 1 to {total - 1}")
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    found = torch.empty(total, count, dtype=torch.int64, device=features.device)
    for rows in torch.arange(total, device=features.device).split(
        max(1, CHUNK_BYTES // (8 * total))
    ):
        cosines = (unit[rows] @ unit.T).round_(
            decimals=12
        )  # equal points are equally near, whatever the rounding
        cosines.scatter_(1, rows[:, None], -torch.inf)
        found[rows] = cosines.sort(dim=1, descending=True, stable=True).indices[:, :count]
    return found


def mutual_neighbours(first: Tensor, second: Tensor) -> float:
    """The share of neighbours that both have, mean over points: int64 [n, k] each
    (:func:`neighbours`) -> 0..1."""
    return float(_shared(first, second).double().mean()) / first.shape[1]


def _shared(first: Tensor, second: Tensor) -> Tensor:
    """How many entries of each row of first [n, k] the same row of second [n, k] has: [n]. No row
    repeats an entry."""
    both = torch.cat([first, second], 1).sort(dim=1).values
    return (both[:, 1:] == both[:, :-1]).sum(1)


def centred_kernel_alignment(first: Tensor, second: Tensor) -> float:
    """Unbiased linear CKA of features [n, d1] and [n, d2] of the same n points: at most about 1,
    about 0 of unrelated ones.

    No n x n matrix is made. 0 where one is constant. Raises ValueError for fewer than 4 points.
    """
    return _cka(_Kernel(first), _Kernel(second))


class _Kernel:
    """What the unbiased estimate needs of K = X X^T with its diagonal set to 0."""

    def __init__(self, features: Tensor) -> None:
        if len(features) < 4:
            raise ValueError("the unbiased estimate needs at least 4 points")
        features = features.double()
        self.points = features - features.mean(0)  # changes nothing but rounding
        self.squares = self.points.square().sum(1)
        self.rows = self.points @ self.points.sum(0) - self.squares
        self.own = _hsic(self, self)

    def permuted(self, order: Tensor) -> "_Kernel":
        other = object.__new__(_Kernel)
        other.points, other.squares, other.rows = (
            self.points[order],
            self.squares[order],
            self.rows[order],
        )
        other.own = self.own
        return other


def _hsic(first: _Kernel, second: _Kernel) -> float:
    """``HSIC_1`` of Song et al. (2012), but for its factor 1 / (n (n - 3))."""
    n = len(first.points)
    trace = (first.points.T @ second.points).square().sum() - first.squares @ second.squares
    sums = first.rows.sum() * second.rows.sum() / ((n - 1) * (n - 2))
    return float(trace + sums - 2 / (n - 2) * (first.rows @ second.rows))


def _cka(first: _Kernel, second: _Kernel) -> float:
    scale = first.own * second.own
    return _hsic(first, second) / scale**0.5 if first.own > 0 and second.own > 0 else 0.0


def aligned_neighbours(
    first: Tensor, second: Tensor, permutations: int, generator: torch.Generator
) -> Alignment:
    """Mutual neighbours (int64 [n, k] each) beside those of ``permutations`` random pairings of the
    points."""
    # Points that trade places do so in the lists of the others as well.
    null = []
    for _ in range(permutations):
        order = torch.randperm(len(second), generator=generator)
        null.append(mutual_neighbours(first, order.argsort()[second[order]]))
    return _beside(mutual_neighbours(first, second), null)


def aligned_kernels(
    first: Tensor, second: Tensor, permutations: int, generator: torch.Generator
) -> Alignment:
    """:func:`centred_kernel_alignment` beside that of ``permutations`` random pairings of the
    points."""
    one, other = _Kernel(first), _Kernel(second)
    null = [
        _cka(one, other.permuted(torch.randperm(len(first), generator=generator)))
        for _ in range(permutations)
    ]
    return _beside(_cka(one, other), null)


def _beside(value: float, null: list[float]) -> Alignment:
    drawn = torch.tensor(null, dtype=torch.float64)
    as_much = int((drawn >= value).sum())
    return Alignment(
        value, float(drawn.mean()), float(drawn.std(correction=0)), (1 + as_much) / (1 + len(null))
    )
