"""The theory of sections 4 and 6 as numbers: collision probability, intraclass deviation, and the
bounds."""

import math
from typing import Any

import torch
from torch import Tensor

from crl.theory.finite_split import (
    Estimate,
    FiniteSplit,
    draw_classes,
    draw_collision_free,
    draw_tasks,
    finite_split,
    sampled_different_loss,
    sampled_supervised_loss,
    sampled_unsupervised_loss,
    subsample,
    supervised_pair_losses,
    unsupervised_pair_losses,
)

# c' of lemma 4.4. A margin v inside a class is symmetric, so E l(v) - 1 <= L E|v| / 2, L being the
# loss's Lipschitz constant, and E|v| <= sqrt(E v^2) <= sqrt(2 ||Sigma||) ||f(x)||. (Gini's mean
# difference would even give L / sqrt 3.)
DEVIATION_CONSTANTS = {"hinge": 1 / math.sqrt(2), "logistic": math.log2(math.e) / math.sqrt(2)}


def class_distribution(sizes: Tensor) -> Tensor:
    """rho proportional to class sizes: int [N] -> float64 [N] summing to 1."""
    sizes = sizes.double()
    return sizes / sizes.sum()


def collision_probability(rho: Tensor, negatives: int = 1) -> float:
    """tau_k: probability that at least one of k negatives has the anchor's class (section 4; tau at
    k = 1).

    ``sum_c rho(c) (1 - (1 - rho(c))^k)`` for rho [N]; for k = 1 this is ``sum_c rho(c)^2``.
    """
    # expm1/log1p keep the digits of a small rho, where 1 - (1 - rho)^k would cancel.
    missed = torch.expm1(negatives * torch.log1p(-rho.double()))
    return float(-(rho.double() * missed).sum())


def no_collision_probability(rho: Tensor, negatives: int = 1) -> float:
    """``1 - tau_k`` for rho [N], with its digits where tau_k is near 1."""
    return float((rho.double() * (1 - rho.double()) ** negatives).sum())


def intraclass_deviation(split: FiniteSplit) -> float:
    """``s(f) = E_{c ~ nu}[sqrt(||Sigma(f, c)||_2) E_{x ~ D_c} ||f(x)||]`` with nu ∝ rho^2 (lemma
    4.4).

    Sigma is the covariance of the features in class c (divided by n_c); its norm is its largest
    eigenvalue.
    """
    deviations = torch.stack([_deviation(part) for part in split.by_class])
    nu = split.rho.square()
    return float((nu * deviations).sum() / nu.sum())


def _deviation(features: Tensor) -> Tensor:
    centred = features - features.mean(0)
    # Both Gram matrices have the same largest eigenvalue: the smaller one is cheaper.
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    largest = torch.linalg.eigvalsh(gram)[-1].clamp(min=0) / len(features)
    return largest.sqrt() * features.norm(dim=1).mean()


def deviation_weight(rho: Tensor, negatives: int, loss: str) -> float:
    """``beta = c' k tau / (1 - tau_k)``, the weight of s(f) in theorem 6.1, for rho [N]; theorem
    4.5's at k = 1.

    For uniform rho and k << N it is about ``c' k / N``. Raises KeyError for an unknown loss.
    """
    tau = collision_probability(rho)
    return DEVIATION_CONSTANTS[loss] * negatives * tau / no_collision_probability(rho, negatives)


