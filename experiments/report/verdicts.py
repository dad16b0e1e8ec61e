"""What a claim is, and the rule by which runs confirm it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.report.load_runs import DatasetStudies
from experiments.statistics import Interval

CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE = "confirmed", "not confirmed", "not testable here"

RULE = (
    "Each comparison is paired over seeds: the difference is taken seed by seed, and its 95 % Student t interval over "
    "the seeds decides. A claim is confirmed if the whole interval lies on its side, and otherwise not confirmed; where "
    "the whole interval lies on the other side, the opposite holds. A claim with several comparisons is confirmed if all "
    "of them are. One seed gives no interval, so nothing can be tested with it. Points are percentage points of accuracy."
)


@dataclass(frozen=True)
class Comparison:
    """An interval that a verdict rests on; None where no seed has what it needs."""

    what: str
    interval: Interval | None


@dataclass(frozen=True)
class Finding:
    """A verdict on one subject: ``measured`` and ``intervals`` in words, ``why`` where it is not
    plain, the runs' names."""

    verdict: str
    why: str
    measured: str = ""
    intervals: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """``statement``: what is tested; ``paper``: what the paper says, with its figures."""

    number: str
    title: str
    statement: str
    paper: str
    judge: Callable[[DatasetStudies], Finding]


def not_testable(why: str) -> Finding:
    return Finding(NOT_TESTABLE, why)


def decide(
    comparisons: Sequence[Comparison], bar: float = 0.0, below: bool = False
) -> tuple[str, str]:
    """(verdict, why) of the claim that every comparison lies above the bar (or below it), by
    :data:`RULE`."""
    sign = -1 if below else 1

    def side(interval: Interval) -> int:
        """1: wholly on the claim's side, -1: wholly on the other, 0: on both."""
        ends = sorted((sign * (interval.low - bar), sign * (interval.high - bar)))
        return 1 if ends[0] > 0 else -1 if ends[1] < 0 else 0

    sides = [side(c.interval) for c in comparisons if c.interval is not None and c.interval.n > 1]
    total, for_it, against = len(comparisons), sides.count(1), sides.count(-1)
    if total and against == total:
        return NOT_CONFIRMED, "the opposite holds: the whole interval lies on the other side"
    if for_it < len(sides):
        if total == 1:
            return NOT_CONFIRMED, "the interval reaches both sides"
        return (
            NOT_CONFIRMED,
            f"of {total} comparisons it holds in {for_it}, the opposite in {against}",
        )
    absent = [c.what for c in comparisons if c.interval is None]
    if absent or not total:
        return (
            NOT_TESTABLE,
            f"no seed has finished both runs of: {'; '.join(absent)}"
            if absent
            else "no finished run",
        )
    if len(sides) < total:
        return NOT_TESTABLE, "one seed only: no interval"
    return CONFIRMED, ""


def in_points(comparison: Comparison) -> str:
    """A difference of accuracies with its interval, in percentage points."""
    return _interval(comparison, 100, 2, " points", "+")


def in_units(comparison: Comparison) -> str:
    """A loss or a correlation with its interval."""
    return _interval(comparison, 1, 3, "", "")


def _interval(comparison: Comparison, scale: float, digits: int, unit: str, sign: str) -> str:
    found = comparison.interval
    if found is None:
        return f"{comparison.what}: no runs"
    shown = [
        f"{scale * value:{sign}.{digits}f}".replace("-", "−")
        for value in (found.mean, found.low, found.high)
    ]
    if found.n == 1:
        return f"{comparison.what}: {shown[0]}{unit} (1 seed, no interval)"
    return f"{comparison.what}: {shown[0]} [{shown[1]}, {shown[2]}]{unit} ({found.n} seeds)"
