"""AVG-k against every task, TOP-R and ranks against loops."""

import math
from fractions import Fraction
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.scoring import task_accuracy
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks, top_r_accuracy

repeated = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
class_sizes = st.lists(st.integers(1, 4), min_size=2, max_size=6)


def integers(seed: int, *shape: int) -> Tensor:
    """Small whole numbers: their inner products are exact, and ties are frequent."""
    return torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(seed)).double()


def scored(seed: int, sizes: list[int]) -> tuple[list[list[float]], Tensor, Tensor]:
    """(scores with ties, labels, ranks); the true class is often but not always ahead."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    identity = torch.eye(len(sizes), dtype=torch.float64)
    scores = integers(seed, len(labels), len(sizes)) + identity[labels]
    return scores.tolist(), labels, ranks(scores, identity, labels)


def slow_ranks(scores: list[list[float]], labels: list[int]) -> list[int]:
    """ "Not below" includes NaN."""
    return [
        sum(not score < row[label] for c, score in enumerate(row) if c != label)
        for row, label in zip(scores, labels, strict=True)
    ]


def slow_average(scores: list[list[float]], labels: list[int], k: int) -> float:
    """Every set of k classes is a task; every point of its classes is classified among them."""
    tasks = []
    for task in combinations(range(len(scores[0])), k):
        accuracies = []
        for own in task:
            solved = []
            for row, label in zip(scores, labels, strict=True):
                if label == own:
                    solved.append(all(row[own] > row[c] for c in task if c != own))
            accuracies.append(sum(solved) / len(solved))
        tasks.append(sum(accuracies) / k)
    return sum(tasks) / len(tasks)


@repeated
@given(seeds, st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4))
def test_ranks_equal_a_loop_over_classes(seed, points, classes, d, chunk):
    """With and without a bias, however many points a chunk holds."""
    features, weights = integers(seed, points, d), integers(seed + 1, classes, d)
    bias = integers(seed + 2, classes)
    labels = torch.randint(classes, (points,), generator=torch.Generator().manual_seed(seed))
    scores = [[float(point @ weight) for weight in weights] for point in features]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_accuracy, "CHUNK_BYTES", chunk * classes * features.element_size())
        assert ranks(features, weights, labels).tolist() == slow_ranks(scores, labels.tolist())
        scores = [
            [score + float(offset) for score, offset in zip(row, bias, strict=True)]
            for row in scores
        ]
        assert ranks(features, weights, labels, bias).tolist() == slow_ranks(
            scores, labels.tolist()
        )


@repeated
@given(
    seeds,
    st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]), min_size=2, max_size=5),
)
def test_a_score_that_is_not_a_number_is_an_error(seed, bias):
    features, weights = integers(seed, 6, 2), integers(seed + 1, len(bias), 2)
    labels = torch.randint(len(bias), (6,), generator=torch.Generator().manual_seed(seed))
    scores = [
        [float(point @ weight) + offset for weight, offset in zip(weights, bias, strict=True)]
        for point in features
    ]
    counts = ranks(features, weights, labels, torch.tensor(bias, dtype=torch.float64))
    assert counts.tolist() == slow_ranks(scores, labels.tolist())


def test_ties_and_nan_by_hand():
    scores = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [math.nan, 5.0, 0.0]])
    identity = torch.eye(3)
    assert ranks(scores, identity, torch.tensor([0, 0, 0, 1])).tolist() == [0, 1, 2, 2]
    assert ranks(scores, identity, torch.tensor([2, 2, 2, 0])).tolist() == [2, 2, 2, 2]
    # A class whose weights are not numbers is never right, and an error for every other class.
    broken = torch.tensor([[1.0, 0.0, 0.0], [math.nan, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert ranks(scores[:1], broken, torch.tensor([0])).tolist() == [1]
    assert ranks(scores[:1], broken, torch.tensor([1])).tolist() == [2]


def test_features_that_are_not_numbers_or_all_equal_solve_nothing():
    """A collapsed encoder scores 0, not chance."""
    labels = torch.arange(4)
    for features in (torch.full((4, 3), math.nan), torch.ones(4, 3)):
        counts = ranks(features, torch.ones(4, 3), labels)
        assert [average_k_way_accuracy(counts, labels, 4, k) for k in (2, 3, 4)] == [0, 0, 0]
        assert [top_r_accuracy(counts, labels, 4, r) for r in (1, 2, 3, 4)] == [0, 0, 0, 1]


@repeated
@given(seeds, class_sizes)
def test_average_equals_brute_force_over_every_task(seed, sizes):
    """For every k, with ties and with classes of unequal size."""
    scores, labels, counts = scored(seed, sizes)
    for k in range(2, len(sizes) + 1):
        expected = slow_average(scores, labels.tolist(), k)
        assert average_k_way_accuracy(counts, labels, len(sizes), k) == pytest.approx(
            expected, abs=1e-12
        )


@repeated
@given(seeds, class_sizes)
def test_top_r_equals_a_loop_over_points(seed, sizes):
    scores, labels, counts = scored(seed, sizes)
    for r in range(1, len(sizes) + 1):
        accuracies = []
        for own in range(len(sizes)):
            rows = [row for row, label in zip(scores, labels.tolist(), strict=True) if label == own]
            # The place of the true class when every tie is lost.
            places = [
                1 + sum(score >= row[own] for c, score in enumerate(row) if c != own)
                for row in rows
            ]
            accuracies.append(sum(place <= r for place in places) / len(rows))
        assert top_r_accuracy(counts, labels, len(sizes), r) == pytest.approx(
            sum(accuracies) / len(sizes), abs=1e-12
        )


@repeated
@given(seeds, class_sizes)
def test_the_task_of_all_classes_is_top_1(seed, sizes):
    _, labels, counts = scored(seed, sizes)
    top_1 = top_r_accuracy(counts, labels, len(sizes), 1)
    assert average_k_way_accuracy(counts, labels, len(sizes), len(sizes)) == pytest.approx(
        top_1, abs=1e-12
    )


@pytest.mark.parametrize("k", [2, 10, 300, 3028, 3029])
def test_average_is_exact_with_thousands_of_classes(k):
    """At Wiki-3029's size it equals whole-number binomials: nothing overflows."""
    classes = 3029
    labels = torch.arange(classes)
    counts = torch.randint(classes, (classes,), generator=torch.Generator().manual_seed(k)) // 7
    total = sum(math.comb(classes - 1 - r, k - 1) for r in counts.tolist())
    expected = float(Fraction(total, classes * math.comb(classes - 1, k - 1)))
    assert average_k_way_accuracy(counts, labels, classes, k) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("k", [-1, 0, 1, 4])
def test_average_refuses_a_k_outside_2_to_the_number_of_classes(k):
    with pytest.raises(ValueError, match=r"2\.\.3"):
        average_k_way_accuracy(torch.zeros(3, dtype=torch.int64), torch.arange(3), 3, k)


@pytest.mark.parametrize("r", [-1, 0, 4])
def test_top_r_refuses_an_r_outside_1_to_the_number_of_classes(r):
    with pytest.raises(ValueError, match=r"1\.\.3"):
        top_r_accuracy(torch.zeros(3, dtype=torch.int64), torch.arange(3), 3, r)


def test_a_class_without_points_is_refused():
    counts, labels = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 2, 2])
    with pytest.raises(ValueError, match="class 1 "):
        average_k_way_accuracy(counts, labels, 3, 2)
    with pytest.raises(ValueError, match="class 1 "):
        top_r_accuracy(counts, labels, 3, 1)
