"""The geometry of class means: the one reached, and the one at the minimum of ``L_un``.

At the minimum over unit-norm features of dimension N or more, every class is one vector (Nguyen,
Aeron, Brown and Ishwar, arXiv 2605.11291). So the Gram matrix of N unit vectors decides the loss.
Finding it is a convex program: the losses are convex in the margins, and the margins are linear in
the Gram matrix.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory.finite_split import FiniteSplit

_TOLERANCE = 1e-5  # of the certificate
_STARTS = 5


class OptimalGram(NamedTuple):
    """The Gram matrix at the minimum of ``L_un``.

    - gram float64 [N, N]: positive semidefinite with unit diagonal. For a class of probability 0
      every place is as good as another
    - certificate: the loss of gram exceeds the minimum by no more than this
    """

    gram: Tensor
    certificate: float


class ClassGeometry(NamedTuple):
    """The positions of a split's features around the means of their classes.

    - gram [N, N]: cosines between class means, not centred
    - norms [N]: lengths of the class means
    - within_class_collapse (NC1): the mean squared distance of features from their class mean over
      that of class means from their mean, both averaged with rho; 0 if every class is one point
    - frame_distance: the Frobenius norm of gram minus that of the simplex equiangular tight frame,
      over the latter's norm; 0 if gram is one
    """

    gram: Tensor
    norms: Tensor
    within_class_collapse: float
    frame_distance: float


def tight_frame(classes: int) -> Tensor:
    """The Gram matrix of the simplex equiangular tight frame: float64 [N, N].

    Its N unit vectors have all cosines equal to -1/(N-1). Raises ValueError for fewer than two
    classes.
    """
    if classes < 2:
        raise ValueError("a frame needs at least two classes")
    return torch.full((classes, classes), -1 / (classes - 1), dtype=torch.float64).fill_diagonal_(1)


def class_geometry(split: FiniteSplit) -> ClassGeometry:
    """The geometry of the features of a split. A mean of length 0 has cosine 0 with all."""
    means = split.means
    within = torch.stack(
        [
            (features - mean).square().sum(1).mean()
            for features, mean in zip(split.by_class, means, strict=True)
        ]
    )
    between = float(split.rho @ (means - split.rho @ means).square().sum(1))
    norms = means.norm(dim=1)
    unit = means / norms.clamp(min=torch.finfo(norms.dtype).tiny)[:, None]
    gram = unit @ unit.T
    frame = tight_frame(len(means)).to(gram.device)
    collapse = float(split.rho @ within) / between if between else math.inf
    return ClassGeometry(gram, norms, collapse, float((gram - frame).norm() / frame.norm()))


def mean_cosine(gram: Tensor, classes: Tensor) -> float:
    """The mean cosine between different classes of the given ones; 1 if they are one vector.

    gram [N, N] holds cosines; classes are indices [m], m >= 2.
    """
    cosines = gram[classes][:, classes]
    count = len(classes)
    return float((cosines.sum() - cosines.diagonal().sum()) / (count * (count - 1)))


def collapsed_loss(gram: Tensor, rho: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """``L_un`` of classes that are one unit vector each, as a scalar.

    gram [N, N] is the Gram matrix of these vectors; rho [N]; k = ``negatives``. The expectation
    over the anchor's class and k i.i.d. negative classes, collisions included, is exact to rounding
    for every k. Raises KeyError for an unknown loss.
    """
    return LOSSES[loss].of_collapsed_classes(gram, rho, negatives)


def optimal_gram(rho: Tensor, negatives: int, loss: str = "logistic") -> OptimalGram:
    """Find the Gram matrix of class means that minimises ``L_un`` over unit-norm features.

    rho [N] sums to 1; k = ``negatives``. In general the search is over G = V V^T with N unit rows
    V; because V has N columns, every local minimum is global. A lower bound on the minimum gives
    the certificate (:func:`duality_gap`). If the loss says ``frame_is_optimal``, the result is the
    tight frame. For the hinge loss all vectors without a positive cosine are optimal, and the frame
    has the largest least margin of them.

    Raises ValueError if rho is no distribution over at least two classes or k < 1, KeyError for an
    unknown loss, RuntimeError if the certificate stays above 1e-5.
    """
    rho = rho.double().cpu()
    if (
        rho.dim() != 1
        or len(rho) < 2
        or bool((rho < 0).any())
        or abs(float(rho.sum()) - 1) > 1e-6
        or negatives < 1
    ):
        raise ValueError(
            "rho must be a distribution over at least two classes, and negatives at least 1"
        )
    rho = rho / rho.sum()
    if LOSSES[loss].frame_is_optimal:
        frame = tight_frame(len(rho))
        # No geometry avoids a loss of 1 at a collision.
        least = float(rho @ (1 - (1 - rho) ** negatives))
        return OptimalGram(frame, float(collapsed_loss(frame, rho, negatives, loss)) - least)
    for seed in range(_STARTS):
        gram = _descend(torch.arange(len(rho)), rho, negatives, loss, seed)
        if (gap := duality_gap(gram, rho, negatives, loss)) < _TOLERANCE:
            return OptimalGram(gram, gap)
    raise RuntimeError(
        f"no optimum found from {_STARTS} starts: the certificate stays at {gap:.1g}"
    )


def collapse_threshold(
    majority: int, minority: int, negatives: int, loss: str = "logistic", upto: float = 1e6
) -> float:
    """Find the least imbalance at which all minority classes share one vector at the optimum.

    At imbalance R each of the ``majority`` classes is R times as likely as each of the ``minority``
    (at least 2) classes. The result has a relative accuracy of 1e-6; it is inf if it is beyond
    ``upto``. The best geometry with the minority in one vector is the best of all if its dual
    matrix (:func:`duality_gap`) is positive in the directions that separate the minority classes.
    By symmetry it has the same value in all of these.

    Raises ValueError for fewer than 2 minority or 1 majority classes, KeyError for an unknown loss.
    """
    if majority < 1 or minority < 2:
        raise ValueError("a collapse takes at least one majority class and two minority classes")
    if LOSSES[loss].frame_is_optimal:  # whatever the imbalance
        return math.inf
    owners = torch.tensor([*range(majority), *[majority] * minority])

    def separates(ratio: float) -> bool:
        rho = step_distribution(majority, minority, ratio)
        dual = _dual(_descend(owners, rho, negatives, loss, seed=0), rho, negatives, loss)
        return float(dual[-1, -1] - dual[-1, -2]) < 0

    if separates(upto):
        return math.inf
    low, high = 1.0, upto
    while high / low > 1 + 1e-6:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if separates(middle) else (low, middle)
    return high


def step_distribution(majority: int, minority: int, ratio: float) -> Tensor:
    """The rho [majority + minority] whose first classes are ``ratio`` times as likely as others."""
    weights = torch.tensor([ratio] * majority + [1.0] * minority, dtype=torch.float64)
    return weights / weights.sum()


def _descend(owners: Tensor, rho: Tensor, negatives: int, loss: str, seed: int) -> Tensor:
    """Descend to a local minimum over Gram matrices [N, N] from a random start.

    Class c has the vector ``owners[c]`` of max(owners) + 1.
    """
    count = int(owners.max()) + 1
    # Only directions count. Vectors as long as the root of their probability give all curvatures
    # the same size.
    lengths = (
        torch.zeros(count, dtype=torch.float64).index_add(0, owners, rho).clamp(min=1e-12).sqrt()
    )
    start = np.random.default_rng(seed).standard_normal((count, count))
    start *= lengths.numpy()[:, None] / np.linalg.norm(start, axis=1, keepdims=True)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = torch.from_numpy(flat.reshape(count, count)).requires_grad_()
        value = collapsed_loss(_gram(vectors, owners), rho, negatives, loss)
        (gradient,) = torch.autograd.grad(value, vectors)
        return value.item(), gradient.numpy().ravel()

    options = {"maxiter": 20_000, "maxfun": 50_000, "maxcor": 30, "ftol": 1e-16, "gtol": 1e-11}
    minimum = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return _gram(torch.from_numpy(minimum.x.reshape(count, count)), owners)


def _gram(vectors: Tensor, owners: Tensor) -> Tensor:
    unit = (vectors / vectors.norm(dim=1, keepdim=True))[owners]
    return (unit @ unit.T).fill_diagonal_(1)


def duality_gap(gram: Tensor, rho: Tensor, negatives: int, loss: str = "logistic") -> float:
    """Bound how far the loss of a feasible Gram matrix [N, N] is above the minimum.

    It is 0 at the optimum. Let A be the symmetric gradient of the loss F. By convexity ``F(G') -
    F(G) >= <A, G' - G>`` for every feasible G'. For y such that ``S = A + Diag(y)`` is positive
    semidefinite, ``<A, G'> = <S, G'> - sum(y) >= -sum(y)``. Take y = -diag(A G) and raise all of it
    until S is positive semidefinite: the gap is N times the raise.
    """
    return len(rho) * max(0.0, -float(torch.linalg.eigvalsh(_dual(gram, rho, negatives, loss))[0]))


def _dual(gram: Tensor, rho: Tensor, negatives: int, loss: str) -> Tensor:
    """``S = A - Diag(diag(A G))``."""
    point = gram.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(collapsed_loss(point, rho, negatives, loss), point)
    gradient = ((gradient + gradient.T) / 2).fill_diagonal_(0)  # the diagonal is fixed
    return gradient - torch.diag((gradient @ gram.detach()).diagonal())
