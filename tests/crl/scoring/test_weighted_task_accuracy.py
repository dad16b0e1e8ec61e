"""AVG-k under a class distribution, against every weighted task."""

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crl.scoring import task_accuracy
from crl.scoring.task_accuracy import (
    average_k_way_accuracy,
    ranks,
    top_r_accuracy,
    weighted_average_accuracies,
)

repeated = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def scored(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(scores with ties and sometimes a NaN, labels, rho)."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=6))
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    scores = torch.randint(-2, 3, (len(labels), len(sizes)), generator=generator).double()
    scores += torch.eye(len(sizes), dtype=torch.float64)[labels]
    if draw(st.booleans()):
        scores[0, draw(st.integers(0, len(sizes) - 1))] = math.nan
    share = st.one_of(st.integers(1, 9), st.floats(1e-4, 1e4))
    rho = torch.tensor(
        draw(st.lists(share, min_size=len(sizes), max_size=len(sizes))), dtype=torch.float64
    )
    return scores, labels, rho


def by_enumeration(scores: torch.Tensor, labels: torch.Tensor, rho: torch.Tensor, k: int) -> float:
    """Every set of k classes is a task; its weight is the product of their rho."""
    total, solved = 0.0, 0.0
    for task in combinations(range(len(rho)), k):
        weight = math.prod(float(rho[c]) for c in task)
        accuracies = []
        for own in task:
            rows = [
                row
                for row, label in zip(scores.tolist(), labels.tolist(), strict=True)
                if label == own
            ]
            accuracies.append(
                sum(all(row[own] > row[c] for c in task if c != own) for row in rows) / len(rows)
            )
        total += weight
        solved += weight * sum(accuracies) / k
    return solved / total


@repeated
@given(scored(), st.integers(1, 4))
def test_average_equals_enumeration_of_every_weighted_task(case, chunk):
    """For every k, with ties, however many points a chunk holds."""
    scores, labels, rho = case
    ks = range(2, len(rho) + 1)
    identity = torch.eye(len(rho), dtype=torch.float64)
    if scores.isnan().any():  # 0 * NaN would spread over the row
        scores[scores.isnan().any(1)] = math.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_accuracy, "CHUNK_BYTES", chunk * len(rho) * 8)
        averages = weighted_average_accuracies(scores, identity, labels, rho, ks)
    assert averages == pytest.approx(
        [by_enumeration(scores, labels, rho, k) for k in ks], abs=1e-12, rel=1e-9
    )


@repeated
@given(scored())
def test_uniform_rho_gives_the_average_from_ranks_and_the_task_of_all_classes_top_1(case):
    scores, labels, rho = case
    scores = scores.nan_to_num(0)
    classes, identity = len(rho), torch.eye(len(rho), dtype=torch.float64)
    counts = ranks(scores, identity, labels)
    ks = range(2, classes + 1)
    expected = [average_k_way_accuracy(counts, labels, classes, k) for k in ks]
    uniform = torch.full((classes,), 1 / classes)
    assert weighted_average_accuracies(scores, identity, labels, uniform, ks) == pytest.approx(
        expected, abs=1e-12
    )
    # All classes are one task, in which they count alike.
    average = weighted_average_accuracies(scores, identity, labels, rho, [classes])
    assert average == pytest.approx([top_r_accuracy(counts, labels, classes, 1)], abs=1e-9)


def test_a_bias_counts_and_the_order_of_classes_does_not():
    generator = torch.Generator().manual_seed(0)
    features, weights = (
        torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (40, 5)
    )
    bias, labels = torch.randn(5, generator=generator, dtype=torch.float64), torch.arange(40) % 5
    rho = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05], dtype=torch.float64)
    averages = weighted_average_accuracies(features, weights, labels, rho, [2, 3], bias)
    expected = [by_enumeration(features @ weights.T + bias, labels, rho, k) for k in (2, 3)]
    assert averages == pytest.approx(expected, abs=1e-12)
    reversed_classes = weighted_average_accuracies(
        features, weights.flip(0), 4 - labels, rho.flip(0), [2, 3], bias.flip(0)
    )
    assert reversed_classes == pytest.approx(averages, abs=1e-12)
    scaled_rho = weighted_average_accuracies(features, weights, labels, 9 * rho, [2, 3], bias)
    assert scaled_rho == pytest.approx(averages, abs=1e-12)


@pytest.mark.parametrize("ratio", [1, 10_000])
@pytest.mark.parametrize("k", [2, 10, 150, 299])
def test_nothing_overflows_with_hundreds_of_classes(k, ratio):
    """Every class beats the ones after it: a point solves a task if its class is the first."""
    classes = 300
    labels = torch.arange(classes)
    scores = -torch.arange(classes).double().expand(classes, -1)
    rho = ratio ** (-labels.double() / (classes - 1))
    (average,) = weighted_average_accuracies(
        scores, torch.eye(classes, dtype=torch.float64), labels, rho, [k]
    )
    assert average == pytest.approx(1 / k, rel=1e-9)


def test_what_has_no_average_is_refused():
    features, labels = torch.zeros(3, 2), torch.arange(3)
    for k in (1, 4):
        with pytest.raises(ValueError, match=r"2\.\.3"):
            weighted_average_accuracies(features, torch.zeros(3, 2), labels, torch.ones(3), [k])
    for rho in ([1, 1], [1, 0, 1], [1, math.nan, 1]):
        with pytest.raises(ValueError, match="3 positive"):
            weighted_average_accuracies(features, torch.zeros(3, 2), labels, torch.tensor(rho), [2])
    with pytest.raises(ValueError, match="class 1 "):
        weighted_average_accuracies(
            features, torch.zeros(3, 2), torch.tensor([0, 0, 2]), torch.ones(3), [2]
        )


@repeated
@given(scored())
def test_top_r_counts_classes_by_rho(case):
    scores, labels, rho = case
    scores = scores.nan_to_num(0)
    counts = ranks(scores, torch.eye(len(rho), dtype=torch.float64), labels)
    for r in range(1, len(rho) + 1):
        expected = sum(
            float(rho[c]) * float((counts[labels == c] < r).double().mean())
            for c in range(len(rho))
        )
        assert top_r_accuracy(counts, labels, len(rho), r, rho) == pytest.approx(
            expected / float(rho.sum()), abs=1e-12
        )
