"""The pooled loss and its definition against every pairing; unbiased like fresh negatives."""

import math
from collections.abc import Callable
from functools import cache
from itertools import combinations, permutations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_losses import normal, slow_dot, slow_loss
from torch import Tensor

from crl.data.seeding import generator
from crl.data.tuples import TupleBatch, TupleSampler
from crl.losses.contrastive import contrastive_loss
from crl.losses.margin_loss import LOSSES
from crl.losses.pooled import pool_size, pooled_contrastive_loss, pooled_loss_by_autograd

repeated = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(LOSSES))

Form = Callable[[Tensor, int, str], Tensor]
both_forms = pytest.mark.parametrize("form", [pooled_loss_by_autograd, pooled_contrastive_loss])


def every_pairing(points: Tensor, k: int, loss: str) -> Tensor:
    """The mean over every anchor and every choice of k other tuples, in whatever order."""
    size, tuples, _ = points.shape
    losses = []
    for anchor, t in product(range(size), range(tuples)):
        blocks = [
            sum(points[i, u] for i in range(size) if i != anchor) / (size - 1)
            for u in range(tuples)
        ]
        scores = [slow_dot(points[anchor, t], block) for block in blocks]
        others = [u for u in range(tuples) if u != t]
        losses += [
            slow_loss([scores[t] - scores[u] for u in chosen], loss)
            for chosen in combinations(others, k)
        ]
    return sum(losses) / len(losses)


def over_every_order(form: Form, points: Tensor, k: int, loss: str) -> Tensor:
    """The mean of the form over every order of the tuples: each choice of k others is as likely."""
    orders = list(permutations(range(points.shape[1])))
    return torch.stack([form(points[:, order], k, loss) for order in orders]).mean()


def assert_equal_in_value_and_gradient(value: Tensor, expected: Tensor, points: Tensor) -> None:
    """To the last digits of a float64."""
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(value, points), torch.autograd.grad(expected, points)
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)


@both_forms
@repeated
@given(st.data(), seeds, names, st.integers(1, 3), st.integers(2, 5), st.integers(1, 3))
def test_the_mean_over_orders_is_the_mean_over_every_pairing(
    form, data, seed, loss, block_size, tuples, d
):
    k = data.draw(st.integers(1, tuples - 1))
    points = normal(seed, 1 + block_size, tuples, d).requires_grad_()
    value = over_every_order(form, points, k, loss)
    assert_equal_in_value_and_gradient(value, every_pairing(points, k, loss), points)


@both_forms
@repeated
@given(st.booleans(), seeds, names, st.integers(1, 3), st.integers(2, 7), st.integers(1, 3))
def test_one_batch_holds_every_pairing_of_one_or_of_all_others(
    form, one, seed, loss, block_size, tuples, d
):
    k = 1 if one else tuples - 1
    points = normal(seed, 1 + block_size, tuples, d).requires_grad_()
    value = form(points, k, loss)
    assert_equal_in_value_and_gradient(value, every_pairing(points, k, loss), points)


@repeated
@given(st.data(), seeds, names, st.integers(1, 4), st.integers(2, 20), st.integers(1, 4))
def test_the_closed_form_equals_the_definition(data, seed, loss, block_size, tuples, d):
    k = data.draw(st.integers(1, tuples - 1))
    points = normal(seed, 1 + block_size, tuples, d).requires_grad_()
    value = pooled_contrastive_loss(points, k, loss)
    assert_equal_in_value_and_gradient(value, pooled_loss_by_autograd(points, k, loss), points)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_closed_form_equals_the_definition_on_several_pools(loss):
    points = normal(0, 3, 150, 2).requires_grad_()
    assert pool_size(150, 4) == 75
    value = pooled_contrastive_loss(points, 4, loss)
    assert_equal_in_value_and_gradient(value, pooled_loss_by_autograd(points, 4, loss), points)


@both_forms
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_pools_do_not_see_one_another(form, loss):
    points = normal(0, 2, 132, 1).requires_grad_()
    assert pool_size(132, 1) == pool_size(66, 1) == 66
    halves = torch.stack([form(pool, 1, loss) for pool in points.split(66, 1)]).mean()
    assert_equal_in_value_and_gradient(form(points, 1, loss), halves, points)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_closed_form_takes_points_in_any_layout(loss):
    points = normal(0, 5, 3, 2).transpose(0, 1).requires_grad_()
    value = pooled_contrastive_loss(points, 2, loss)
    assert_equal_in_value_and_gradient(value, pooled_loss_by_autograd(points, 2, loss), points)


