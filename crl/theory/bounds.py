"""The paper's bounds (sections 4 and 6) as numbers."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory.collision_probability import (
    class_distribution,
    collision_probability,
    no_collision_probability,
)
from crl.theory.finite_split import FiniteSplit, finite_split, intraclass_deviation, subsample
from crl.theory.split_losses import (
    Estimate,
    draw_classes,
    draw_collision_free,
    draw_tasks,
    sampled_different_loss,
    sampled_supervised_loss,
    sampled_unsupervised_loss,
    supervised_pair_losses,
    unsupervised_pair_losses,
)


def deviation_constant(loss: str) -> float:
    """``c'`` of lemma 4.4: the loss's Lipschitz constant L over sqrt 2.

    A margin v inside a class is symmetric, so ``E l(v) - 1 <= L E|v| / 2``, and ``E|v| <=
    sqrt(E v^2) <= sqrt(2 ||Sigma||) ||f(x)||``. (Gini's mean difference would even give L / sqrt
    3.) Raises KeyError for an unknown loss.
    """
    return LOSSES[loss].lipschitz / math.sqrt(2)


def deviation_weight(rho: Tensor, negatives: int, loss: str) -> float:
    """``beta = c' k tau / (1 - tau_k)``, the weight of s(f) in theorem 6.1, for rho [N].

    At k = 1 it is that of theorem 4.5. For uniform rho and k << N it is about ``c' k / N``. Raises
    KeyError for an unknown loss.
    """
    tau = collision_probability(rho)
    return deviation_constant(loss) * negatives * tau / no_collision_probability(rho, negatives)


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
    """The theory's quantities and bounds on fixed features, as plain numbers.

    features [n, d], labels [n] in 0..classes-1. rho [N] is in proportion to the class sizes if it
    is not given. Every number, tau included, describes *one* finite split: the points that
    :func:`crl.theory.finite_split.subsample` keeps under ``budget`` margins (2e8 take 2 to 4 s on
    one core), with rho conditioned on their classes. Sampled numbers come from ``draws`` tuples and
    have a standard error. Keys:

    - ``points``, ``classes``: of that split; ``largest_squared_norm``: of a feature, which sets the
      scale of rounding errors
    - ``tau``, ``tau_k``, ``intraclass_deviation``
    - ``unsupervised_loss``: ``total``, ``same``, ``different`` exact at k = b = 1; ``sampled`` at
      the given k and b
    - ``supervised_mean_loss``: ``pairs`` exact; ``tasks`` sampled over k + 1 distinct classes, if
      there are as many
    - ``bounds``: ``left``, ``right``, ``slack``, ``exact``, ``standard_error`` (of the slack) of
      ``same_at_least_one``, ``lemma_4_3``, ``lemma_4_4``, ``theorem_4_5`` (k = b = 1, exact),
      ``theorem_6_1`` (k; theorem_4_5 at k = 1) and ``proposition_6_2`` (b, at k = 1)

    Raises ValueError for fewer than two classes with points, a feature that is not finite, k or b
    below 1, or a budget too small for two points; KeyError for an unknown loss.
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
    supervised: dict[str, Any] = {"pairs": exact.supervised}
    if negatives < len(split.sizes):
        tasks = draw_tasks(split.rho, 1 + negatives, draws, generator)
        supervised["tasks"] = sampled_supervised_loss(split, tasks, loss, generator)._asdict()
    exact_bounds = _exact_bounds(split, exact, loss)
    bounds = exact_bounds | {
        "theorem_6_1": (
            exact_bounds["theorem_4_5"]
            if negatives == 1
            else _theorem_6_1(split, exact.deviation, negatives, loss, draws, generator)
        ),
        "proposition_6_2": _proposition_6_2(split, exact, block_size, loss, draws, generator),
    }
    return {
        "points": len(split.features),
        "classes": len(split.sizes),
        "largest_squared_norm": float(split.features.square().sum(1).max()),
        "tau": collision_probability(split.rho),
        "tau_k": collision_probability(split.rho, negatives),
        "intraclass_deviation": exact.deviation,
        "unsupervised_loss": {
            "total": exact.total,
            "same": exact.same,
            "different": exact.different,
            "sampled": sampled._asdict(),
        },
        "supervised_mean_loss": supervised,
        "bounds": bounds,
    }


def violations(report: dict[str, Any], tolerance: float = 1e-9) -> list[str]:
    """The names of a :func:`theory_report`'s exact statements that fail beyond rounding.

    Each one is a bug. The statements are the bounds marked exact and ``decomposition``: ``L_un =
    tau L_un^= + (1 - tau) L_un^!=``. ``tolerance`` is relative to the sides of the statement and to
    the largest squared norm, the scale at which scores are rounded.
    """

    tau, unsupervised = report["tau"], report["unsupervised_loss"]
    decomposed = tau * unsupervised["same"] + (1 - tau) * unsupervised["different"]
    decomposition = _bound(unsupervised["total"], decomposed)
    decomposition["slack"] = -abs(decomposition["slack"])  # an equation: either sign fails

    def scale(bound: dict[str, Any]) -> float:
        return max(1.0, report["largest_squared_norm"], abs(bound["left"]), abs(bound["right"]))

    return [
        name
        for name, bound in (report["bounds"] | {"decomposition": decomposition}).items()
        # Ask for "not at least": NaN fails too.
        if bound["exact"] and not bound["slack"] >= -tolerance * scale(bound)
    ]