def theory_report(
    features: Tensor,
    labels: Tensor,
    classes: int,
    negatives: int,
    block_size: int,
    loss: str,
    generator: torch.Generator,
    budget: float = 2e8,
    draws: int = 2**14,
    rho: Tensor | None = None,
) -> dict[str, Any]:
    """What the theory says of fixed features, as plain numbers; rho [N] is proportional to the
    class sizes if not given.

    features [n, d], labels [n] in 0..classes-1. Every number, tau included, is of *one* finite
    split: the points that :func:`crl.theory.finite_split.subsample` keeps under ``budget`` margins
    (2e8 take 2 to 4 s on one core), rho being that of all classes, conditioned on the kept ones.
    Sampled numbers come from ``draws`` tuples and carry a standard error. Keys:

    - ``points``, ``classes``: of that split; ``largest_squared_norm``: of a feature, the scale of
      rounding errors
    - ``tau``, ``tau_k``, ``intraclass_deviation``
    - ``unsupervised_loss``: ``total``, ``same``, ``different`` exact at k = b = 1; ``sampled`` at
      the given k and b
    - ``supervised_mean_loss``: ``pairs`` exact; ``tasks`` sampled over k + 1 distinct classes,
      where there are as many
    - ``bounds``: ``left``, ``right``, ``slack``, ``exact``, ``standard_error`` (of the slack) of
      ``same_at_least_one``, ``lemma_4_3``, ``lemma_4_4``, ``theorem_4_5`` (k = b = 1, exact),
      ``theorem_6_1`` (k; theorem_4_5 at k = 1) and ``proposition_6_2`` (b, at k = 1)

    Raises ValueError for fewer than two classes with points, a feature that is not finite, k, b <
    1, or a budget too small for two points; KeyError for an unknown loss.
    """
    if negatives < 1 or block_size < 1 or draws < 2:
        raise ValueError(
            f"needs k, b >= 1 and 2 draws, not k = {negatives}, b = {block_size}, {draws} draws"
        )
    if rho is None:
        rho = class_distribution(torch.bincount(labels, minlength=classes))
    index = subsample(labels, classes, budget, generator)
    split = finite_split(features[index], labels[index], rho)
    exact = _exact_quantities(split, loss)
    tuples = draw_classes(split.rho, (draws, 1 + negatives), generator)
    sampled = sampled_unsupervised_loss(split, tuples, block_size, loss, generator)
    supervised: dict[str, Any] = {"pairs": exact["supervised"]}
    if negatives < len(split.sizes):
        tasks = draw_tasks(split.rho, 1 + negatives, draws, generator)
        supervised["tasks"] = sampled_supervised_loss(split, tasks, loss, generator)._asdict()
    bounds = _exact_bounds(split, exact, loss)
    bounds["theorem_6_1"] = dict(bounds["theorem_4_5"])
    if negatives > 1:
        bounds["theorem_6_1"] = _theorem_6_1(
            split, exact["deviation"], negatives, loss, draws, generator
        )
    bounds["proposition_6_2"] = _proposition_6_2(split, exact, block_size, loss, draws, generator)
    unsupervised: dict[str, Any] = {name: exact[name] for name in ("total", "same", "different")}
    return {
        "points": len(split.features),
        "classes": len(split.sizes),
        "largest_squared_norm": float(split.features.square().sum(1).max()),
        "tau": collision_probability(split.rho),
        "tau_k": collision_probability(split.rho, negatives),
        "intraclass_deviation": exact["deviation"],
        "unsupervised_loss": unsupervised | {"sampled": sampled._asdict()},
        "supervised_mean_loss": supervised,
        "bounds": bounds,
    }


def violations(report: dict[str, Any], tolerance: float = 1e-9) -> list[str]:
    """Names of the exact statements of a :func:`theory_report` that fail beyond rounding: each one
    is a bug.

    Those are the bounds marked exact and ``decomposition``, ``L_un = tau L_un^= + (1 - tau)
    L_un^!=``. ``tolerance`` is relative to the sides of the statement and to the largest squared
    norm, at which scores are rounded.
    """

    def fails(slack: float, *sides: float) -> bool:
        allowed = tolerance * max(1.0, report["largest_squared_norm"], *map(abs, sides))
        return not slack >= -allowed  # so that NaN fails

    bounds, tau, unsupervised = report["bounds"], report["tau"], report["unsupervised_loss"]
    found = [
        name
        for name, b in bounds.items()
        if b["exact"] and fails(b["slack"], b["left"], b["right"])
    ]
    total, whole = (
        unsupervised["total"],
        tau * unsupervised["same"] + (1 - tau) * unsupervised["different"],
    )
    return found + ["decomposition"] * fails(-abs(total - whole), total, whole)


def _exact_quantities(split: FiniteSplit, loss: str) -> dict[str, float]:
    """L_un, L_un^=, L_un^!= and L_sup^mu at k = 1, the pair losses averaged over pairs of classes;
    and s(f)."""
    unsupervised, supervised = (
        unsupervised_pair_losses(split, loss),
        supervised_pair_losses(split, loss),
    )
    pairs = split.rho[:, None] * split.rho
    distinct = pairs.clone().fill_diagonal_(0)
    distinct /= distinct.sum()  # rho(c+) rho(c-) / (1 - tau)
    return {
        "total": float((pairs * unsupervised).sum()),
        "same": float((pairs * unsupervised).trace() / pairs.trace()),
        "different": float((distinct * unsupervised).sum()),
        "supervised": float((distinct * supervised).sum()),
        "deviation": intraclass_deviation(split),
    }


