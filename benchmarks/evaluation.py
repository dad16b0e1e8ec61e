"""Time and memory of exact AVG-2, AVG-10, TOP-1 and TOP-5 at the size of Wiki-3029.

The features are made up: 3029 classes, 40 test points each, d = 300. The memory is what is needed
beyond the features. ``enumerating_tasks_ratio`` is the time of AVG-2 over every pair of classes,
extrapolated from a sample of pairs, divided by the time of all four exact averages. The
binom(3029, 10) tasks of AVG-10 are too many to enumerate.
"""

import math
import random

import torch
from torch import Tensor

from benchmarks.features import WIKI, Size, clustered
from benchmarks.process import in_own_process, resident_gb
from benchmarks.timing import Ratios, in_turns
from crl.scoring.classifiers import mean_classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks, top_r_accuracy

SAMPLE = 2000  # pairs of classes


def measure(repeats: int, size: Size = WIKI, sample: int = SAMPLE) -> dict[str, list[float]]:
    """Return seconds and ratio of every repeat, and the memory (GB) of their common process."""
    (ours, enumerated, before), peak = in_own_process(
        timings, repeats, size, sample, torch.get_num_threads()
    )
    tasks = math.comb(size.classes, 2)
    return {
        "evaluation/seconds": ours,
        "evaluation/enumerating_tasks_ratio": Ratios(
            [tasks / sample * seconds for seconds in enumerated], ours
        ),
        "evaluation/extra_memory_gb": [peak - before],
    }


def note() -> str:
    """Say how it measures."""
    points, tasks = WIKI.classes * 2 * WIKI.held_out, math.comb(WIKI.classes, 2)
    timed = f"{SAMPLE:,} pairs timed, extrapolated to all {tasks:,}"
    return f"{points:,} points, d = {WIKI.d}; {timed}"


def timings(
    repeats: int, size: Size, sample: int, threads: int
) -> tuple[list[float], list[float], float]:
    """Return the seconds of the exact averages, those of the sample, and the GB before both."""
    torch.set_num_threads(threads)
    (features, labels), *_ = clustered(size, (2 * size.held_out,), seed=0)
    weights = mean_classifier(features, labels, size.classes).weights
    before = resident_gb()
    draws = random.Random(0)
    pairs = [draws.sample(range(size.classes), 2) for _ in range(sample)]
    sides = {
        "ours": lambda: exact(features, labels, weights),
        "enumerated": lambda: enumerate_pairs(
            features.view(size.classes, -1, size.d), weights, pairs
        ),
    }
    seconds = in_turns(sides, repeats, "evaluation")
    return seconds["ours"], seconds["enumerated"], before


def exact(features: Tensor, labels: Tensor, weights: Tensor) -> list[float]:
    """Return AVG-2, AVG-10, TOP-1 and TOP-5; with fewer classes, k and R are their number."""
    classes = len(weights)
    ranked = ranks(features, weights, labels)
    averages = [average_k_way_accuracy(ranked, labels, classes, min(k, classes)) for k in (2, 10)]
    return averages + [top_r_accuracy(ranked, labels, classes, min(r, classes)) for r in (1, 5)]


def enumerate_pairs(features: Tensor, weights: Tensor, pairs: list[list[int]]) -> float:
    """Return the mean accuracy over the pairs, each of which is a task.

    features [N, points per class, d], weights [N, d].
    """
    total = 0.0
    for first, second in pairs:
        difference = weights[first] - weights[second]
        solved = (features[first] @ difference > 0).float().mean() + (
            features[second] @ difference < 0
        ).float().mean()
        total += float(solved) / 2
    return total / len(pairs)
