"""The exact losses against loops over every triple of points."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theory_examples import (
    LOSS_NAMES,
    Example,
    a_split,
    assert_close,
    examples,
    scale,
    slow_supervised,
    slow_unsupervised,
)

from crl.theory import pair_losses
from crl.theory.pair_losses import supervised_pair_losses, unsupervised_pair_losses


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
    monkeypatch.setattr(pair_losses, "ENUMERATED", 20)
    torch.testing.assert_close(
        unsupervised_pair_losses(split, "logistic"), whole, rtol=1e-13, atol=0
    )


def test_float32_features_are_computed_in_float64() -> None:
    example = a_split()
    single = example._replace(features=example.features.float())
    double = example._replace(features=example.features.float().double())
    expected = unsupervised_pair_losses(double.split, "logistic")
    assert torch.equal(unsupervised_pair_losses(single.split, "logistic"), expected)