def test_equal_scores_share_the_slope_of_the_hinge():
    """As autograd shares it: few whole numbers make many ties."""
    draws = torch.Generator().manual_seed(0)
    points = torch.randint(-1, 2, (3, 8, 2), generator=draws).double().requires_grad_()
    value = pooled_contrastive_loss(points, 3, "hinge")
    assert_equal_in_value_and_gradient(value, pooled_loss_by_autograd(points, 3, "hinge"), points)


@both_forms
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_extreme_features_give_a_finite_loss_and_gradient(form, loss):
    """Inner products of -1e4 with the positive, and of 0 with the other tuple's point."""
    anchor = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    points = torch.stack([anchor, -anchor]).requires_grad_()
    expected = 1e4 / math.log(2) if loss == "logistic" else 1e4 + 1
    value = form(points, 1, loss)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    value.backward()
    assert points.grad.isfinite().all() and points.grad.abs().max() > 1


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_autocast_leaves_the_closed_form_alone(loss):
    points = normal(0, 3, 8, 4).float().requires_grad_()
    expected = pooled_contrastive_loss(points, 2, loss)
    with torch.autocast("cpu", torch.bfloat16):
        value = pooled_contrastive_loss(points, 2, loss)
        gradient = torch.autograd.grad(value, points)
    assert value == expected
    assert torch.equal(*gradient, *torch.autograd.grad(expected, points))


@given(st.integers(2, 600), st.data())
def test_pools_are_equal_and_the_smallest_that_are_large_enough(tuples, data):
    k = data.draw(st.integers(1, tuples - 1))
    enough = [
        size
        for size in range(1, tuples + 1)
        if tuples % size == 0 and size >= 64 and (size - 1) // k >= 15
    ]
    assert pool_size(tuples, k) == min(enough, default=tuples)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_gradients_agree_with_finite_differences(loss):
    points = normal(4, 3, 5, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda pool: pooled_contrastive_loss(pool, 2, loss), points)


def test_the_default_loss_is_the_logistic_one():
    points = normal(1, 2, 4, 3)
    assert pooled_contrastive_loss(points, 2) == pooled_contrastive_loss(points, 2, "logistic")


@pytest.mark.parametrize(
    ("points", "negatives"),
    [
        ([4, 3], 2),  # no tuples
        ([1, 4, 3], 2),  # no positive
        ([2, 4, 3], 0),  # no negative
        ([2, 4, 3], 4),  # four negatives from three other tuples
        ([2, 1, 3], 1),  # no other tuple
        ([2, 4, 0], 2),  # no dimension
    ],
)
def test_shapes_that_do_not_fit_are_refused(points, negatives):
    with pytest.raises(ValueError, match="must"):
        pooled_contrastive_loss(torch.zeros(points), negatives)


def test_an_unknown_loss_is_a_key_error():
    with pytest.raises(KeyError):
        pooled_contrastive_loss(torch.zeros(2, 4, 3), 1, "squared")


# Fresh and pooled negatives, on fixed features few enough to enumerate every tuple.

TUPLES, BATCHES = 8, 800  # batches are small: an error of the pooled estimator shrinks with them
CASES = [  # class sizes, k, b
    ((3, 3, 3), 1, 1),
    ((3, 3, 3), 4, 1),
    ((3, 3, 3), 2, 3),
    ((6, 2, 1, 1), 1, 2),
    ((6, 2, 1, 1), 4, 1),
    ((6, 2, 1, 1), 2, 2),
]


def clustered(sizes: tuple[int, ...]) -> Tensor:
    """Points around one centre per class: collisions have a loss far from that of other tuples."""
    centres = 1.5 * torch.eye(len(sizes), dtype=torch.float64)
    return centres.repeat_interleave(torch.tensor(sizes), 0) + normal(
        5, sum(sizes), len(sizes), scale=0.5
    )


