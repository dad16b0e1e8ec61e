"""AVG-k and TOP-R: accuracy averaged over every k-way task, exactly, and top-R accuracy.

A task is a set of k distinct classes. A point of one of them is solved if its own class scores
strictly highest among the k: ties are errors. Let r of the other N - 1 classes score at least as
high as the true class. A random k-way task with the true class is then solved with probability
``binom(N-1-r, k-1) / binom(N-1, k-1)``. So the ranks r of one score matrix give the average over
all ``binom(N, k)`` tasks (AVG-k of Table 1), and no task is drawn.

If classes are not equally likely, the k classes are drawn i.i.d. from rho given that they are
distinct (section 2). The probability of a task is then proportional to the product of their rho.
Inside a task its classes count alike. Let B(x) be the classes that score below the own class c of
point x, and e_j(S) the elementary symmetric polynomial of degree j in the rho of the classes S. The
tasks that hold c and that x solves have the weight ``rho_c e_{k-1}(B(x))``; all tasks together have
``e_k(C)``. Hence

    AVG-k = sum_c rho_c E_{x ~ D_c} e_{k-1}(B(x)) / (k e_k(C)).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

# The memory of one chunk's scores: little for any machine, and enough for a fast matrix product.
CHUNK_BYTES = 2**25


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


def score_chunks(
    features: Tensor, labels: Tensor, classes: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (slice of the points, their features, their labels) of one chunk after another.

    features [n, d], labels [n].
    """
    size = max(1, CHUNK_BYTES // (classes * features.element_size()))
    for start in range(0, len(labels), size):
        rows = slice(start, start + size)
        yield rows, features[rows], labels[rows]


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


def weighted_average_accuracies(
    features: Tensor,
    weights: Tensor,
    labels: Tensor,
    rho: Tensor,
    ks: Sequence[int],
    bias: Tensor | None = None,
) -> list[float]:
    """AVG-k in [0, 1] for each k of ``ks`` under the class distribution rho [N].

    features [n, d], weights [N, d], bias [N] or None, labels [n] in 0..N-1. Scores are ``features @
    weights.T + bias``; ties are errors. Points are averaged within their class first. It takes ``n
    N max(k)`` additions, for some points at a time. Raises ValueError unless 2 <= k <= N, if rho is
    not positive, and for a class without a point.
    """
    classes = len(weights)
    for k in ks:
        check_task_size(k, classes)
    rho = rho.to(labels.device, torch.float64)
    if rho.shape != (classes,) or not bool((rho > 0).all()):
        raise ValueError(f"rho must be {classes} positive numbers")
    logs = log_symmetric_polynomials(rho.log(), max(ks))
    solved = torch.empty(max(ks), len(labels), dtype=torch.float64, device=labels.device)
    for rows, below in lower_scoring_classes(features, weights, labels, bias):
        solved[:, rows] = _shares(below, rho, logs[:, :-1])
    # rho e_{k-1}(C) / (k e_k(C)), from logs: neither polynomial fits into a float.
    scales = {k: rho * (logs[-1, k - 1] - logs[-1, k]).exp() / k for k in ks}
    return [float(scales[k] @ class_means(solved[k - 1], labels, classes)) for k in ks]


def log_symmetric_polynomials(log_rho: Tensor, degree: int) -> Tensor:
    """The logs of elementary symmetric polynomials in rho.

    log_rho [N] -> [N + 1, degree + 1]: the log of e_j of the first m classes at [m, j], for m =
    0..N and j = 0..degree. It is -inf if j > m.
    """
    logs = log_rho.new_full((len(log_rho) + 1, degree + 1), -math.inf)
    logs[:, 0] = 0
    for m, log in enumerate(log_rho.tolist()):
        logs[m + 1, 1:] = torch.logaddexp(logs[m, 1:], log + logs[m, :-1])
    return logs


def _shares(below: Tensor, rho: Tensor, logs: Tensor) -> Tensor:
    """``e_j(B(x)) / e_j(C)`` for j = 0..k-1 and points x with below [n, N]: float64 [k, n].

    It goes class by class. With e_j(m) over the first m classes, ``e_j(m) = e_j(m - 1) + rho_m
    e_{j-1}(m - 1)``, so the share at m is a weighted average of two shares at m - 1. Nothing
    overflows, and nothing is subtracted.
    """
    # The two weights of each average. For j > m there is no subset yet: NaN becomes 0.
    without = (logs[:-1, 1:] - logs[1:, 1:]).exp().nan_to_num(0)
    with_class = (rho.log()[:, None] + logs[:-1, :-1] - logs[1:, 1:]).exp().nan_to_num(0)
    shares = logs.new_zeros(logs.shape[1], len(below))
    shares[0] = 1
    for stay, join, solved in zip(
        without[..., None], with_class[..., None], below.T.contiguous(), strict=True
    ):
        joined = shares[:-1] * solved * join
        shares[1:].mul_(stay).add_(joined)
    return shares
