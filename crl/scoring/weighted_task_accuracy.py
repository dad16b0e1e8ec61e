"""AVG-k for classes that are not equally likely: exact, without drawing a task.

A task is a set of k distinct classes, drawn i.i.d. from rho given that they are distinct (section
2): its probability is proportional to the product of their rho. Inside a task its classes count
alike. Let B(x) be the classes that score below the own class c of point x, and e_j(S) the
elementary symmetric polynomial of degree j in the rho of the classes S. The tasks that hold c and
that x solves have the weight ``rho_c e_{k-1}(B(x))``; all tasks together have ``e_k(C)``. Hence

    AVG-k = sum_c rho_c E_{x ~ D_c} e_{k-1}(B(x)) / (k e_k(C)).

For uniform rho, :mod:`crl.scoring.task_accuracy` computes the same from ranks alone.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from crl.scoring.task_accuracy import check_task_size, class_means, lower_scoring_classes


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
    averages = []
    for k in ks:
        # rho e_{k-1}(C) / (k e_k(C)), from logs because neither polynomial fits into a float.
        scale = rho * (logs[-1, k - 1] - logs[-1, k]).exp() / k
        averages.append(float(scale @ class_means(solved[k - 1], labels, classes)))
    return averages


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
