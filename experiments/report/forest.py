"""The picture of all claims: a forest plot of every effect beside its claim's bar.

Claims are grouped by the unit of their effects, and each group has a panel with an axis of its own.
Effects on accuracy range from tenths of a point to tens of points, so claims with an effect of more
than ``LARGE`` points have a second panel.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator

from crl.experiments.drawing import COLOURS, GRID, INK, Figure, draw
from crl.experiments.report.claims import Claim, JudgedClaim
from crl.experiments.report.verdicts import (
    CONFIRMED,
    LOSS,
    NOT_TESTABLE,
    POINTS,
    Comparison,
    Finding,
    Unit,
)

LARGE = 10  # points of accuracy
# Verdict -> marker, colour, fill: a shape tells them apart without colour.
_CONFIRMED, _OTHERWISE = ("o", COLOURS[2], COLOURS[2]), ("D", COLOURS[1], "none")

# Sizes in the SVG's units.
_TITLE, _HEAD, _ROW, _AXIS, _LEGEND = 20, 14, 12, 28, 30
_GUTTER, _NUMBERS, _GAP = 108, 106, 26
_WIDE, _NARROW = 810, 300
_LETTERS = 17  # that the gutter takes


class Forest(NamedTuple):
    """One picture drawn twice: for a wide window, and for a phone.

    ``has_paper``: whether a value of the paper is in it.
    """

    wide: Figure
    narrow: Figure
    has_paper: bool


class _Tested(NamedTuple):
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


class _Panel(NamedTuple):
    unit: Unit
    title: str
    claims: list[_Tested]

    @property
    def height(self) -> int:
        return _TITLE + self.rows_height + _AXIS

    @property
    def rows_height(self) -> int:
        return sum(_HEAD + sum(map(_height, tested.findings.items())) for tested in self.claims)


def forest(judged: Sequence[JudgedClaim]) -> Forest | None:
    """Draw every claim that was tested; return None if none was."""
    panels = list(_panels(judged))
    if not panels:
        return None
    columns = _balanced(panels)
    width = _WIDE if len(columns) > 1 else _WIDE // 2
    title = "Every claim on every data set: effect, interval and bar"
    return Forest(
        _drawn("claims", title, columns, width, _NUMBERS),
        _drawn("claims-narrow", title, [panels], _NARROW, 0),
        _has_paper([panels]),
    )


def _balanced(panels: list[_Panel]) -> list[list[_Panel]]:
    """Return the panels in one or two columns that are about as high; their order stays."""
    first, *rest = panels
    choices = (
        [[first, *(p for p in rest if p not in right)], [p for p in rest if p in right]]
        for count in range(len(panels))
        for right in combinations(rest, count)
    )
    columns = min(choices, key=lambda two: max(map(_total, two)))
    return [column for column in columns if column]


def _drawn(slug: str, title: str, columns: list[list[_Panel]], width: int, numbers: int) -> Figure:
    height = max(map(_total, columns)) + _LEGEND

    def paint(drawing: Drawing) -> None:
        drawing.set_layout_engine("none")
        each = (width - _GAP * (len(columns) - 1)) / len(columns)
        for place, panels in enumerate(columns):
            left, top = place * (each + _GAP) + _GUTTER, height
            for panel in panels:
                top -= panel.height
                box = (left, top + _AXIS, each - _GUTTER - (numbers or 8), panel.rows_height)
                axes = drawing.add_axes(
                    (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
                )
                _paint_panel(axes, panel, box[2], bool(numbers))
        _legend(drawing, columns, len(columns) > 1)

    return draw(slug, title, _in_words(columns), paint, height, width)


def _panels(judged: Sequence[JudgedClaim]) -> Iterator[_Panel]:
    tested = [
        _Tested(claim, drawn)
        for claim, findings in judged
        if (drawn := {label: f for label, f in findings.items() if _is_drawn(f)})
    ]
    by_unit: dict[tuple[Unit, bool], list[_Tested]] = {}
    for entry in tested:
        unit = next(iter(entry.findings.values())).unit
        large = unit == POINTS and max(map(abs, entry.values)) > LARGE
        by_unit.setdefault((unit, large), []).append(entry)
    for (unit, large), claims in sorted(
        by_unit.items(), key=lambda item: (item[0][0] != POINTS, item[0][1])
    ):
        more = " (large effects)" if large else ""
        yield _Panel(unit, unit.title[:1].upper() + unit.title[1:] + more, claims)


def _is_drawn(finding: Finding) -> bool:
    return finding.verdict != NOT_TESTABLE and any(c.interval for c in finding.comparisons)


def _total(panels: Sequence[_Panel]) -> int:
    return sum(panel.height for panel in panels)


def _height(labelled: tuple[str, Finding]) -> int:
    label, finding = labelled
    rows = len(_shown(finding)) + (len(label) > _LETTERS - _part(finding))
    return rows * _ROW


def _shown(finding: Finding) -> list[Comparison]:
    return [comparison for comparison in finding.comparisons if comparison.interval]


def _part(finding: Finding) -> int:
    """Return how many letters the parts take, such as b = 5."""
    return max((len(comparison.part) + 1 for comparison in finding.comparisons if comparison.part),
               default=0)  # fmt: skip


def _paint_panel(axes: Axes, panel: _Panel, width: float, with_numbers: bool) -> None:
    """Draw the claims from top to bottom; y is in the SVG's units."""
    _scale(axes, panel)
    at_left = -_GUTTER / width
    write = _writer(axes)
    axes.set_title(panel.title, loc="left", x=at_left, fontsize=9.5, fontweight="bold", pad=4)
    y = 0.0
    for claim, findings in panel.claims:
        write(at_left, y + 0.62 * _HEAD, f"{claim.number}  {claim.brief}", fontsize=9)
        y += _HEAD
        top = y
        for label, finding in findings.items():
            if len(label) > _LETTERS - _part(finding):
                write(at_left + 8 / width, y + _ROW / 2, _fitting(label), fontsize=8)
                y += _ROW
            else:
                write(at_left + 8 / width, y + _ROW / 2, label, fontsize=8)
            for comparison in _shown(finding):
                if comparison.part:
                    write(-6 / width, y + _ROW / 2, comparison.part, fontsize=8, ha="right")
                _paint_comparison(axes, y + _ROW / 2, comparison, finding)
                if with_numbers and comparison.interval:
                    numbers = finding.unit.range(comparison.interval)
                    write(1 + 6 / width, y + _ROW / 2, numbers, fontsize=7.5)
                y += _ROW
        _paint_side(axes, (top, y), next(iter(findings.values())))


