"""Exact losses against loops over all points; sampled losses and class tuples against them."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theory_examples import (
    DRAWS,
    ERRORS,
    LOSS_NAMES,
    Example,
    a_split,
    assert_close,
    assert_estimates,
    examples,
    scale,
    seeded,
    slow_k,
    slow_supervised,
    slow_unsupervised,
)
from torch import Tensor

from crl.theory import bounds, split_losses
from crl.theory.bounds import deviation_weight
from crl.theory.collision_probability import class_distribution, no_collision_probability
from crl.theory.finite_split import intraclass_deviation
from crl.theory.split_losses import (
    Estimate,
    draw_classes,
    draw_collision_free,
    draw_tasks,
    sampled_different_loss,
    sampled_supervised_loss,
    sampled_unsupervised_loss,
    supervised_pair_losses,
    unsupervised_pair_losses,
)


@settings(max_examples=40, deadline=None)
@given(examples(), st.sampled_from(LOSS_NAMES))
def test_exact_losses_equal_the_loops(example: Example, loss: str) -> None:
    assert_close(
        unsupervised_pair_losses(example.split, loss), slow_unsupervised(example, loss), example
    )
    assert_close(
        supervised_pair_losses(example.split, loss), slow_supervised(example, loss), example
    )


@settings(max_examples=25, deadline=None)
@given(examples(classes=3, points=3), st.sampled_from(LOSS_NAMES), st.integers(2, 3))
def test_proposition_6_2_holds_with_every_block_enumerated(
    example: Example, loss: str, block_size: int
) -> None:
    block = torch.tensor(slow_unsupervised(example, loss, block_size), dtype=torch.float64)
    rounding = 1e-11 * scale(example)
    # Entry by entry, so that it holds for every rho.
    assert bool((supervised_pair_losses(example.split, loss) <= block + rounding).all())
    assert bool((block <= unsupervised_pair_losses(example.split, loss) + rounding).all())


def test_enumeration_in_small_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    split = a_split(sizes=(5, 3, 6)).split
    whole = unsupervised_pair_losses(split, "logistic")
    monkeypatch.setattr(split_losses, "ENUMERATED", 20)
    torch.testing.assert_close(
        unsupervised_pair_losses(split, "logistic"), whole, rtol=1e-13, atol=0
    )


def test_float32_features_are_computed_in_float64() -> None:
    example = a_split()
    single = example._replace(features=example.features.float())
    double = example._replace(features=example.features.float().double())
    expected = unsupervised_pair_losses(double.split, "logistic")
    assert torch.equal(unsupervised_pair_losses(single.split, "logistic"), expected)


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("block_size", [1, 2])
def test_sampled_loss_agrees_with_every_block_enumerated(loss: str, block_size: int) -> None:
    example = a_split(seed=3)
    pairs = torch.tensor(slow_unsupervised(example, loss, block_size), dtype=torch.float64)
    exact = float(example.rho @ pairs @ example.rho)
    tuples = draw_classes(example.split.rho, (DRAWS, 2), seeded())
    assert_estimates(
        sampled_unsupervised_loss(example.split, tuples, block_size, loss, seeded(1)), exact
    )
    apart = bounds._sampled_pair_loss(example.split, block_size, loss, DRAWS, seeded(2))
    assert_estimates(apart, exact)


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_sampled_losses_with_two_negatives_agree_with_every_tuple_enumerated(loss: str) -> None:
    example = a_split(seed=5, sizes=(2, 1, 3))
    split, exact = example.split, slow_k(example, 2, loss)
    tuples = draw_classes(split.rho, (DRAWS, 3), seeded())
    assert_estimates(sampled_unsupervised_loss(split, tuples, 1, loss, seeded(1)), exact["total"])
    assert_estimates(sampled_different_loss(split, tuples, loss, seeded(2)), exact["different"])
    free = draw_collision_free(split.rho, 2, DRAWS, seeded(3))
    assert_estimates(sampled_supervised_loss(split, free, loss, seeded(4)), exact["supervised"])
    tasks = draw_tasks(split.rho, 3, DRAWS, seeded(5))
    assert_estimates(sampled_supervised_loss(split, tasks, loss, seeded(6)), exact["tasks"])
    theorem = bounds._theorem_6_1(split, intraclass_deviation(split), 2, loss, DRAWS, seeded(7))
    free_chance, beta = no_collision_probability(split.rho, 2), deviation_weight(split.rho, 2, loss)
    right = exact["different"] / free_chance + beta * intraclass_deviation(split)
    slack = Estimate(theorem["slack"], theorem["standard_error"])
    assert_estimates(slack, right - exact["supervised"])


def test_sampling_in_small_parts_keeps_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    split = a_split().split
    monkeypatch.setattr(split_losses, "GATHERED", 50)
    tuples = draw_classes(split.rho, (7, 3), seeded())
    assert split_losses._margins(split, tuples, 2, seeded()).shape == (7, 2)


def frequencies(tuples: Tensor, classes: int) -> Tensor:
    codes = (tuples * classes ** torch.arange(tuples.shape[1])).sum(1)
    return torch.bincount(codes, minlength=classes ** tuples.shape[1]).double() / len(tuples)


def conditional(rho: Tensor, size: int, distinct: bool) -> Tensor:
    """The probability of each class tuple i.i.d. from rho, given that its classes differ.

    All classes differ if ``distinct``, else only the first from the others.
    """
    chances = torch.zeros(len(rho) ** size, dtype=torch.float64)
    for classes in itertools.product(range(len(rho)), repeat=size):
        if len({*classes}) == size if distinct else classes[0] not in classes[1:]:
            code = sum(c * len(rho) ** i for i, c in enumerate(classes))
            chances[code] = math.prod(float(rho[c]) for c in classes)
    return chances / chances.sum()


@pytest.mark.parametrize(
    ("size", "distinct"), [(2, True), (3, True), (4, True), (2, False), (3, False)]
)
def test_class_tuples_have_their_conditional_distribution(size: int, distinct: bool) -> None:
    rho, draws = class_distribution(torch.tensor([1, 2, 3, 6])), 20_000
    if distinct:
        drawn = draw_tasks(rho, size, draws, seeded(size))
    else:
        drawn = draw_collision_free(rho, size - 1, draws, seeded(size))
    assert drawn.shape == (draws, size)
    expected = conditional(rho, size, distinct)
    errors = (expected * (1 - expected) / draws).sqrt()
    assert bool(((frequencies(drawn, 4) - expected).abs() <= ERRORS * errors).all())


def test_large_tasks_are_drawn_without_rejection() -> None:
    rho = class_distribution(torch.arange(1, 301))
    tasks = draw_tasks(rho, 300, 3, seeded())
    assert tasks.sort(1).values.tolist() == [list(range(300))] * 3
    with pytest.raises(ValueError, match="301 distinct"):
        draw_tasks(rho, 301, 3, seeded())
