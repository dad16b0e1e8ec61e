"""Exact AVG-2, AVG-10, TOP-1 and TOP-5 at the size of Wiki-3029: time, and memory on top of the
features.

3029 classes, 40 test points each, d = 300, made-up features. ``enumerating_tasks_ratio``: the time
of going through every pair of classes for AVG-2 alone, extrapolated from a sample of pairs, over
the time of all four exact averages. The binom(3029, 10) tasks of AVG-10 could not be enumerated at
all.
"""

import math
import random

import torch
from torch import Tensor

from benchmarks.features import WIKI, Size, clustered
from benchmarks.memory import resident_gb
from benchmarks.process import in_own_process
from benchmarks.timing import in_turns, ratios
from crl.scoring.classifiers import mean_classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks, top_r_accuracy

SAMPLE = 2000  # pairs of classes


def measure(repeats: int, size: Size = WIKI, sample: int = SAMPLE) -> dict[str, list[float]]:
    """Seconds and ratio of every repeat; the memory (GB) of the process that they all ran in."""
    (ours, enumerated, before), peak = in_own_process(
        timings, repeats, size, sample, torch.get_num_threads()
    )
    tasks = math.comb(size.classes, 2)
    return {
        "evaluation/seconds": ours,
        "evaluation/enumerating_tasks_ratio": ratios(
            [tasks / sample * taken for taken in enumerated], ours
        ),
        "evaluation/extra_memory_gb": [peak - before],
    }


def note() -> str:
    """How it was measured."""
    tasks = math.comb(WIKI.classes, 2)
    return f"{WIKI.classes * 2 * WIKI.held_out:,} points, d = {WIKI.d}; {SAMPLE:,} pairs timed, extrapolated to all {tasks:,}"


def timings(
    repeats: int, size: Size, sample: int, threads: int
) -> tuple[list[float], list[float], float]:
    """(seconds of the exact averages, seconds of enumerating the sample, GB in use when the
    features were there)."""
    torch.set_num_threads(threads)
    (features, labels), *_ = clustered(size, (2 * size.held_out,), seed=0)
    weights = mean_classifier(features, labels, size.classes).weights
    before = resident_gb()
    pairs = random.Random(0)
    drawn = [pairs.sample(range(size.classes), 2) for _ in range(sample)]
    sides = {
        "ours": lambda: exact(features, labels, weights),
        "enumerated": lambda: enumerate_pairs(
            features.view(size.classes, -1, size.d), weights, drawn
        ),
    }
    found = in_turns(sides, repeats, "evaluation")
    return found["ours"], found["enumerated"], before


def exact(features: Tensor, labels: Tensor, weights: Tensor) -> list[float]:
    """AVG-2, AVG-10 (AVG of all classes where there are fewer), TOP-1 and TOP-5."""
    classes = len(weights)
    found = ranks(features, weights, labels)
    averages = [average_k_way_accuracy(found, labels, classes, min(k, classes)) for k in (2, 10)]
    return averages + [top_r_accuracy(found, labels, classes, min(r, classes)) for r in (1, 5)]


def enumerate_pairs(features: Tensor, weights: Tensor, pairs: list[list[int]]) -> float:
    """The mean accuracy over the pairs, each a task of its own; features [N, points per class, d],
    weights [N, d]."""
    total = 0.0
    for first, second in pairs:
        difference = weights[first] - weights[second]
        solved = (features[first] @ difference > 0).float().mean() + (
            features[second] @ difference < 0
        ).float().mean()
        total += float(solved) / 2
    return total / len(pairs)
