"""The alignment of two representations of the same points, whatever their axes.

- Mutual nearest neighbours: Huh, Cheung, Wang and Isola (The Platonic Representation Hypothesis,
  2024).
- Centred kernel alignment (CKA): Kornblith et al. (2019), with the unbiased estimate of Song et al.
  (2012). Unlike the plain estimate it does not grow with the dimension.
"""

from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor

from crl.scoring.task_accuracy import CHUNK_BYTES


class Alignment(NamedTuple):
    """An alignment beside that of random pairings of the points.

    - value: the alignment of the two representations
    - null_mean, null_std: the same over random pairings
    - p_value: the share of pairings, the true one included, with at least this alignment
    """

    value: float
    null_mean: float
    null_std: float
    p_value: float


def neighbours(features: Tensor, count: int) -> Tensor:
    """The nearest other points of each point by cosine: features [n, d] -> int64 [n, count].

    Of equal cosines the point that comes first is nearer. A feature of length 0 has cosine 0 with
    all. Raises ValueError for a count outside 1..n-1.
    """
    total = len(features)
    if not 1 <= count < total:
        raise ValueError(f"neighbours: {count} of {total} points; choose 1 to {total - 1}")
    unit = torch.nn.functional.normalize(features.double(), dim=1, eps=1e-300)
    nearest = torch.empty(total, count, dtype=torch.int64, device=features.device)
    size = max(1, CHUNK_BYTES // (8 * total))
    for rows in torch.arange(total, device=features.device).split(size):
        # Equal points are equally near, whatever the rounding.
        cosines = (unit[rows] @ unit.T).round_(decimals=12)
        cosines.scatter_(1, rows[:, None], -torch.inf)
        nearest[rows] = cosines.sort(dim=1, descending=True, stable=True).indices[:, :count]
    return nearest


def mutual_neighbours(first: Tensor, second: Tensor) -> float:
    """The mean share of neighbours that both lists of a point have, in [0, 1].

    first and second are int64 [n, k] from :func:`neighbours`.
    """
    # No list repeats a point: an entry that occurs twice in both lists together is in each.
    both = torch.cat([first, second], 1).sort(dim=1).values
    shared = (both[:, 1:] == both[:, :-1]).sum(1)
    return float(shared.double().mean()) / first.shape[1]


def centred_kernel_alignment(first: Tensor, second: Tensor) -> float:
    """Unbiased linear CKA of features [n, d1] and [n, d2] of the same n points.

    At most about 1; about 0 for unrelated features; 0 if one is constant. It makes no n x n matrix.
    Raises ValueError for fewer than 4 points.
    """
    return _cka(_Kernel(first), _Kernel(second))


class _Kernel:
    """The parts of K = X X^T, its diagonal set to 0, that the unbiased estimate needs."""

    def __init__(self, features: Tensor) -> None:
        if len(features) < 4:
            raise ValueError("the unbiased estimate needs at least 4 points")
        features = features.double()
        self.points = features - features.mean(0)  # changes only the rounding
        self.squares = self.points.square().sum(1)
        self.rows = self.points @ self.points.sum(0) - self.squares
        self.own = _hsic(self, self)

    def permuted(self, order: Tensor) -> "_Kernel":
        """The kernel of the points in another order."""
        kernel = copy(self)
        kernel.points, kernel.squares = self.points[order], self.squares[order]
        kernel.rows = self.rows[order]
        return kernel


def _hsic(first: _Kernel, second: _Kernel) -> float:
    """``HSIC_1`` of Song et al. (2012) without its factor 1 / (n (n - 3))."""
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
    """:func:`mutual_neighbours` beside those of ``permutations`` random pairings of the points.

    first and second are int64 [n, k] from :func:`neighbours`.
    """
    orders = (torch.randperm(len(second), generator=generator) for _ in range(permutations))
    # A permutation moves the points' lists and renames the points in all lists.
    null = [mutual_neighbours(first, order.argsort()[second[order]]) for order in orders]
    return _against_random(mutual_neighbours(first, second), null)


def aligned_kernels(
    first: Tensor, second: Tensor, permutations: int, generator: torch.Generator
) -> Alignment:
    """:func:`centred_kernel_alignment` beside that of ``permutations`` random pairings.

    first [n, d1] and second [n, d2] are features of the same points.
    """
    kernel, partner = _Kernel(first), _Kernel(second)
    null = [
        _cka(kernel, partner.permuted(torch.randperm(len(first), generator=generator)))
        for _ in range(permutations)
    ]
    return _against_random(_cka(kernel, partner), null)


def _against_random(value: float, null: list[float]) -> Alignment:
    values = torch.tensor(null, dtype=torch.float64)
    p_value = (1 + int((values >= value).sum())) / (1 + len(null))
    return Alignment(value, float(values.mean()), float(values.std(correction=0)), p_value)
