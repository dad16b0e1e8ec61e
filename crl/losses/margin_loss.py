"""The losses by name, each one record with all its forms. To add one: one entry.

Logarithms have base 2: the loss of one zero margin is 1, as the paper's theory asks (section 2).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class MarginLoss(NamedTuple):
    """A convex loss ``l`` that falls with each of its k margins and is 1 at one margin of 0.

    Theorem 6.1 also asks that l is subadditive in the negatives.

    - of_margins: margins [..., k] -> losses [...]. The definition; the other forms follow from it
    - of_pair: the loss at k = 1, element by element: margins [...] -> losses [...]
    - with_slopes: the positive's score and those of the k negatives, [1 + k, ...] -> losses [...]
      and their derivatives by the negatives' scores [k, ...], both in units of ``unit``. The
      derivative by the positive's score is minus the sum of these
    - unit: the factor that turns the results of with_slopes into the loss and its derivatives
    - lipschitz: the Lipschitz constant at k = 1; lemma 4.4 needs it
    - of_collapsed_classes: ``L_un`` of classes that are one unit vector each: their Gram matrix
      [N, N], rho [N] and k -> scalar, exact, collisions included, differentiable and convex in the
      Gram matrix
    - frame_is_optimal: whether no unit vectors have a smaller ``L_un`` than the simplex tight
      frame, for every rho and k
    """

    of_margins: Callable[[Tensor], Tensor]
    of_pair: Callable[[Tensor], Tensor]
    with_slopes: Callable[[Tensor], tuple[Tensor, Tensor]]
    unit: float
    lipschitz: float
    of_collapsed_classes: Callable[[Tensor, Tensor, int], Tensor]
    frame_is_optimal: bool = False


def _logistic_with_slopes(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of the positive among all candidates, in nats."""
    log_shares = scores.log_softmax(0)
    return log_shares[0].neg(), log_shares[1:].exp_()


# log(1 + x) is the integral of exp(-s) (1 - exp(-s x)) / s over s > 0. With s = exp(u) the
# integrand is analytic on the real line and vanishes beyond these nodes, so the trapezoid rule is
# exact to rounding.
_NODES = torch.arange(-38.0, 3.75, 0.25, dtype=torch.float64).exp()
_WEIGHTS = 0.25 * (-_NODES).exp()


def _logistic_of_collapsed_classes(gram: Tensor, rho: Tensor, negatives: int) -> Tensor:
    """An integral over one variable, in which the negatives are independent factors."""
    x = (gram - 1).exp()  # exp(-margin) of each negative class
    # The expectation of exp(-s x) over one negative, less 1: [N, nodes].
    factor = torch.expm1(-x[:, :, None] * _NODES).mul(rho[:, None]).sum(1)
    return rho @ (-torch.expm1(negatives * torch.log1p(factor)) @ _WEIGHTS) / math.log(2)


def _hinge_with_slopes(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The hinge loss and its slopes: the highest negative score has one; equal scores share it."""
    highest = scores[1:].amax(0)
    losses = (1 + highest - scores[0]).relu_()
    ties = scores[1:] == highest
    return losses, ties * ((losses > 0).to(losses.dtype) / ties.sum(0))


def _hinge_of_collapsed_classes(gram: Tensor, rho: Tensor, negatives: int) -> Tensor:
    """The expectation of the largest cosine between the anchor and a negative, or of 0."""
    cosines, order = gram.sort(dim=1)
    # The probability that no negative has a larger cosine.
    below = rho[order].cumsum(1).clamp(max=1) ** negatives
    largest = below.diff(dim=1, prepend=below.new_zeros(len(below), 1))
    return rho @ (largest * cosines.clamp(min=0)).sum(1)


LOSSES: dict[str, MarginLoss] = {
    # log2(1 + sum_i exp(-v_i))
    "logistic": MarginLoss(
        of_margins=lambda v: softplus((-v).logsumexp(-1), threshold=40) / math.log(2),
        of_pair=lambda v: torch.logaddexp(-v, v.new_zeros(())).div_(math.log(2)),
        with_slopes=_logistic_with_slopes,
        unit=1 / math.log(2),
        lipschitz=math.log2(math.e),
        of_collapsed_classes=_logistic_of_collapsed_classes,
    ),
    # max(0, 1 + max_i(-v_i))
    "hinge": MarginLoss(
        of_margins=lambda v: torch.relu(1 - v.amin(-1)),
        of_pair=lambda v: torch.relu(1 - v),
        with_slopes=_hinge_with_slopes,
        unit=1.0,
        lipschitz=1.0,
        of_collapsed_classes=_hinge_of_collapsed_classes,
        # The loss of a negative of another class is max(0, cosine), which is 0 in the frame.
        frame_is_optimal=True,
    ),
}
