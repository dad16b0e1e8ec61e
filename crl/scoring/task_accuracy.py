"""Accuracy averaged over every k-way task, exactly and without drawing a task; top-R accuracy.

A task is a set of k distinct classes; a point of one of them is solved when its own class scores
strictly highest among the k (ties are errors). With r of the other N - 1 classes scoring at least
as high as the true class, a random k-way task that holds the true class is solved with probability
``binom(N-1-r, k-1) / binom(N-1, k-1)``, so the ranks r of one score matrix give the average over
all ``binom(N, k)`` tasks (Table 1's AVG-k).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from crl.scoring.chunks import score_chunks


def ranks(features: Tensor, weights: Tensor, labels: Tensor, bias: Tensor | None = None) -> Tensor:
    """How many other classes score at least as high as the true one, per point: int64 [n].

    features [n, d], weights [N, d], bias [N] or None, labels [n] in 0..N-1. The scores ``features @
    weights.T + bias`` exist for some points at a time. A score that is not a number counts as an
    error against every class.
    """
    classes = len(weights)
    found = torch.empty(len(labels), dtype=torch.int64, device=labels.device)
    for part, below in lower_scoring_classes(features, weights, labels, bias):
        # "not below" rather than "at least": a NaN is never below, so it cannot pass for a correct
        # answer.
        found[part] = classes - 1 - below.view(torch.uint8).sum(1, dtype=torch.int32)
    return found


def lower_scoring_classes(
    features: Tensor, weights: Tensor, labels: Tensor, bias: Tensor | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """(which points, which classes score below their own: bool [m, N]), some points at a time; as
    :func:`ranks`."""
    for part, points, own in score_chunks(features, labels, len(weights)):
        scores = points @ weights.T if bias is None else torch.addmm(bias, points, weights.T)
        yield part, scores < scores.gather(1, own[:, None])


def average_k_way_accuracy(ranks: Tensor, labels: Tensor, classes: int, k: int) -> float:
    """AVG-k in [0, 1]: mean over all k-way tasks of the mean accuracy over the task's classes.

    ranks [n] as from :func:`ranks`, labels [n] in 0..classes-1, each class with at least one point.
    Points are averaged within their class first. Raises ValueError unless 2 <= k <= classes.
    """
    if not 2 <= k <= classes:
        raise ValueError(f"k must lie in 2..{classes} (the number of classes), not {k}")
    others = torch.arange(classes, dtype=torch.float64, device=ranks.device)
    solved = torch.ones_like(others)
    for drawn in range(
        k - 1
    ):  # running product of (N-1-r-i) / (N-1-i): no factorial ever overflows
        solved *= (classes - 1 - others - drawn).clamp(min=0) / (classes - 1 - drawn)
    return float(class_means(solved[ranks], labels, classes).mean())


def top_r_accuracy(
    ranks: Tensor, labels: Tensor, classes: int, r: int, rho: Tensor | None = None
) -> float:
    """TOP-R in [0, 1]: share of points whose class is among the r best scores, averaged within
    classes first.

    Classes count by rho [N], or where it is not given all alike. Raises ValueError unless 1 <= r <=
    classes.
    """
    if not 1 <= r <= classes:
        raise ValueError(f"R must lie in 1..{classes} (the number of classes), not {r}")
    means = class_means((ranks < r).double(), labels, classes)
    return float(means.mean()) if rho is None else float(means @ (rho / rho.sum()).to(means))


def class_means(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean of values [n] within each class: [N]. Raises ValueError for a class without a point."""
    sums = values.new_zeros(classes).index_add_(0, labels, values)
    counts = torch.bincount(labels, minlength=classes)
    if int(counts.min()) == 0:
        raise ValueError(f"class {int(counts.argmin())} has no point to average over")
    return sums / counts
