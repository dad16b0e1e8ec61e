"""The spread of features against its definition in double precision; collapsed features."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crl.scoring.feature_spread import feature_spread

seeds = st.integers(0, 2**32)
shapes = st.tuples(st.integers(2, 30), st.integers(1, 8))


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def reference(features: Tensor) -> tuple[float, float, float]:
    """Sums over points and the eigenvalues of the covariance."""
    points = features.double()
    mean = sum(points) / len(points)
    distances = sum(float((x - mean).square().sum()) for x in points)
    norms = sum(float(x.square().sum()) for x in points)
    eigenvalues = torch.linalg.eigvalsh(
        sum(torch.outer(x - mean, x - mean) for x in points) / len(points)
    )
    deviations = [float(column.std(correction=0)) for column in points.T]
    dead = sum(deviation < 1e-3 * max(deviations) for deviation in deviations) / len(deviations)
    return (
        math.sqrt(distances / norms),
        float(eigenvalues.sum() ** 2 / eigenvalues.square().sum()),
        dead,
    )


@given(seeds, shapes, st.floats(0, 100), st.integers(0, 3))
def test_spread_is_that_of_the_definition(
    seed: int, shape: tuple[int, int], offset: float, silent: int
) -> None:
    features = normal(seed, *shape) + offset
    features[:, : min(silent, shape[1] - 1)] *= 1e-5
    assert feature_spread(features) == pytest.approx(reference(features), rel=1e-3)


@given(seeds, shapes, st.floats(-25, 25))
def test_no_number_depends_on_the_scale(seed: int, shape: tuple[int, int], power: float) -> None:
    features = normal(seed, *shape)
    assert feature_spread(features * 10**power) == pytest.approx(feature_spread(features), rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e20, 1e-20, 0.1])
def test_a_constant_has_no_spread(value: float) -> None:
    spread = feature_spread(torch.full((1000, 7), value))
    assert spread.relative < 1e-6
    assert spread.effective_rank == 0 or value  # rounding errors have a rank
    constant = normal(0, 7).repeat(1000, 1)
    assert feature_spread(constant).relative < 1e-6


def test_a_constant_rounded_to_bfloat16_stays_under_one_percent() -> None:
    near = normal(0, 64) * (1 + 1e-3 * normal(1, 1000, 64))
    assert feature_spread(near.bfloat16().float()).relative < 0.01


def test_features_on_a_line_have_rank_one_and_others_more() -> None:
    line = normal(0, 500, 1) * normal(1, 1, 20) + normal(2, 20)
    assert feature_spread(line).effective_rank == pytest.approx(1, abs=1e-4)
    assert feature_spread(line + 0.1 * normal(3, 500, 20)).effective_rank < 1.1
    assert feature_spread(line + normal(3, 500, 20)).effective_rank > 1.5
    assert feature_spread(normal(4, 5000, 20)).effective_rank > 19.5


def test_a_direction_of_95_percent_of_the_variance_is_where_rank_passes_1_1() -> None:
    """The threshold of a run's warning."""
    points = normal(0, 4000, 2)
    factor = torch.linalg.cholesky(torch.cov(points.T))
    points = (points - points.mean(0)) @ torch.linalg.inv(factor).T  # uncorrelated
    assert feature_spread(points * torch.tensor([0.96, 0.04]).sqrt()).effective_rank < 1.1
    assert feature_spread(points * torch.tensor([0.94, 0.06]).sqrt()).effective_rank > 1.1


def test_the_rank_of_many_points_is_that_of_a_sample() -> None:
    """Points are sorted by class: the sample must hold every class."""
    means = normal(0, 50, 10)
    features = (means[:, None] + 0.3 * normal(1, 50, 400, 10)).flatten(0, 1)
    assert feature_spread(features).effective_rank == pytest.approx(
        reference(features)[1], rel=0.02
    )


def test_dead_dimensions_are_counted() -> None:
    features = normal(0, 100, 8)
    features[:, [1, 4]] = torch.tensor([0.0, 5.0])
    assert feature_spread(features).dead == 0.25
    assert feature_spread(torch.zeros(3, 4)).dead == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    features = normal(0, 5, 3)
    features[2, 1] = value
    with pytest.raises(ValueError, match="finite"):
        feature_spread(features)
