"""Principal planes against scikit-learn's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from crl.scoring.projection import principal_plane


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.integers(3, 30), st.integers(2, 6))
def test_the_plane_is_that_of_scikit_learn_up_to_sign(seed, n, d):
    features = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * torch.arange(
        1, d + 1
    )
    points, shares = principal_plane(features)
    reference = PCA(2, svd_solver="full").fit(features.double().numpy())
    expected = torch.from_numpy(reference.transform(features.double().numpy()))
    torch.testing.assert_close(points.abs(), expected.abs(), atol=1e-8, rtol=1e-8)
    assert shares == pytest.approx(reference.explained_variance_ratio_.tolist())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 1000))
def test_the_largest_component_of_a_direction_is_positive(seed):
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(seed))
    points, _ = principal_plane(features)
    directions = torch.linalg.lstsq(points, (features - features.mean(0)).double()).solution
    for direction in directions:
        assert float(direction[direction.abs().argmax()]) > 0


def test_a_missing_direction_has_zero_coordinates_and_no_share():
    points, shares = principal_plane(torch.tensor([[0.0], [2.0]]))
    assert points[:, 1].tolist() == [0, 0] and shares == (1.0, 0.0)
    points, shares = principal_plane(torch.ones(3, 2))
    assert torch.equal(points, torch.zeros(3, 2, dtype=torch.float64)) and shares == (0.0, 0.0)
    with pytest.raises(ValueError, match="2 points"):
        principal_plane(torch.ones(1, 2))
