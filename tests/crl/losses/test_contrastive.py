"""The losses against loops over tuples, draws and shifts; the two ways to draw negatives against
every tuple there is."""

import math
from functools import cache
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.losses.contrastive import LOSSES, contrastive_loss, hinge, logistic
from crl.losses.pooled import _FORMS, pool_size, pooled_contrastive_loss
from data.seeding import generator
from data.tuples import TupleBatch, TupleSampler

repeated = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(LOSSES))


def normal(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


# Slow references. They work on scalar tensors, so that autograd gives their gradients too.


def slow_loss(margins: list[Tensor], loss: str) -> Tensor:
    if loss == "logistic":
        total = torch.ones((), dtype=torch.float64)
        for margin in margins:
            total = total + torch.exp(-margin)
        return torch.log2(total)
    worst = min(margins)
    return 1 - worst if worst < 1 else 0 * worst


def slow_dot(left: Tensor, right: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for one, other in zip(left, right, strict=True):
        total = total + one * other
    return total


def slow_contrastive(anchor: Tensor, positive: Tensor, negative: Tensor, loss: str) -> Tensor:
    losses = []
    for t in range(len(anchor)):
        similar = slow_dot(anchor[t], positive[t])
        losses.append(
            slow_loss([similar - slow_dot(anchor[t], point) for point in negative[t]], loss)
        )
    return sum(losses) / len(losses)


def slow_pooled(points: Tensor, k: int, loss: str) -> Tensor:
    size, tuples, _ = points.shape
    pool = pool_size(tuples, k)
    draws = (pool - 1) // k
    losses = []
    for t in range(tuples):
        first = t // pool * pool
        last = first + pool - 1
        others = [last if u == t else u for u in range(first, last)]
        for anchor in range(size):
            blocks = [
                sum(points[i, u] for i in range(size) if i != anchor) / (size - 1)
                for u in range(tuples)
            ]
            scores = [slow_dot(points[anchor, t], block) for block in blocks]
            for draw in range(draws):
                dealt = others[draw : k * draws : draws]
                assert len(dealt) == k
                losses.append(slow_loss([scores[t] - scores[u] for u in dealt], loss))
    return sum(losses) / len(losses)


@repeated
@given(seeds, names, st.lists(st.integers(1, 4), max_size=2), st.integers(1, 5))
def test_losses_equal_their_formulas_over_the_last_dimension(seed, loss, outer, k):
    margins = normal(seed, *outer, k, scale=3)
    found = LOSSES[loss](margins)
    assert found.shape == margins.shape[:-1]
    for index in product(*map(range, outer)):
        torch.testing.assert_close(found[index], slow_loss([*margins[index]], loss))


@pytest.mark.parametrize("k", [1, 2, 7])
def test_losses_at_zero_margins(k):
    """1 for one negative, as the theory asks; log2(1 + k) and 1 for more."""
    zeros = torch.zeros(k)
    assert logistic(zeros).item() == pytest.approx(math.log2(1 + k))
    assert hinge(zeros).item() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_margins_neither_overflow_nor_vanish(dtype):
    rows = [[1e4], [-1e4], [1e4, -1e4], [-1e4, -1e4], [1e4, 1e4]]
    slope = 1 / math.log(2)
    expected = {
        "logistic": [0, 1e4 * slope, 1e4 * slope, 1e4 * slope + 1, 0],
        "hinge": [0, 1 + 1e4, 1 + 1e4, 1 + 1e4, 0],
    }
    # Only the violated margins have a slope; two equal ones share it.
    slopes = {
        "logistic": [[0], [-slope], [0, -slope], [-slope / 2, -slope / 2], [0, 0]],
        "hinge": [[0], [-1], [0, -1], [-0.5, -0.5], [0, 0]],
    }
    for loss in LOSSES:
        for row, value, gradient in zip(rows, expected[loss], slopes[loss], strict=True):
            margins = torch.tensor(row, dtype=dtype, requires_grad=True)
            found = LOSSES[loss](margins)
            found.backward()
            assert found.item() == pytest.approx(value, rel=1e-6)
            # A float32 keeps three decimals of a loss of 1e4, and autograd takes its exponential.
            assert margins.grad.tolist() == pytest.approx(
                gradient, rel=1e-3 if dtype == torch.float32 else 1e-9
            )


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_extreme_features_give_a_finite_loss_and_gradient(loss):
    """Inner products of +-1e4 through both objectives, in float32."""
    anchor = torch.tensor([[100.0, 0.0], [0.0, 100.0]], requires_grad=True)
    wrong = torch.tensor([[-100.0, 0.0], [0.0, -100.0]])
    expected = 2e4 / math.log(2) if loss == "logistic" else 2e4 + 1
    found = contrastive_loss(anchor, wrong, -wrong[:, None], loss)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    found.backward()
    assert anchor.grad.isfinite().all() and anchor.grad.abs().max() > 1
    # As a pool, the other tuple's point has an inner product of 0 with the anchor.
    points = torch.stack([anchor.detach(), wrong]).requires_grad_()
    found = pooled_contrastive_loss(points, 1, loss)
    assert found.item() == pytest.approx(expected / 2, rel=1e-4)
    found.backward()
    assert points.grad.isfinite().all() and points.grad.abs().max() > 1


@repeated
@given(seeds, names, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_contrastive_loss_equals_a_loop_over_tuples_in_value_and_gradient(seed, loss, tuples, k, d):
    inputs = [normal(seed, tuples, d), normal(seed + 1, tuples, d), normal(seed + 2, tuples, k, d)]
    inputs = [points.requires_grad_() for points in inputs]
    found, expected = contrastive_loss(*inputs, loss), slow_contrastive(*inputs, loss)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs)
    )


@repeated
@given(st.data(), seeds, names, st.integers(1, 3), st.integers(2, 6), st.integers(1, 3))
def test_pooled_loss_equals_a_loop_over_points_and_draws_in_value_and_gradient(
    data, seed, loss, block_size, tuples, d
):
    k = data.draw(st.integers(1, tuples - 1))
    points = normal(seed, 1 + block_size, tuples, d).requires_grad_()
    found, expected = pooled_contrastive_loss(points, k, loss), slow_pooled(points, k, loss)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, points), torch.autograd.grad(expected, points)
    )


