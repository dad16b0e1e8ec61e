"""The verdict on a claim: comparisons with their intervals, and the rule that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
    """An interval that a verdict rests on; None if no seed has finished both sides.

    - ``part``: what tells it from the claim's other comparisons, as in "b = 5"
    - ``paper``: the paper's value, if all of its runs have the paper's setting
    """

    what: str
    interval: Interval | None
    part: str = ""
    paper: float | None = None


class Unit(NamedTuple):
    """What the effects of a claim are measured in, and how they are printed.

    ``title``: of its axis; ``scale``, ``digits``, ``sign``: of a printed number; ``word``: behind
    it.
    """

    title: str
    scale: float = 1
    digits: int = 3
    word: str = ""
    sign: str = ""

    def number(self, value: float) -> str:
        """Return a value as people read it, without the unit."""
        return f"{self.scale * value:{self.sign}.{self.digits}f}".replace("-", "−")

    def range(self, interval: Interval) -> str:
        """Return mean and interval, or the mean alone if one seed gives it."""
        mean, low, high = map(self.number, interval[:3])
        return mean if interval.n == 1 else f"{mean} [{low}, {high}]"


POINTS = Unit("difference of accuracy, points", 100, 2, " points", "+")
CORRELATION = Unit("correlation over epochs")
LOSS = Unit("unsupervised loss L_un")
SLACK = Unit("smallest slack of a bound, ± 4 standard errors")


class Bar(NamedTuple):
    """A claim holds where every comparison lies above (``below``) the value."""

    value: float = 0.0
    below: bool = False

    def text(self, unit: Unit) -> str:
        """Return the bar in words."""
        value = f"{unit.scale * self.value:g}".replace("-", "−")
        return f"{'below' if self.below else 'above'} {value}{unit.word}"


ABOVE_ZERO = Bar()


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim for one data set, with the numbers behind it.

    - ``why``: the reason, where the verdict does not speak for itself
    - ``measured``: the values that are compared, as text
    - ``intervals``: one line per comparison
    - ``sources``: names of the configurations whose runs decide
    - ``comparisons``, ``bar``, ``unit``: what the picture of all claims draws
    """

    verdict: str
    why: str
    measured: str = ""
    intervals: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    bar: Bar = ABOVE_ZERO
    unit: Unit = POINTS


def decide(comparisons: Sequence[Comparison], bar: Bar = ABOVE_ZERO) -> tuple[str, str]:
    """Return (verdict, why) for the claim that every comparison lies on its side of the bar.

    The rule is :data:`RULE`; ``why`` is empty for a confirmed claim.
    """
    if not comparisons:
        return NOT_TESTABLE, "no finished run"
    intervals = [c.interval for c in comparisons if c.interval is not None and c.interval.n > 1]
    above = sum(interval.low > bar.value for interval in intervals)
    under = sum(interval.high < bar.value for interval in intervals)
    holds, opposite = (under, above) if bar.below else (above, under)
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


def judged(
    comparisons: Sequence[Comparison],
    measured: str,
    runs: Sequence[Run],
    unit: Unit,
    bar: Bar = ABOVE_ZERO,
) -> Finding:
    """Return the finding of the claim that all these comparisons lie on its side of the bar."""
    if not runs:
        return Finding(NOT_TESTABLE, "no finished run of it")
    verdict, why = decide(comparisons, bar)
    return Finding(
        verdict,
        why,
        measured,
        tuple(in_words(comparison, unit) for comparison in comparisons),
        configuration_names(runs),
        tuple(comparisons),
        bar,
        unit,
    )


def in_words(comparison: Comparison, unit: Unit) -> str:
    """Return a comparison with its interval, and the paper's value where that is comparable."""
    if comparison.interval is None:
        return f"{comparison.what}: no runs"
    shown, n = f"{unit.range(comparison.interval)}{unit.word}", comparison.interval.n
    seeds = "1 seed, no interval" if n == 1 else f"{n} seeds"
    paper = "" if comparison.paper is None else f"; paper {unit.number(comparison.paper)}"
    return f"{comparison.what}: {shown} ({seeds}{paper})"
