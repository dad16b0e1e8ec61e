"""The verdict on a claim: comparisons with their intervals, and the rule that decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from crl.experiments.report.configurations import configuration_names
from crl.experiments.statistics import Interval
from crl.experiments.storage.results import Run

CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE = "confirmed", "not confirmed", "not testable here"

RULE = (
    "Runs are compared seed by seed; the 95 % Student t interval of the differences decides. A "
    "claim is confirmed if the whole interval lies on the claim's side, and not confirmed "
    "otherwise. If the whole interval lies on the other side, the opposite holds. A claim with "
    "several comparisons is confirmed if all of them are. One seed gives no interval, so it can "
    "test nothing. Points are percentage points of accuracy."
)


@dataclass(frozen=True)
class Comparison:
    """An interval that a verdict rests on; None if no seed has finished both sides."""

    what: str
    interval: Interval | None


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim for one data set, with the numbers behind it as text.

    - ``why``: the reason, where the verdict does not speak for itself
    - ``measured``: the values that are compared
    - ``intervals``: one line per comparison
    - ``sources``: names of the configurations whose runs decide
    """

    verdict: str
    why: str
    measured: str = ""
    intervals: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def decide(
    comparisons: Sequence[Comparison], bar: float = 0.0, below: bool = False
) -> tuple[str, str]:
    """Return (verdict, why) for the claim that every comparison lies above (``below``) the bar.

    The rule is :data:`RULE`; ``why`` is empty for a confirmed claim.
    """
    if not comparisons:
        return NOT_TESTABLE, "no finished run"
    intervals = [c.interval for c in comparisons if c.interval is not None and c.interval.n > 1]
    above = sum(interval.low > bar for interval in intervals)
    under = sum(interval.high < bar for interval in intervals)
    holds, opposite = (under, above) if below else (above, under)
    total = len(comparisons)
    if opposite == total:
        return NOT_CONFIRMED, "the opposite holds: the whole interval lies on the other side"
    if holds < len(intervals):
        several = f"of {total} comparisons it holds in {holds}, the opposite in {opposite}"
        return NOT_CONFIRMED, "the interval reaches both sides" if total == 1 else several
    if absent := [c.what for c in comparisons if c.interval is None]:
        return NOT_TESTABLE, f"no seed has finished both runs of: {'; '.join(absent)}"
    tested = len(intervals) == total
    return (CONFIRMED, "") if tested else (NOT_TESTABLE, "one seed only: no interval")


def differences_above(
    bar: float, comparisons: Sequence[Comparison], measured: str, runs: Sequence[Run]
) -> Finding:
    """Return the finding of the claim that all these differences of accuracy exceed the bar."""
    if not runs:
        return Finding(NOT_TESTABLE, "no finished run of it")
    verdict, why = decide(comparisons, bar)
    return Finding(
        verdict, why, measured, tuple(map(in_points, comparisons)), configuration_names(runs)
    )


def in_points(comparison: Comparison) -> str:
    """Return a difference of accuracies and its interval in percentage points."""
    return _shown(comparison, 100, 2, " points", "+")


def in_units(comparison: Comparison) -> str:
    """Return a loss or a correlation and its interval."""
    return _shown(comparison, 1, 3, "", "")


def _shown(comparison: Comparison, scale: float, digits: int, unit: str, sign: str) -> str:
    if comparison.interval is None:
        return f"{comparison.what}: no runs"
    *values, n = comparison.interval
    mean, low, high = (f"{scale * value:{sign}.{digits}f}".replace("-", "−") for value in values)
    if n == 1:
        return f"{comparison.what}: {mean}{unit} (1 seed, no interval)"
    return f"{comparison.what}: {mean} [{low}, {high}]{unit} ({n} seeds)"