def assert_pooled_equals_the_loop(points: Tensor, k: int, loss: str) -> None:
    """In value and gradient, to the last digits of a float64."""
    found, expected = pooled_contrastive_loss(points, k, loss), slow_pooled(points, k, loss)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    slopes = torch.autograd.grad(found, points), torch.autograd.grad(expected, points)
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_pooled_loss_of_a_batch_of_several_pools_equals_the_loop(loss):
    assert pool_size(132, 1) == 66
    assert_pooled_equals_the_loop(normal(0, 2, 132, 1).requires_grad_(), 1, loss)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_pooled_loss_takes_points_in_any_layout(loss):
    assert_pooled_equals_the_loop(normal(0, 5, 3, 2).transpose(0, 1).requires_grad_(), 2, loss)


def test_equal_scores_share_the_slope_of_the_pooled_hinge():
    """Against autograd, which shares it too: few whole numbers make many ties."""
    points = (
        torch.randint(-1, 2, (3, 8, 2), generator=torch.Generator().manual_seed(0))
        .double()
        .requires_grad_()
    )
    size, k = len(points), 3
    losses = []
    for anchor in range(size):
        scores = points[anchor] @ (points.sum(0) - points[anchor]).T / (size - 1)
        for t in range(8):
            others = torch.stack([scores[t, 7 if u == t else u] for u in range(7)])
            losses += [hinge(scores[t, t] - others[draw : 2 * k : 2]) for draw in range(2)]
    expected = torch.stack(losses).mean()
    found = pooled_contrastive_loss(points, k, "hinge")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    slopes = torch.autograd.grad(found, points), torch.autograd.grad(expected, points)
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_autocast_leaves_the_pooled_loss_alone(loss):
    points = normal(0, 3, 8, 4).float().requires_grad_()
    expected = pooled_contrastive_loss(points, 2, loss)
    with torch.autocast("cpu", torch.bfloat16):
        found = pooled_contrastive_loss(points, 2, loss)
        slopes = torch.autograd.grad(found, points)
    assert found == expected
    assert torch.equal(*slopes, *torch.autograd.grad(expected, points))


