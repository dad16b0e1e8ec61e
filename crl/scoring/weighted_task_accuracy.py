"""Accuracy averaged over every k-way task where classes are not equally likely; exact, without
drawing a task.

A task T is a set of k distinct classes, drawn i.i.d. from rho given that they are distinct (section
2): its probability is proportional to the product of their rho. Inside a task its classes count
alike. With B(x) the classes that score below the own class c of point x, and e_j(S) the elementary
symmetric polynomial of degree j in the rho of the classes S, the tasks that hold c and that x
solves have the weight ``rho_c e_{k-1}(B(x))``, and all tasks together ``e_k(C)``. Hence

    AVG-k = sum_c rho_c E_{x ~ D_c} e_{k-1}(B(x)) / (k e_k(C)),

which for uniform rho is what :mod:`crl.scoring.task_accuracy` computes from ranks alone.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from crl.scoring.task_accuracy import class_means, lower_scoring_classes


def weighted_average_accuracies(
    features: Tensor,
    weights: Tensor,
    labels: Tensor,
    rho: Tensor,
    ks: Sequence[int],
    bias: Tensor | None = None,
) -> list[float]:
    """AVG-k in [0, 1] for each k of ks under the class distribution rho [N], all positive.

    features [n, d], weights [N, d], bias [N] or None, labels [n] in 0..N-1, each class with at
    least one point; scores are ``features @ weights.T + bias``, ties are errors, points are
    averaged within their class first. Takes ``n N max(k)`` additions, some points at a time. Raises
    ValueError unless 2 <= k <= N, and for a rho that is not positive.
    """
    classes = len(weights)
    for k in ks:
        if not 2 <= k <= classes:
            raise ValueError(f"k must lie in 2..{classes} (the number of classes), not {k}")
    rho = rho.to(labels.device, torch.float64)
    if rho.shape != (classes,) or not bool((rho > 0).all()):
        raise ValueError(f"rho must be {classes} positive numbers")
    logs = _log_polynomials(rho, max(ks))
    solved = torch.empty(max(ks), len(labels), dtype=torch.float64, device=labels.device)
    for part, below in lower_scoring_classes(features, weights, labels, bias):
        solved[:, part] = _shares(below, rho, logs[:, :-1])
    found = []
    for k in ks:
        scale = (
            rho * (logs[-1, k - 1] - logs[-1, k]).exp() / k
        )  # e_{k-1}(C) / (k e_k(C)): neither fits into a float
        found.append(float(scale @ class_means(solved[k - 1], labels, classes)))
    return found


def _log_polynomials(rho: Tensor, degree: int) -> Tensor:
    """[m, j]: log of e_j of the first m classes, for m = 0..N and j = 0..degree; -inf where j >
    m."""
    found = rho.new_full((len(rho) + 1, degree + 1), -math.inf)
    found[:, 0] = 0
    for m, log in enumerate(rho.log().tolist()):
        found[m + 1, 1:] = torch.logaddexp(found[m, 1:], log + found[m, :-1])
    return found


def _shares(below: Tensor, rho: Tensor, logs: Tensor) -> Tensor:
    """``e_j(B(x)) / e_j(C)`` for j = 0..k-1 and points x with below [n, N]: float64 [k, n].

    Class after class: with e_j taken over the first m classes, ``e_j(m) = e_j(m - 1) + rho_m
    e_{j-1}(m - 1)``, so that the share at m is an average of two shares at m - 1. Nothing
    overflows, and nothing is subtracted.
    """
    kept = (
        logs[:-1, 1:] - logs[1:, 1:]
    )  # of each average its two weights, as logs; j > m: no subset of so many classes yet
    grown = rho.log()[:, None] + logs[:-1, :-1] - logs[1:, 1:]
    kept, grown = (part.exp().nan_to_num(0)[..., None] for part in (kept, grown))
    shares = logs.new_zeros(logs.shape[1], len(below))
    shares[0] = 1
    for keep, grow, solved in zip(kept, grown, below.T.contiguous(), strict=True):
        more = shares[:-1] * solved * grow
        shares[1:].mul_(keep).add_(more)
    return shares
