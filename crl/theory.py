"""Quantities of the paper's theory that depend on the classes alone."""

import torch
from torch import Tensor


def class_distribution(sizes: Tensor) -> Tensor:
    """rho proportional to class sizes: int [N] -> float64 [N] summing to 1."""
    sizes = sizes.double()
    return sizes / sizes.sum()


def collision_probability(rho: Tensor, negatives: int = 1) -> float:
    """tau_k: probability that at least one of k negatives has the anchor's class (section 4; tau at k = 1).

    ``sum_c rho(c) (1 - (1 - rho(c))^k)`` for rho [N]; for k = 1 this is ``sum_c rho(c)^2``.
    """
    # expm1/log1p keep the digits of a small rho, where 1 - (1 - rho)^k would cancel.
    missed = torch.expm1(negatives * torch.log1p(-rho.double()))
    return float(-(rho.double() * missed).sum())
