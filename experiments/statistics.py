"""Statistics over seeds: means, standard deviations, confidence intervals."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Summary(NamedTuple):
    """Mean and standard deviation (n - 1) over n seeds; the deviation is None for one seed."""

    mean: float
    std: float | None
    n: int


def summarise(values: Sequence[float]) -> Summary:
    """Return mean, standard deviation and number of at least one value."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return Summary(statistics.fmean(values), std, len(values))


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval over n seeds (Student's t); infinite for one seed."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return Student's t interval for the mean of at least one value."""
    from scipy.stats import t

    mean, n = statistics.fmean(values), len(values)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(t.ppf((1 + level) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)
