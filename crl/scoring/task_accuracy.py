"""AVG-k and TOP-R: accuracy averaged over every k-way task, exactly, and top-R accuracy.

A task is a set of k distinct classes. A point of one of them is solved if its own class scores
strictly highest among the k: ties are errors. Let r of the other N - 1 classes score at least as
high as the true class. A random k-way task with the true class is then solved with probability
``binom(N-1-r, k-1) / binom(N-1, k-1)``. So the ranks r of one score matrix give the average over
all ``binom(N, k)`` tasks (AVG-k of Table 1), and no task is drawn.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from crl.scoring.chunks import score_chunks


def ranks(features: Tensor, weights: Tensor, labels: Tensor, bias: Tensor | None = None) -> Tensor:
    """Count for each point the other classes that score at least as high as its own: int64 [n].

    features [n, d], weights [N, d], bias [N] or None, labels [n] in 0..N-1. The scores are
    ``features @ weights.T + bias``, computed for some points at a time. A score that is not a
    number is an error against every class.
    """
    counts = torch.empty(len(labels), dtype=torch.int64, device=labels.device)
    for rows, below in lower_scoring_classes(features, weights, labels, bias):
        # Count "not below" rather than "at least": a NaN is never below, so it is never right.
        counts[rows] = len(weights) - 1 - below.view(torch.uint8).sum(1, dtype=torch.int32)
    return counts


def lower_scoring_classes(
    features: Tensor, weights: Tensor, labels: Tensor, bias: Tensor | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (slice of m points, the classes that score below their own: bool [m, N]).

    The arguments are those of :func:`ranks`.
    """
    for rows, points, own in score_chunks(features, labels, len(weights)):
        scores = points @ weights.T if bias is None else torch.addmm(bias, points, weights.T)
        yield rows, scores < scores.gather(1, own[:, None])


def average_k_way_accuracy(ranks: Tensor, labels: Tensor, classes: int, k: int) -> float:
    """AVG-k in [0, 1]: the mean over all k-way tasks of the mean accuracy of the task's classes.

    ranks [n] from :func:`ranks`, labels [n] in 0..classes-1. Points are averaged within their class
    first. Raises ValueError unless 2 <= k <= classes, and for a class without a point.
    """
    check_task_size(k, classes)
    others = torch.arange(classes, dtype=torch.float64, device=ranks.device)
    solved = torch.ones_like(others)
    for i in range(k - 1):  # a running product of (N-1-r-i) / (N-1-i): no factorial overflows
        solved *= (classes - 1 - others - i).clamp(min=0) / (classes - 1 - i)
    return float(class_means(solved[ranks], labels, classes).mean())


def check_task_size(k: int, classes: int) -> None:
    """Raise ValueError unless 2 <= k <= classes."""
    if not 2 <= k <= classes:
        raise ValueError(f"k must lie in 2..{classes} (the number of classes), not {k}")


def top_r_accuracy(
    ranks: Tensor, labels: Tensor, classes: int, r: int, rho: Tensor | None = None
) -> float:
    """TOP-R in [0, 1]: the share of points whose class is among the r best scores.

    ranks [n] from :func:`ranks`, labels [n] in 0..classes-1. Points are averaged within their class
    first. Classes count by rho [N], or without rho all alike. Raises ValueError unless 1 <= r <=
    classes, and for a class without a point.
    """
    if not 1 <= r <= classes:
        raise ValueError(f"R must lie in 1..{classes} (the number of classes), not {r}")
    means = class_means((ranks < r).double(), labels, classes)
    return float(means.mean()) if rho is None else float(means @ (rho / rho.sum()).to(means))


def class_means(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mean of values [n] in each class: [N]. Raises ValueError for a class without a point."""
    sums = values.new_zeros(classes).index_add_(0, labels, values)
    counts = torch.bincount(labels, minlength=classes)
    if int(counts.min()) == 0:
        raise ValueError(f"class {int(counts.argmin())} has no point to average over")
    return sums / counts
