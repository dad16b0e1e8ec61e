"""The rule by which intervals decide a claim."""

import math
from typing import Any

import pytest

from crl.experiments.report.verdicts import (
    CONFIRMED,
    NOT_CONFIRMED,
    NOT_TESTABLE,
    Bar,
    Comparison,
    decide,
)
from crl.experiments.statistics import Interval

UP, DOWN, BOTH = Interval(2, 1, 3, 3), Interval(-2, -3, -1, 3), Interval(0.5, -1, 2, 3)
ONE = Interval(2, -math.inf, math.inf, 1)


@pytest.mark.parametrize(
    ("intervals", "options", "verdict", "why"),
    [
        ([UP], {}, CONFIRMED, ""),
        ([DOWN], {}, NOT_CONFIRMED, "the opposite holds"),
        ([BOTH], {}, NOT_CONFIRMED, "both sides"),
        ([BOTH], {"value": -1.5}, CONFIRMED, ""),
        ([UP], {"value": 1}, NOT_CONFIRMED, "both sides"),  # an end on the bar is not beyond it
        ([DOWN], {"below": True}, CONFIRMED, ""),
        ([UP], {"below": True}, NOT_CONFIRMED, "the opposite holds"),
        ([UP, UP], {}, CONFIRMED, ""),
        ([UP, DOWN], {}, NOT_CONFIRMED, "of 2 comparisons it holds in 1, the opposite in 1"),
        ([DOWN, DOWN], {}, NOT_CONFIRMED, "the opposite holds"),
        ([ONE], {}, NOT_TESTABLE, "one seed"),
        ([UP, ONE], {}, NOT_TESTABLE, "one seed"),
        ([DOWN, ONE], {}, NOT_CONFIRMED, "of 2"),  # further seeds cannot change it
        ([UP, None], {}, NOT_TESTABLE, "comparison 1"),
        ([], {}, NOT_TESTABLE, "no finished run"),
    ],
)
def test_the_rule(
    intervals: list[Interval | None], options: dict[str, Any], verdict: str, why: str
) -> None:
    comparisons = [Comparison(f"comparison {i}", interval) for i, interval in enumerate(intervals)]
    decided, reason = decide(comparisons, Bar(**options))
    assert decided == verdict
    assert why in reason and bool(why) == bool(reason)
