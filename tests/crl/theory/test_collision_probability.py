"""tau_k against exact fractions."""

from fractions import Fraction

import pytest
import torch

from crl.theory.collision_probability import (
    class_distribution,
    collision_probability,
    no_collision_probability,
)


def test_no_collision_probability_complements_tau_k() -> None:
    rho = class_distribution(torch.tensor([1, 2, 5]))
    for k in (1, 2, 7):
        exact = sum(Fraction(n, 8) * (1 - Fraction(n, 8)) ** k for n in (1, 2, 5))
        assert no_collision_probability(rho, k) == pytest.approx(float(exact), rel=1e-14)
        assert collision_probability(rho, k) == pytest.approx(float(1 - exact), rel=1e-14)
    assert no_collision_probability(torch.tensor([0.5, 0.5]), 60) == 2.0**-60