@cache
def exact_loss(
    sizes: tuple[int, ...],
    k: int,
    block_size: int,
    loss: str,
    uniform: bool = False,
    collisions: bool = True,
) -> float:
    """``L_un`` of the clustered features: the mean over all tuples by their probability.

    Two wrong readings on request: ``uniform`` draws negative classes uniformly instead of from rho;
    ``collisions=False`` leaves out tuples with a collision.
    """
    by_class = clustered(sizes).split(sizes)
    blocks, owners, chances = [], [], []
    for owner, points in enumerate(by_class):
        for block in product(points, repeat=block_size):
            blocks.append(sum(block) / block_size)
            owners.append(owner)
            chance = 1 / len(sizes) if uniform else sizes[owner] / sum(sizes)
            chances.append(chance / sizes[owner] ** block_size)
    owners, chances = torch.tensor(owners), torch.tensor(chances, dtype=torch.float64)
    # Every choice of k negative blocks.
    index = torch.cartesian_prod(*[torch.arange(len(blocks))] * k).view(-1, k)
    total = mass = 0.0
    for owner, points in enumerate(by_class):
        weight = chances[index].prod(1)
        if not collisions:
            weight = weight * (owners[index] != owner).all(1)
        own = [block for block, of in zip(blocks, owners, strict=True) if of == owner]
        for anchor, positive in product(points, own):
            margins = (anchor @ (positive - torch.stack(blocks)).T)[index]
            losses = (
                torch.log2(1 + torch.exp(-margins).sum(1))
                if loss == "logistic"
                else (1 - margins).amax(1).clamp(min=0)
            )
            # rho times the chance of this point of the class, times that of this block.
            share = 1 / sum(sizes) / len(own)
            total += share * float(weight @ losses)
            mass += share * float(weight.sum())
    return total / mass


@cache
def drawn(sizes: tuple[int, ...], k: int, block_size: int, source: str) -> list[TupleBatch]:
    sampler = TupleSampler(
        torch.tensor([0, *sizes]).cumsum(0), block_size, k if source == "fresh" else 0
    )
    stream = f"{source} {sizes} {k} {block_size}"
    return [sampler.draw(TUPLES, generator(0, stream, step)) for step in range(BATCHES)]


@cache
def estimate(
    sizes: tuple[int, ...], k: int, block_size: int, loss: str, source: str, collisions: bool = True
) -> tuple[float, float]:
    """The mean loss of the batches and its standard error.

    Batches are independent; the tuples of a pool are not.
    """
    features = clustered(sizes)
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    losses = []
    for batch in drawn(sizes, k, block_size, source):
        if source == "pooled":
            losses.append(pooled_contrastive_loss(features[batch.points], k, loss))
        else:
            anchor, positive = features[batch.anchors], features[batch.positives].mean(0)
            negative = features[batch.negatives].mean(0).transpose(0, 1)
            used = torch.ones(TUPLES, dtype=torch.bool)
            if not collisions:
                used = (labels[batch.negatives[0]] != batch.classes).all(0)
            if used.any():
                losses.append(contrastive_loss(anchor[used], positive[used], negative[used], loss))
    losses = torch.stack(losses)
    return float(losses.mean()), float(losses.std() / len(losses) ** 0.5)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(("sizes", "k", "block_size"), CASES)
def test_fresh_and_pooled_negatives_estimate_the_same_loss(sizes, k, block_size, loss):
    exact = exact_loss(sizes, k, block_size, loss)
    fresh, fresh_error = estimate(sizes, k, block_size, loss, "fresh")
    pooled, pooled_error = estimate(sizes, k, block_size, loss, "pooled")
    assert abs(fresh - exact) < 4 * fresh_error
    assert abs(pooled - exact) < 4 * pooled_error
    assert abs(fresh - pooled) < 4 * math.hypot(fresh_error, pooled_error)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(("sizes", "k", "block_size"), CASES)
def test_the_estimates_are_sharp_enough_to_tell_wrong_negatives(sizes, k, block_size, loss):
    """Without collisions, or with uniform classes for another rho, they are far from the truth."""
    exact = exact_loss(sizes, k, block_size, loss)
    error = max(estimate(sizes, k, block_size, loss, source)[1] for source in ("fresh", "pooled"))
    assert abs(exact_loss(sizes, k, block_size, loss, collisions=False) - exact) > 10 * error
    if len(set(sizes)) > 1:
        assert abs(exact_loss(sizes, k, block_size, loss, uniform=True) - exact) > 10 * error


@pytest.mark.parametrize("sizes", [(3, 3, 3), (6, 2, 1, 1)])
def test_an_estimator_without_collisions_is_noticed(sizes):
    """The same estimator on tuples without a collision is many standard errors off."""
    wrong, error = estimate(sizes, 1, 1, "logistic", "fresh", collisions=False)
    assert abs(wrong - exact_loss(sizes, 1, 1, "logistic")) > 10 * error
