"""Where the class means of unit-norm features lie, and where theory says that the optimum has them.

With unit-norm features of dimension N or more, the minimum of ``L_un`` over all features has every
class collapsed to one vector (Nguyen, Aeron, Brown and Ishwar, arXiv 2605.11291), so that only the
Gram matrix of N unit vectors is left to be found: a convex program, since the losses are convex in
the margins and these are linear in the Gram matrix.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from crl.theory.finite_split import FiniteSplit

_TOLERANCE = 1e-5  # of the certificate
_STARTS = 5

# log(1 + x) is the integral over s > 0 of exp(-s) (1 - exp(-s x)) / s, with s = exp(u) an integral
# over the real line that the trapezoid rule gives to rounding: beyond these ends the integrand is
# nothing, and it is analytic around the line.
_NODES = torch.arange(-38.0, 3.75, 0.25, dtype=torch.float64).exp()
_WEIGHTS = 0.25 * (-_NODES).exp()


class OptimalGram(NamedTuple):
    """gram float64 [N, N], positive semidefinite with unit diagonal; certificate: its loss exceeds
    the minimum by no more.

    For a class of probability 0 no place is better than another.
    """

    gram: Tensor
    certificate: float


class ClassGeometry(NamedTuple):
    """How the features of a split lie around the means of their classes.

    - gram [N, N]: cosines between class means, not centred
    - norms [N]: lengths of the class means
    - within_class_collapse (NC1): squared distances from the class mean / squared distances of
      class means from their mean, both averaged with rho; 0 where every class is one point
    - frame_distance: Frobenius norm of gram - that of the equiangular tight frame, / the latter's;
      0 where it is one
    """

    gram: Tensor
    norms: Tensor
    within_class_collapse: float
    frame_distance: float


def tight_frame(classes: int) -> Tensor:
    """The Gram matrix of N unit vectors with all cosines -1/(N-1), the simplex equiangular tight
    frame: float64 [N, N].

    Raises ValueError for fewer than two classes.
    """
    if classes < 2:
        raise ValueError("a frame needs at least two classes")
    gram = torch.full((classes, classes), -1 / (classes - 1), dtype=torch.float64)
    return gram.fill_diagonal_(1)


def class_geometry(split: FiniteSplit) -> ClassGeometry:
    """The geometry of the features of a split. Means of length 0 have cosine 0 with all."""
    means = split.means
    within = torch.stack(
        [
            (part - mean).square().sum(1).mean()
            for part, mean in zip(split.by_class, means, strict=True)
        ]
    )
    between = (means - split.rho @ means).square().sum(1)
    spread = float(split.rho @ between)
    norms = means.norm(dim=1)
    unit = means / norms.clamp(min=torch.finfo(norms.dtype).tiny)[:, None]
    gram = unit @ unit.T
    frame = tight_frame(len(means)).to(gram.device)
    collapse = float(split.rho @ within) / spread if spread else math.inf
    return ClassGeometry(gram, norms, collapse, float((gram - frame).norm() / frame.norm()))


def mean_cosine(gram: Tensor, classes: Tensor) -> float:
    """The mean cosine between different ones of the given classes (indices [m], m >= 2): 1 where
    they are one vector."""
    part = gram[classes][:, classes]
    count = len(classes)
    return float((part.sum() - part.diagonal().sum()) / (count * (count - 1)))


def collapsed_loss(gram: Tensor, rho: Tensor, negatives: int, loss: str = "logistic") -> Tensor:
    """``L_un`` of classes that are N unit vectors with this Gram matrix, as a scalar; rho [N], k =
    ``negatives``.

    The expectation over the anchor's class and k i.i.d. negative classes, collisions included, is
    exact for every k (to rounding): of the logistic loss by an integral over one variable in which
    the negatives are independent factors; of the hinge loss over the order of the cosines. Raises
    KeyError for an unknown loss.
    """
    return {"logistic": _logistic, "hinge": _hinge}[loss](gram, rho, negatives)


def _logistic(gram: Tensor, rho: Tensor, negatives: int) -> Tensor:
    x = (gram - 1).exp()  # exp(-margin) of each negative class
    # E exp(-s x) of one negative, less 1: [N, nodes].
    factor = torch.expm1(-x[:, :, None] * _NODES).mul(rho[:, None]).sum(1)
    return rho @ (-torch.expm1(negatives * torch.log1p(factor)) @ _WEIGHTS) / math.log(2)


def _hinge(gram: Tensor, rho: Tensor, negatives: int) -> Tensor:
    cosines, order = gram.sort(dim=1)
    below = (
        rho[order].cumsum(1).clamp(max=1) ** negatives
    )  # chance that no negative's cosine is larger
    chance = below.diff(dim=1, prepend=below.new_zeros(len(below), 1))
    return rho @ (chance * cosines.clamp(min=0)).sum(1)


def optimal_gram(rho: Tensor, negatives: int, loss: str = "logistic") -> OptimalGram:
    """The Gram matrix of class means that minimises ``L_un`` over unit-norm features; rho [N] sums
    to 1.

    Logistic: over G = V V^T with N unit rows V, which has no local minimum that is not global where
    V has N columns; a lower bound on the minimum (convexity of the loss and weak duality of the
    linearised program) gives the certificate. Hinge: of unit vectors the loss of a negative is
    max(0, cosine). Nothing is below that of vectors without positive cosines, whatever rho; of all
    that reach it the tight frame has the largest least margin, and it is what is returned. Raises
    ValueError for a rho that is none or k < 1, KeyError for an unknown loss, RuntimeError where the
    certificate stays above 1e-5.
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
    if loss == "hinge":
        frame = tight_frame(len(rho))
        # What no geometry avoids: negatives of the anchor's own class.
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
    """The imbalance from which on the optimum has all minority classes in one vector; inf where
    that is beyond ``upto``.

    ``majority`` classes are each as many times as likely as each of ``minority`` (at least 2)
    classes. The best geometry with the minority in one vector is the best of all where its dual
    matrix (:func:`duality_gap`) is positive on the directions that would part the minority; by
    symmetry it is the same number in all of these. To a relative accuracy of 1e-6. Raises
    ValueError for fewer than 2 minority or 1 majority classes, KeyError for an unknown loss.
    """
    if majority < 1 or minority < 2:
        raise ValueError("a collapse takes at least one majority class and two minority classes")
    if loss == "hinge":  # the tight frame, whatever the imbalance
        return math.inf
    owners = torch.tensor([*range(majority), *[majority] * minority])

    def parts_them(ratio: float) -> bool:
        rho = step_distribution(majority, minority, ratio)
        dual = _dual(_descend(owners, rho, negatives, loss, seed=0), rho, negatives, loss)
        return float(dual[-1, -1] - dual[-1, -2]) < 0

    if parts_them(upto):
        return math.inf
    low, high = 1.0, upto
    while high / low > 1 + 1e-6:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if parts_them(middle) else (low, middle)
    return high


