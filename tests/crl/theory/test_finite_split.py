"""The finite split of features, its tau_k, and the subsample that a budget pays for."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theory_examples import seeded

from crl.theory.collision_probability import (
    class_distribution,
    collision_probability,
    no_collision_probability,
)
from crl.theory.finite_split import enumeration_cost, finite_split, subsample


def test_finite_split_leaves_out_empty_classes_and_refuses_what_has_no_theory() -> None:
    features, labels = torch.eye(4), torch.tensor([3, 0, 3, 0])
    split = finite_split(features, labels, torch.tensor([0.2, 0.3, 0.4, 0.1]))
    assert split.sizes.tolist() == [2, 2]
    assert split.rho.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert torch.equal(split.features, features[[1, 3, 0, 2]].double())
    with pytest.raises(ValueError, match="two classes"):
        finite_split(features, torch.zeros(4, dtype=torch.int64), torch.ones(4) / 4)
    with pytest.raises(ValueError, match="finite"):
        finite_split(features.fill_(math.nan), labels, torch.ones(4) / 4)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=12).filter(
        lambda sizes: sum(n > 0 for n in sizes) > 1
    ),
    st.integers(4, 100_000),
    st.integers(1, 12),
    st.integers(0, 99),
)
def test_subsample_spends_its_budget_and_no_more(
    sizes: list[int], budget: int, least: int, seed: int
) -> None:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=seeded(seed))]
    index = subsample(labels, len(sizes), budget, seeded(seed), least)
    assert torch.equal(index, subsample(labels, len(sizes), budget, seeded(seed), least))
    assert index.tolist() == sorted({*index.tolist()})
    full = torch.bincount(labels, minlength=len(sizes))
    counts = torch.bincount(labels[index], minlength=len(sizes))
    chosen = counts > 0
    assert int(chosen.sum()) >= 2
    assert enumeration_cost(counts) <= budget
    cap = int(counts.max())
    assert torch.equal(counts[chosen], full[chosen].clamp(max=cap))
    if enumeration_cost(full.clamp(max=least)) <= budget:
        assert torch.equal(chosen, full > 0)
    if cap < int(full[chosen].max()):  # one more point a class costs too much
        assert enumeration_cost(full[chosen].clamp(max=cap + 1)) > budget


def test_subsample_draws_at_random_and_keeps_all_where_it_can() -> None:
    labels = torch.arange(200) % 5
    assert subsample(labels, 5, math.inf, seeded()).tolist() == list(range(200))
    drawn = [subsample(labels, 5, 2000, seeded(seed), least=1).tolist() for seed in range(60)]
    # 4 points of each of 5 classes: 5 * 4^2 * 20 = 1600 margins.
    assert {len(index) for index in drawn} == {20}
    assert len({*itertools.chain(*drawn)}) == 200
    with pytest.raises(ValueError, match="budget"):
        subsample(labels, 5, 3, seeded())


def test_no_collision_probability_complements_tau_k() -> None:
    rho = class_distribution(torch.tensor([1, 2, 5]))
    for k in (1, 2, 7):
        exact = sum(Fraction(n, 8) * (1 - Fraction(n, 8)) ** k for n in (1, 2, 5))
        assert no_collision_probability(rho, k) == pytest.approx(float(exact), rel=1e-14)
        assert collision_probability(rho, k) == pytest.approx(float(1 - exact), rel=1e-14)
    assert no_collision_probability(torch.tensor([0.5, 0.5]), 60) == 2.0**-60
