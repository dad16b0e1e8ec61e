"""The Quick Thoughts loss against a loop over pairs of points."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.losses.contrastive import quick_thoughts_loss

repeated = settings(max_examples=25, deadline=None, derandomize=True)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow(first: Tensor, second: Tensor) -> float:
    """The mean cross-entropy of every similar pair among all other points of the batch."""
    blocks, size, _ = first.shape
    points = [(b, i) for b in range(blocks) for i in range(size)]
    losses = []
    for b, i in points:
        candidates = [p for p in points if p != (b, i)]
        total = sum(math.exp(float(first[b, i] @ second[p])) for p in candidates)
        losses += [
            math.log(total) - float(first[b, i] @ second[b, j]) for j in range(size) if j != i
        ]
    return sum(losses) / len(losses)


@repeated
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(2, 4),
    st.integers(1, 3),
    st.booleans(),
)
def test_the_loss_equals_a_loop_over_pairs(seed, blocks, size, dimension, one_encoder):
    first = normal(seed, blocks, size, dimension)
    second = first if one_encoder else normal(seed + 1, blocks, size, dimension)
    assert float(quick_thoughts_loss(first, second)) == pytest.approx(slow(first, second))


def test_features_that_say_nothing_have_the_loss_of_guessing():
    assert float(quick_thoughts_loss(torch.zeros(4, 3, 2), torch.zeros(4, 3, 2))) == pytest.approx(
        math.log(11)
    )


def test_large_scores_stay_finite_with_finite_gradients():
    features = (1e3 * normal(0, 3, 2, 4)).requires_grad_()
    loss = quick_thoughts_loss(features, features)
    loss.backward()
    assert bool(loss.isfinite()) and bool(features.grad.isfinite().all())


@pytest.mark.parametrize(
    "shapes", [((2, 1, 3), (2, 1, 3)), ((2, 2, 3), (2, 2, 4)), ((4, 3), (4, 3))]
)
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="s >= 2"):
        quick_thoughts_loss(*(torch.zeros(shape) for shape in shapes))
