"""Benchmarks on made-up features at a tiny size; their two sides compute the same numbers."""

import math
from itertools import combinations

import pytest
import torch

from benchmarks import evaluation, linear
from benchmarks.features import Size, clustered
from benchmarks.process import in_own_process, resident_gb
from crl.scoring.classifiers import mean_classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks

TINY = Size(classes=6, train=30, held_out=10, d=5, noise=2.0)


def test_features_are_around_the_same_means_in_every_set() -> None:
    (train, labels), (dev, dev_labels) = clustered(TINY._replace(train=4000), (4000, 3000), seed=1)
    assert train.shape == (24000, 5) and dev.shape == (18000, 5)
    assert (
        torch.bincount(labels).tolist() == [4000] * 6
        and torch.bincount(dev_labels).tolist() == [3000] * 6
    )
    means, dev_means = (
        mean_classifier(train, labels, 6).weights,
        mean_classifier(dev, dev_labels, 6).weights,
    )
    torch.testing.assert_close(means, dev_means, atol=0.25, rtol=0)  # six standard errors of a mean
    assert float((means[:, None] - means).norm(dim=2).max()) > 1


def test_enumerating_every_pair_is_the_exact_average() -> None:
    (features, labels), *_ = clustered(TINY, (TINY.held_out,), seed=0)
    weights = mean_classifier(features, labels, TINY.classes).weights
    pairs = [list(pair) for pair in combinations(range(TINY.classes), 2)]
    enumerated = evaluation.enumerate_pairs(features.view(TINY.classes, -1, TINY.d), weights, pairs)
    exact = average_k_way_accuracy(ranks(features, weights, labels), labels, TINY.classes, 2)
    assert enumerated == pytest.approx(exact, abs=1e-6)
    assert 0.5 < exact < 1
    assert evaluation.exact(features, labels, weights)[0] == exact


def test_evaluation() -> None:
    found = evaluation.measure(2, TINY, sample=3)
    assert {name.partition("/")[2]: len(values) for name, values in found.items()} == {
        "seconds": 2,
        "enumerating_tasks_ratio": 2,
        "extra_memory_gb": 1,
    }
    assert all(math.isfinite(value) and value > 0 for values in found.values() for value in values)


def test_linear() -> None:
    found = linear.measure(2, TINY, TINY)
    assert len(found["linear/cifar_size/scikit_learn_ratio"]) == 2
    assert all(
        value > 0
        for value in found["linear/cifar_size/scikit_learn_ratio"]
        + found["linear/wiki_size/seconds"]
    )
    assert all(abs(value) <= 0.1 for value in found["linear/cifar_size/dev_accuracy_difference"])
    assert 1.5 / TINY.classes < found["linear/wiki_size/dev_accuracy"][0] <= 1
    assert len(found["linear/wiki_size/extra_memory_gb"]) == 1


def test_memory_that_is_held_and_freed_again_counts() -> None:
    before, peak = in_own_process(_holding, 2**28)
    assert 0.95 < (peak - before) / (2**28 / 1e9) < 1.5  # the kernel counts in batches of pages


def _holding(size: int) -> float:
    before = resident_gb()
    bytearray(b"\1") * size
    return before