def step_distribution(majority: int, minority: int, ratio: float) -> Tensor:
    """rho [majority + minority] where each of the first classes is ``ratio`` times as likely as
    each of the others."""
    weights = torch.tensor([ratio] * majority + [1.0] * minority, dtype=torch.float64)
    return weights / weights.sum()


def _descend(owners: Tensor, rho: Tensor, negatives: int, loss: str, seed: int) -> Tensor:
    """A Gram matrix [N, N] from which no step leads down, where class c has the vector owners[c] of
    max(owners) + 1."""
    count = int(owners.max()) + 1
    shape = (count, count)
    # Only directions count. Of vectors as long as the root of their probability, all curvatures are
    # of one size.
    lengths = (
        torch.zeros(count, dtype=torch.float64).index_add(0, owners, rho).clamp(min=1e-12).sqrt()
    )
    start = np.random.default_rng(seed).standard_normal(shape)
    start *= lengths.numpy()[:, None] / np.linalg.norm(start, axis=1, keepdims=True)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = torch.from_numpy(flat.reshape(shape)).requires_grad_()
        value = collapsed_loss(_gram(vectors, owners), rho, negatives, loss)
        (gradient,) = torch.autograd.grad(value, vectors)
        return value.item(), gradient.numpy().ravel()

    options = {"maxiter": 20_000, "maxfun": 50_000, "maxcor": 30, "ftol": 1e-16, "gtol": 1e-11}
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return _gram(torch.from_numpy(found.x.reshape(shape)), owners)


def _gram(vectors: Tensor, owners: Tensor) -> Tensor:
    unit = (vectors / vectors.norm(dim=1, keepdim=True))[owners]
    return (unit @ unit.T).fill_diagonal_(1)


def duality_gap(gram: Tensor, rho: Tensor, negatives: int, loss: str = "logistic") -> float:
    """A bound on how far the loss of a feasible Gram matrix [N, N] is above the minimum; 0 at the
    optimum.

    With A the symmetric gradient, convexity gives ``F(G') - F(G) >= <A, G' - G>`` for every
    feasible G'. For y with ``S = A + Diag(y)`` positive semidefinite, ``<A, G'> = <S, G'> - sum(y)
    >= -sum(y)``; y = -diag(A G), raised until S is so, makes the gap N times what it had to be
    raised by.
    """
    return len(rho) * max(0.0, -float(torch.linalg.eigvalsh(_dual(gram, rho, negatives, loss))[0]))


def _dual(gram: Tensor, rho: Tensor, negatives: int, loss: str) -> Tensor:
    """``S = A - diag(A G)``."""
    point = gram.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(collapsed_loss(point, rho, negatives, loss), point)
    gradient = ((gradient + gradient.T) / 2).fill_diagonal_(0)  # the diagonal is fixed
    return gradient - torch.diag((gradient @ gram.detach()).diagonal())
