"""Alignment against slow references, and for rotated copies and unrelated features."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.scoring.alignment import (
    aligned_kernels,
    aligned_neighbours,
    centred_kernel_alignment,
    mutual_neighbours,
    neighbours,
)

repeated = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int, d: int) -> Tensor:
    return torch.linalg.qr(normal(seed, d, d)).Q


def slow_neighbours(features: Tensor, count: int) -> list[set[int]]:
    def cosine(i: int, j: int) -> float:
        lengths = float(features[i].norm() * features[j].norm())
        return round(float(features[i] @ features[j]) / lengths, 10) if lengths else 0.0

    points = range(len(features))
    return [
        set(sorted((j for j in points if j != i), key=lambda j: (-cosine(i, j), j))[:count])
        for i in points
    ]


def slow_hsic(first: Tensor, second: Tensor) -> float:
    """The U-statistic over all ordered quadruples of different points (Song et al. 2012)."""
    n = len(first)
    k, kl = (first @ first.T), (second @ second.T)
    total, count = 0.0, 0
    for i in range(n):
        for j in range(n):
            for q in range(n):
                for r in range(n):
                    if len({i, j, q, r}) == 4:
                        total += float(k[i, j] * (kl[i, j] + kl[q, r] - 2 * kl[i, q]))
                        count += 1
    return total / count


@repeated
@given(seeds, st.integers(2, 9), st.integers(1, 4), st.data())
def test_neighbours_equal_a_sort_of_all_cosines(seed, n, d, data):
    count = data.draw(st.integers(1, n - 1))
    # Rounded features have ties and zeros.
    features = data.draw(st.sampled_from([normal(seed, n, d), normal(seed, n, d).round()]))
    assert [set(row.tolist()) for row in neighbours(features, count)] == slow_neighbours(
        features, count
    )


@repeated
@given(seeds, st.integers(3, 9), st.data())
def test_mutual_neighbours_equal_the_overlap_of_sets(seed, n, data):
    count = data.draw(st.integers(1, n - 1))
    first, second = normal(seed, n, 2), normal(seed + 1, n, 3)
    overlap = [
        len(a & b) / count
        for a, b in zip(slow_neighbours(first, count), slow_neighbours(second, count), strict=True)
    ]
    assert mutual_neighbours(neighbours(first, count), neighbours(second, count)) == pytest.approx(
        sum(overlap) / n
    )


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds, st.integers(4, 7), st.integers(1, 3), st.integers(1, 3))
def test_kernel_alignment_equals_the_u_statistic_over_quadruples(seed, n, d1, d2):
    first, second = normal(seed, n, d1), normal(seed + 1, n, d2)
    own = slow_hsic(first, first), slow_hsic(second, second)
    expected = slow_hsic(first, second) / (own[0] * own[1]) ** 0.5 if min(own) > 0 else 0.0
    assert centred_kernel_alignment(first, second) == pytest.approx(expected, abs=1e-9)


@repeated
@given(seeds, st.integers(6, 30), st.integers(2, 5))
def test_a_rotated_scaled_copy_is_aligned_perfectly(seed, n, d):
    features = normal(seed, n, d)
    copy = 3 * features @ rotation(seed + 1, d)
    assert mutual_neighbours(neighbours(features, 3), neighbours(copy, 3)) == 1
    moved = copy + 5  # kernel alignment is centred
    assert centred_kernel_alignment(features, moved) == pytest.approx(
        centred_kernel_alignment(features, features)
    )
    assert centred_kernel_alignment(features, features) == pytest.approx(1) or d >= n - 1


def test_unrelated_features_lie_within_the_null_and_a_noisy_copy_outside():
    draws = torch.Generator().manual_seed(0)
    features, unrelated = normal(1, 300, 20), normal(2, 300, 30)
    noisy = features @ rotation(3, 20) + normal(4, 300, 20)
    for measure, prepare in (
        (aligned_kernels, lambda x: x),
        (aligned_neighbours, lambda x: neighbours(x, 10)),
    ):
        apart = measure(prepare(features), prepare(unrelated), 99, draws)
        assert abs(apart.value - apart.null_mean) < 3.5 * apart.null_std
        assert apart.p_value > 0.01
        near = measure(prepare(features), prepare(noisy), 99, draws)
        assert near.p_value == pytest.approx(0.01)
        assert near.value > near.null_mean + 10 * near.null_std


def test_the_unbiased_estimate_of_unrelated_features_is_about_zero_where_dimensions_are_many():
    values = [
        centred_kernel_alignment(normal(seed, 40, 200), normal(1000 + seed, 40, 200))
        for seed in range(20)
    ]
    assert abs(sum(values) / len(values)) < 0.02


def test_the_null_of_neighbours_is_that_of_random_pairings():
    """The expected overlap of two unrelated lists of k among n - 1 points is k / (n - 1)."""
    lists = neighbours(normal(0, 200, 5), 10)
    alignment = aligned_neighbours(lists, lists, 50, torch.Generator().manual_seed(0))
    assert alignment.value == 1 and alignment.p_value == pytest.approx(1 / 51)
    assert alignment.null_mean == pytest.approx(10 / 199, rel=0.1)


def test_constant_features_are_aligned_with_nothing():
    assert centred_kernel_alignment(torch.ones(10, 3), normal(0, 10, 3)) == 0


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="1 to 4"):
        neighbours(normal(0, 5, 2), 5)
    with pytest.raises(ValueError, match="4 points"):
        centred_kernel_alignment(normal(0, 3, 2), normal(1, 3, 2))


@pytest.mark.parametrize("factor", [1e20, 1e-30])
def test_neighbours_do_not_depend_on_the_size_of_features(factor):
    features = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(neighbours(features * factor, 3), neighbours(features, 3))