def _writer(axes: Axes) -> Callable[..., None]:
    def write(x: float, y: float, text: str, ha: str = "left", fontsize: float = 9) -> None:
        transform = axes.get_yaxis_transform()
        axes.text(x, y, text, ha=ha, va="center", fontsize=fontsize, transform=transform)

    return write


def _fitting(label: str, most: int = 58) -> str:
    """Return a label with its middle left out if it is too long for a line."""
    half = most // 2
    return label if len(label) <= most else f"{label[:half]}…{label[-half:]}"


def _scale(axes: Axes, panel: _Panel) -> None:
    """Set limits that reach every number, and ticks; losses far apart have a logarithmic axis."""
    values = [value for tested in panel.claims for value in tested.values]
    least, most = min(values), max(values)
    if panel.unit == LOSS and least > 0 and most > 20 * least:
        axes.set(xscale="log", xlim=(least / 1.4, most * 1.25))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.minorticks_off()
    else:
        margin = 0.06 * (most - least) or 0.1
        axes.set(xlim=(least - margin, most + margin))
        axes.locator_params(axis="x", nbins=6)
    axes.set(ylim=(panel.rows_height, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)


def _paint_comparison(axes: Axes, y: float, comparison: Comparison, finding: Finding) -> None:
    assert comparison.interval is not None
    scale = finding.unit.scale
    marker, colour, fill = _CONFIRMED if finding.verdict == CONFIRMED else _OTHERWISE
    mean, low, high = (scale * value for value in comparison.interval[:3])
    if math.isfinite(low):
        axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot(
        mean, y, marker, color=colour, markersize=4.2, markerfacecolor=fill, markeredgewidth=1.3
    )
    if comparison.paper is not None:
        axes.plot(scale * comparison.paper, y, "*", color=INK, markersize=6, markerfacecolor="none")


def _paint_side(axes: Axes, rows: tuple[float, float], finding: Finding) -> None:
    """Draw the bar, and shade the claim's side of it."""
    bar = finding.unit.scale * finding.bar.value
    low, high = axes.get_xlim()
    left, right = (low, bar) if finding.bar.below else (bar, high)
    height = rows[1] - rows[0]
    shade = Rectangle((left, rows[0]), right - left, height, color=GRID, alpha=0.45, linewidth=0)
    axes.add_patch(shade).set_zorder(0.6)
    axes.plot([bar, bar], rows, color=INK, linewidth=1.5, solid_capstyle="butt", zorder=1.5)


def _legend(drawing: Drawing, columns: list[list[_Panel]], one_line: bool) -> None:
    marks = {"confirmed": _CONFIRMED, "not confirmed": _OTHERWISE}
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker=marker, color=colour, markersize=4.5, markerfacecolor=fill,
               markeredgewidth=1.3, label=label)
        for label, (marker, colour, fill) in marks.items()
    ]  # fmt: skip
    handles.append(Patch(color=GRID, alpha=0.6, linewidth=0, label="the claim's side of its bar"))
    if _has_paper(columns):
        handles.append(
            Line2D([], [], marker="*", color=INK, markersize=6, markerfacecolor="none",
                   linestyle="none", label="the paper's value")
        )  # fmt: skip
    columns_of_legend = len(handles) if one_line else 2
    drawing.legend(
        handles=handles, loc="lower center", ncols=columns_of_legend, fontsize=8.5,
        borderaxespad=0, borderpad=0, labelspacing=0.3,
    )  # fmt: skip


def _findings(columns: list[list[_Panel]]) -> Iterator[tuple[Claim, str, Finding]]:
    """Yield (claim, label of the data set, finding) from top to bottom."""
    for panels in columns:
        for panel in panels:
            for claim, findings in panel.claims:
                yield from ((claim, label, finding) for label, finding in findings.items())


def _has_paper(columns: list[list[_Panel]]) -> bool:
    return any(
        comparison.paper is not None
        for *_, finding in _findings(columns)
        for comparison in finding.comparisons
    )


def _in_words(columns: list[list[_Panel]]) -> str:
    """Return every effect with its verdict."""
    lines = [
        f"{claim.number} {claim.brief}, {label}: {'; '.join(finding.intervals)}: {finding.verdict}"
        for claim, label, finding in _findings(columns)
    ]
    return (
        "Forest plot. A mark is an effect, its line the 95 % interval over seeds; for claims 11 "
        "and 12 the smallest slack of all runs ± 4 standard errors. A thick upright line is the "
        "claim's bar: a claim is confirmed where every line lies on the shaded side (claim 11: "
        f"unless a whole line lies outside). {'. '.join(lines)}."
    )
