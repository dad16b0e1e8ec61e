"""The spread of features: a collapse onto a point, onto a line, or in some dimensions."""

from typing import NamedTuple

import torch
from torch import Tensor

# Points for the effective rank: many more than it takes to tell a rank near 1 from others.
_POINTS = 4096


class Spread(NamedTuple):
    """Measures of spread. None changes if all features are scaled alike.

    - ``relative``: the root mean square distance from the mean feature over the root mean square
      norm, in [0, 1]; 0 for a constant
    - ``effective_rank``: ``(tr Sigma)^2 / ||Sigma||_F^2`` of the covariance, the participation
      ratio of its eigenvalues; 1 on a line, d if all directions are alike, 0 for a constant
    - ``dead``: the share of dimensions whose standard deviation is below a thousandth of the
      largest one
    """

    relative: float
    effective_rank: float
    dead: float


def feature_spread(features: Tensor) -> Spread:
    """The spread of features [n, d]. Raises ValueError for a feature that is not finite.

    The effective rank is that of at most 4096 points, evenly spaced.
    """
    largest = features.abs().max()
    if not largest.isfinite():
        raise ValueError("features must be finite")
    if largest == 0:
        return Spread(0.0, 0.0, 1.0)
    points = features / largest  # no square overflows or vanishes
    variance, mean = torch.var_mean(points, 0, correction=0)
    total = float(variance.double().sum())
    relative = (total / (total + float(mean.double().square().sum()))) ** 0.5
    dead = float((variance <= 1e-6 * variance.max()).double().mean())
    return Spread(relative, _effective_rank(points), dead)


def _effective_rank(points: Tensor) -> float:
    """The effective rank of evenly spaced points: a fair sample of points sorted by class."""
    sample = points[:: -(-len(points) // _POINTS)].double()
    centred = sample - sample.mean(0)
    largest = centred.abs().max()
    if largest == 0:
        return 0.0
    centred = (centred / largest).float()
    covariance = (centred.T @ centred).double()
    return float(covariance.trace().square() / covariance.square().sum())