class _Exact(NamedTuple):
    """L_un, L_un^=, L_un^!= and L_sup^mu at k = b = 1, and s(f)."""

    total: float
    same: float
    different: float
    supervised: float
    deviation: float


def _exact_quantities(split: FiniteSplit, loss: str) -> _Exact:
    """Average the pair losses over pairs of classes."""
    unsupervised = unsupervised_pair_losses(split, loss)
    supervised = supervised_pair_losses(split, loss)
    pairs = split.rho[:, None] * split.rho
    distinct = pairs.clone().fill_diagonal_(0)
    distinct /= distinct.sum()  # rho(c+) rho(c-) / (1 - tau)
    return _Exact(
        total=float((pairs * unsupervised).sum()),
        same=float((pairs * unsupervised).trace() / pairs.trace()),
        different=float((distinct * unsupervised).sum()),
        supervised=float((distinct * supervised).sum()),
        deviation=intraclass_deviation(split),
    )


def _exact_bounds(split: FiniteSplit, exact: _Exact, loss: str) -> dict[str, dict[str, Any]]:
    """The bounds at k = b = 1, all exact.

    - ``same_at_least_one``: ``1 <= L_un^=`` (Jensen)
    - ``lemma_4_3``: ``L_sup^mu <= (L_un - tau) / (1 - tau)``, because L_sup^mu <= L_un^!= (Jensen)
      and 1 <= L_un^=
    - ``lemma_4_4``: ``L_un^= - 1 <= c' s(f)``
    - ``theorem_4_5``, at the same f and so without Gen_M: ``L_sup^mu <= L_un^!= + beta s(f)``
    """
    beta = deviation_weight(split.rho, 1, loss)
    return {
        "same_at_least_one": _bound(1.0, exact.same),
        "lemma_4_3": _bound(exact.supervised, _lemma_4_3(split, exact.total)),
        "lemma_4_4": _bound(exact.same - 1, deviation_constant(loss) * exact.deviation),
        "theorem_4_5": _bound(
            exact.supervised, exact.different + beta * exact.deviation, beta=beta
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
    """``L_sup^mu <= (1 - tau') / (1 - tau_k) L_un^!= + beta s(f)`` at the same f, sampled.

    At the same f there is no Gen_M. tau' is the probability that all negatives collide. L_un^!= is
    the loss over the other negatives alone. The left side is the mean over class tuples without a
    collision: the loss of their distinct classes on a point of c+. (For uniform rho each class of a
    task is c+ equally often.)

    It holds for every f and any class-conditional distributions. Let I+ be the negatives that
    collide. By Jensen and a loss that grows with each negative, ``L_un >= (1 - tau_k) L_sup^mu +
    E[l_|I+|(0); I+ not empty]``. By a loss that is subadditive in its negatives, ``L_un <= (1 -
    tau') L_un^!= + E[l over I+; I+ not empty]``. Lemma 4.4's argument, once for each of the k tau
    expected collisions, bounds the difference of the last terms by ``c' k tau s(f)``.
    """
    tuples = draw_collision_free(split.rho, negatives, draws, generator)
    left = sampled_supervised_loss(split, tuples, loss, generator)
    tuples = draw_classes(split.rho, (draws, 1 + negatives), generator)
    different = sampled_different_loss(split, tuples, loss, generator)
    free = no_collision_probability(split.rho, negatives)
    beta = deviation_weight(split.rho, negatives, loss)
    return _bound(
        left.mean,
        different.mean / free + beta * deviation,
        exact=False,
        standard_error=math.hypot(left.standard_error, different.standard_error / free),
        beta=beta,
    )


def _proposition_6_2(
    split: FiniteSplit,
    exact: _Exact,
    block_size: int,
    loss: str,
    draws: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """``(L_un^block - tau) / (1 - tau) <= (L_un - tau) / (1 - tau)`` at k = 1.

    The left side is sampled if b > 1. ``supervised`` is the L_sup^mu below both sides; lemma_4_3
    compares it with the right one exactly.
    """
    block = (
        Estimate(exact.total, 0.0)
        if block_size == 1
        else _sampled_pair_loss(split, block_size, loss, draws, generator)
    )
    return _bound(
        _lemma_4_3(split, block.mean),
        _lemma_4_3(split, exact.total),
        exact=block_size == 1,
        standard_error=block.standard_error / no_collision_probability(split.rho),
        supervised=exact.supervised,
    )


def _sampled_pair_loss(
    split: FiniteSplit, block_size: int, loss: str, draws: int, generator: torch.Generator
) -> Estimate:
    """L_un at k = 1 with blocks, stratified by collision, which causes most of the variance."""
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
    """``left <= right`` with its slack; the standard error is the slack's, 0 if it is exact."""
    return {
        "left": left,
        "right": right,
        "slack": right - left,
        "exact": exact,
        "standard_error": standard_error,
    } | more