def test_both_ways_to_pair_tuples_know_the_same_losses():
    assert set(_FORMS) == set(LOSSES)


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
    anchor, positive, negative = normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 2, 3)
    inputs = [points.requires_grad_() for points in (anchor, positive, negative)]
    assert torch.autograd.gradcheck(lambda *points: contrastive_loss(*points, loss), inputs)
    pool = normal(4, 3, 5, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda points: pooled_contrastive_loss(points, 2, loss), pool)


def test_the_default_loss_is_the_logistic_one():
    anchor, positive, negative = normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 2, 3)
    assert contrastive_loss(anchor, positive, negative) == contrastive_loss(
        anchor, positive, negative, "logistic"
    )
    pool = torch.stack([anchor, positive])
    assert pooled_contrastive_loss(pool, 2) == pooled_contrastive_loss(pool, 2, "logistic")


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
def test_pooled_loss_refuses_shapes_that_do_not_fit(points, negatives):
    with pytest.raises(ValueError, match="must"):
        pooled_contrastive_loss(torch.zeros(points), negatives)


def test_an_unknown_loss_is_a_key_error():
    with pytest.raises(KeyError):
        contrastive_loss(torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 2, 3), "squared")
    with pytest.raises(KeyError):
        pooled_contrastive_loss(torch.zeros(2, 4, 3), 1, "squared")


# Fresh and pooled negatives, on fixed features small enough to enumerate every tuple with its
# probability.

TUPLES, BATCHES = 8, 800  # small batches: what a pooled estimator gets wrong shrinks with the batch
CASES = [  # class sizes, k, b
    ((3, 3, 3), 1, 1),
    ((3, 3, 3), 4, 1),
    ((3, 3, 3), 2, 3),
    ((6, 2, 1, 1), 1, 2),
    ((6, 2, 1, 1), 4, 1),
    ((6, 2, 1, 1), 2, 2),
]


def clustered(sizes: tuple[int, ...]) -> Tensor:
    """Points around one centre per class: the loss of a collision is far from the loss of other
    tuples."""
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
    """``L_un`` of the clustered features: the mean loss of every tuple, weighted by its
    probability.

    Two wrong readings on request: negative classes drawn uniformly instead of from rho, and tuples
    with a collision left out.
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
    index = torch.cartesian_prod(*[torch.arange(len(blocks))] * k).view(
        -1, k
    )  # every choice of k negative blocks
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
            share = (
                1 / sum(sizes) / len(own)
            )  # rho times one point of the class, times one of its blocks
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
    """The mean of the batches' losses and its standard error. Batches are independent, tuples of a
    pool are not."""
    features = clustered(sizes)
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    losses = []
    for batch in drawn(sizes, k, block_size, source):
        if source == "pooled":
            losses.append(pooled_contrastive_loss(features[batch.points], k, loss))
        else:
            anchor, positive = features[batch.anchors], features[batch.positives].mean(0)
            negative = features[batch.negatives].mean(0).transpose(0, 1)
            keep = torch.ones(TUPLES, dtype=torch.bool)
            if not collisions:
                keep = (labels[batch.negatives[0]] != batch.classes).all(0)
            if keep.any():
                losses.append(contrastive_loss(anchor[keep], positive[keep], negative[keep], loss))
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
    """Leaving collisions out, or drawing classes uniformly where rho is not, would be many standard
    errors away."""
    exact = exact_loss(sizes, k, block_size, loss)
    error = max(estimate(sizes, k, block_size, loss, source)[1] for source in ("fresh", "pooled"))
    assert abs(exact_loss(sizes, k, block_size, loss, collisions=False) - exact) > 10 * error
    if len(set(sizes)) > 1:
        assert abs(exact_loss(sizes, k, block_size, loss, uniform=True) - exact) > 10 * error


@pytest.mark.parametrize("sizes", [(3, 3, 3), (6, 2, 1, 1)])
def test_an_estimator_without_collisions_is_noticed(sizes):
    """The same machinery, fed only tuples without a collision, fails the agreement by many standard
    errors."""
    wrong, error = estimate(sizes, 1, 1, "logistic", "fresh", collisions=False)
    assert abs(wrong - exact_loss(sizes, 1, 1, "logistic")) > 10 * error