def _exact_bounds(
    split: FiniteSplit, exact: dict[str, float], loss: str
) -> dict[str, dict[str, Any]]:
    """The bounds at k = b = 1, all exact.

    - ``same_at_least_one``: ``1 <= L_un^=`` (Jensen)
    - ``lemma_4_3``: ``L_sup^mu <= (L_un - tau) / (1 - tau)``, as L_sup^mu <= L_un^!= (Jensen) and 1
      <= L_un^=
    - ``lemma_4_4``: ``L_un^= - 1 <= c' s(f)``
    - ``theorem_4_5``, at the same f and so without Gen_M: ``L_sup^mu <= L_un^!= + beta s(f)``
    """
    beta = deviation_weight(split.rho, 1, loss)
    return {
        "same_at_least_one": _bound(1.0, exact["same"]),
        "lemma_4_3": _bound(exact["supervised"], _lemma_4_3(split, exact["total"])),
        "lemma_4_4": _bound(exact["same"] - 1, DEVIATION_CONSTANTS[loss] * exact["deviation"]),
        "theorem_4_5": _bound(
            exact["supervised"], exact["different"] + beta * exact["deviation"], beta=beta
        ),
    }


def _theorem_6_1(
    split: FiniteSplit,
    deviation: float,
    negatives: int,
    loss: str,
    draws: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """``L_sup^mu <= (1 - tau') / (1 - tau_k) L_un^!= + beta s(f)`` at the same f and so without
    Gen_M; sampled.

    tau' is the probability that all negatives collide; L_un^!= takes the loss over the others
    alone. Left: the mean, over class tuples without collision, of the loss of their distinct
    classes on a point of c+ (for uniform rho, each class of a task is c+ equally often). True of
    every f and any class-conditional distributions. With I+ the negatives that collide, Jensen and
    a loss that grows with each negative give ``L_un >= (1 - tau_k) L_sup^mu + E[l_|I+|(0); I+ not
    empty]``; a loss that is subadditive in its negatives gives ``L_un <= (1 - tau') L_un^!= + E[l
    over I+; I+ not empty]``; and lemma 4.4's argument, once for each of the k tau expected
    collisions, bounds the difference of the last terms by ``c' k tau s(f)``.
    """
    tuples = draw_collision_free(split.rho, negatives, draws, generator)
    left = sampled_supervised_loss(split, tuples, loss, generator)
    tuples = draw_classes(split.rho, (draws, 1 + negatives), generator)
    different = sampled_different_loss(split, tuples, loss, generator)
    free, beta = (
        no_collision_probability(split.rho, negatives),
        deviation_weight(split.rho, negatives, loss),
    )
    error = math.hypot(left.standard_error, different.standard_error / free)
    return _bound(
        left.mean,
        different.mean / free + beta * deviation,
        exact=False,
        standard_error=error,
        beta=beta,
    )


def _proposition_6_2(
    split: FiniteSplit,
    exact: dict[str, float],
    block_size: int,
    loss: str,
    draws: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """``(L_un^block - tau) / (1 - tau) <= (L_un - tau) / (1 - tau)`` at k = 1; the left is sampled
    where b > 1.

    ``supervised`` is the L_sup^mu below both sides; lemma_4_3 compares it with the right one
    exactly.
    """
    block = Estimate(exact["total"], 0.0)
    if block_size > 1:
        block = _sampled_pair_loss(split, block_size, loss, draws, generator)
    return _bound(
        _lemma_4_3(split, block.mean),
        _lemma_4_3(split, exact["total"]),
        exact=block_size == 1,
        standard_error=block.standard_error / no_collision_probability(split.rho),
        supervised=exact["supervised"],
    )


def _sampled_pair_loss(
    split: FiniteSplit, block_size: int, loss: str, draws: int, generator: torch.Generator
) -> Estimate:
    """L_un at k = 1 with blocks, sampled with and without collision apart: which it is causes most
    of the variance."""
    collided = draw_classes(split.rho.square(), (draws, 1), generator).expand(-1, 2)
    same = sampled_unsupervised_loss(split, collided, block_size, loss, generator)
    free = draw_collision_free(split.rho, 1, draws, generator)
    different = sampled_unsupervised_loss(split, free, block_size, loss, generator)
    tau = collision_probability(split.rho)
    error = math.hypot(tau * same.standard_error, (1 - tau) * different.standard_error)
    return Estimate(tau * same.mean + (1 - tau) * different.mean, error)


def _lemma_4_3(split: FiniteSplit, unsupervised: float) -> float:
    return (unsupervised - collision_probability(split.rho)) / no_collision_probability(split.rho)


def _bound(
    left: float, right: float, exact: bool = True, standard_error: float = 0.0, **more: float
) -> dict[str, Any]:
    """``left <= right``; the standard error is that of the slack, and 0 where it is exact."""
    return {
        "left": left,
        "right": right,
        "slack": right - left,
        "exact": exact,
        "standard_error": standard_error,
    } | more
