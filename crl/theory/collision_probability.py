"""The probability tau that a negative has the anchor's class, for a class distribution rho."""

import torch
from torch import Tensor


def class_distribution(sizes: Tensor) -> Tensor:
    """The distribution in proportion to class sizes: int [N] -> float64 [N] that sums to 1."""
    return sizes.double() / sizes.sum()


def collision_probability(rho: Tensor, negatives: int = 1) -> float:
    """The probability tau_k that a negative has the anchor's class; tau at k = 1.

    ``sum_c rho(c) (1 - (1 - rho(c))^k)`` for rho [N] and k = ``negatives``: at least one of the k
    negatives collides. For k = 1 this is ``sum_c rho(c)^2`` (section 4).
    """
    # expm1 and log1p keep the digits of a small rho, which 1 - (1 - rho)^k would cancel.
    missed = torch.expm1(negatives * torch.log1p(-rho.double()))
    return float(-(rho.double() * missed).sum())


def no_collision_probability(rho: Tensor, negatives: int = 1) -> float:
    """``1 - tau_k`` for rho [N], accurate where tau_k is near 1."""
    return float((rho.double() * (1 - rho.double()) ** negatives).sum())
