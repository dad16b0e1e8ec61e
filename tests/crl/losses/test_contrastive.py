"""The contrastive loss against a loop over tuples."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_losses import normal, slow_dot, slow_loss
from torch import Tensor

from crl.losses.contrastive import contrastive_loss
from crl.losses.margin_loss import LOSSES

repeated = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(LOSSES))


def slow_contrastive(anchor: Tensor, positive: Tensor, negative: Tensor, loss: str) -> Tensor:
    losses = []
    for t in range(len(anchor)):
        similar = slow_dot(anchor[t], positive[t])
        losses.append(
            slow_loss([similar - slow_dot(anchor[t], point) for point in negative[t]], loss)
        )
    return sum(losses) / len(losses)


@repeated
@given(seeds, names, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_contrastive_loss_equals_a_loop_over_tuples_in_value_and_gradient(seed, loss, tuples, k, d):
    inputs = [normal(seed, tuples, d), normal(seed + 1, tuples, d), normal(seed + 2, tuples, k, d)]
    inputs = [points.requires_grad_() for points in inputs]
    value, expected = contrastive_loss(*inputs, loss), slow_contrastive(*inputs, loss)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs)
    )


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_extreme_features_give_a_finite_loss_and_gradient(loss):
    """Inner products of +-1e4 in float32."""
    anchor = torch.tensor([[100.0, 0.0], [0.0, 100.0]], requires_grad=True)
    wrong = torch.tensor([[-100.0, 0.0], [0.0, -100.0]])
    expected = 2e4 / math.log(2) if loss == "logistic" else 2e4 + 1
    value = contrastive_loss(anchor, wrong, -wrong[:, None], loss)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    value.backward()
    assert anchor.grad.isfinite().all() and anchor.grad.abs().max() > 1


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_gradients_agree_with_finite_differences(loss):
    anchor, positive, negative = normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 2, 3)
    inputs = [points.requires_grad_() for points in (anchor, positive, negative)]
    assert torch.autograd.gradcheck(lambda *points: contrastive_loss(*points, loss), inputs)


def test_the_default_loss_is_the_logistic_one():
    inputs = normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 2, 3)
    assert contrastive_loss(*inputs) == contrastive_loss(*inputs, "logistic")


@pytest.mark.parametrize(
    ("anchor", "positive", "negative"),
    [
        ([4, 3], [4, 2], [4, 2, 3]),  # dimensions of anchor and positive
        ([4, 3], [1, 3], [4, 2, 3]),  # a positive that would broadcast
        ([3], [3], [2, 3]),  # no batch
        ([4, 3], [4, 3], [4, 3]),  # no k
        ([4, 3], [4, 3], [5, 2, 3]),  # another batch
        ([4, 3], [4, 3], [4, 2, 1]),  # a dimension that would broadcast
        ([4, 3], [4, 3], [4, 0, 3]),  # no negative
    ],
)
def test_contrastive_loss_refuses_shapes_that_do_not_fit(anchor, positive, negative):
    with pytest.raises(ValueError, match="must"):
        contrastive_loss(torch.zeros(anchor), torch.zeros(positive), torch.zeros(negative))


def test_an_unknown_loss_is_a_key_error():
    with pytest.raises(KeyError):
        contrastive_loss(torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 2, 3), "squared")
