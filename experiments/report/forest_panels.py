"""What the picture of all claims draws where: panels of claims, and their rows.

Claims are grouped by the unit of their effects, and each group has a panel with an axis of its own.
Effects on accuracy range from tenths of a point to tens of points, so claims with an effect of more
than ``LARGE`` points have a second panel.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from crl.experiments.report.claims import Claim, JudgedClaim
from crl.experiments.report.verdicts import NOT_TESTABLE, POINTS, Comparison, Finding, Unit

LARGE = 10  # points of accuracy
# Heights in the SVG's units: a panel's title, a claim's heading, a row, an axis.
TITLE, HEAD, ROW, AXIS = 20, 14, 12, 28
_LETTERS = 17  # that stand beside a row


class Tested(NamedTuple):
    """A claim with its findings that are drawn, by the label of the data set."""

    claim: Claim
    findings: dict[str, Finding]

    @property
    def values(self) -> Iterator[float]:
        """Every number that the axis has to reach, scaled as it is printed."""
        for finding in self.findings.values():
            yield finding.unit.scale * finding.bar.value
            for comparison in finding.comparisons:
                numbers = [*(comparison.interval or ())[:3], comparison.paper]
                yield from (
                    finding.unit.scale * x for x in numbers if x is not None and math.isfinite(x)
                )


class Panel(NamedTuple):
    """Claims with effects in one unit, on one axis."""

    unit: Unit
    title: str
    claims: list[Tested]

    @property
    def height(self) -> int:
        """All of it, in the SVG's units."""
        return TITLE + self.rows_height + AXIS

    @property
    def rows_height(self) -> int:
        """Headings and rows, in the SVG's units."""
        return sum(HEAD + sum(map(_height, tested.findings.items())) for tested in self.claims)


def panels_of(judged: Sequence[JudgedClaim]) -> Iterator[Panel]:
    """Yield the panels of all claims that were tested."""
    tested = [
        Tested(claim, drawn)
        for claim, findings in judged
        if (drawn := {label: f for label, f in findings.items() if _is_drawn(f)})
    ]
    by_unit: dict[tuple[Unit, bool], list[Tested]] = {}
    for entry in tested:
        unit = next(iter(entry.findings.values())).unit
        large = unit == POINTS and max(map(abs, entry.values)) > LARGE
        by_unit.setdefault((unit, large), []).append(entry)
    for (unit, large), claims in sorted(
        by_unit.items(), key=lambda item: (item[0][0] != POINTS, item[0][1])
    ):
        more = " (large effects)" if large else ""
        yield Panel(unit, unit.title[:1].upper() + unit.title[1:] + more, claims)


def _is_drawn(finding: Finding) -> bool:
    return finding.verdict != NOT_TESTABLE and any(c.interval for c in finding.comparisons)


def total(panels: Sequence[Panel]) -> int:
    """Return the height of panels one below the other."""
    return sum(panel.height for panel in panels)


def _height(labelled: tuple[str, Finding]) -> int:
    label, finding = labelled
    return (len(shown(finding)) + has_own_row(label, finding)) * ROW


def has_own_row(label: str, finding: Finding) -> bool:
    """Return whether the label of a data set is too long to stand beside its first row."""
    parts = (len(comparison.part) + 1 for comparison in shown(finding) if comparison.part)
    return len(label) + max(parts, default=0) > _LETTERS


def shown(finding: Finding) -> list[Comparison]:
    """Return the comparisons that have a row."""
    return [comparison for comparison in finding.comparisons if comparison.interval]


def balanced(panels: list[Panel]) -> list[list[Panel]]:
    """Return the panels in one or two columns that are about as high; their order stays."""
    first, *rest = panels
    choices = (
        [[first, *(p for p in rest if p not in right)], [p for p in rest if p in right]]
        for count in range(len(panels))
        for right in combinations(rest, count)
    )
    columns = min(choices, key=lambda two: max(map(total, two)))
    return [column for column in columns if column]


def findings_of(columns: list[list[Panel]]) -> Iterator[tuple[Claim, str, Finding]]:
    """Yield (claim, label of the data set, finding) from top to bottom."""
    for panels in columns:
        for panel in panels:
            for claim, findings in panel.claims:
                yield from ((claim, label, finding) for label, finding in findings.items())
