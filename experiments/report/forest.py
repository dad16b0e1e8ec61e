"""The picture of all claims: a forest plot of every effect beside its claim's bar."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator

from crl.experiments.drawing import COLOURS, GRID, INK, Figure, draw
from crl.experiments.report.claims import JudgedClaim
from crl.experiments.report.forest_panels import (
    AXIS,
    HEAD,
    ROW,
    Panel,
    balanced,
    findings_of,
    has_own_row,
    panels_of,
    shown,
    total,
)
from crl.experiments.report.verdicts import (
    CONFIRMED,
    LOSS,
    Comparison,
    Finding,
)

# Verdict -> marker, colour, fill: a shape tells them apart without colour.
_CONFIRMED, _OTHERWISE = ("o", COLOURS[2], COLOURS[2]), ("D", COLOURS[1], "none")

# Sizes in the SVG's units.
_WIDE, _NARROW = 810, 300
_GUTTER, _NUMBERS, _GAP, _LEGEND = 108, 106, 26, 30


class Forest(NamedTuple):
    """One picture drawn twice: for a wide window, and for a phone.

    ``has_paper``: whether a value of the paper is in it.
    """

    wide: Figure
    narrow: Figure
    has_paper: bool


def forest(judged: Sequence[JudgedClaim]) -> Forest | None:
    """Draw every claim that was tested; return None if none was."""
    panels = list(panels_of(judged))
    if not panels:
        return None
    columns = balanced(panels)
    width = _WIDE if len(columns) > 1 else _WIDE // 2
    title = "Every claim on every data set: effect, interval and bar"
    return Forest(
        _drawn("claims", title, columns, width, _NUMBERS),
        _drawn("claims-narrow", title, [panels], _NARROW, 0),
        _has_paper([panels]),
    )


def _drawn(slug: str, title: str, columns: list[list[Panel]], width: int, numbers: int) -> Figure:
    height = max(map(total, columns)) + _LEGEND

    def paint(drawing: Drawing) -> None:
        drawing.set_layout_engine("none")
        each = (width - _GAP * (len(columns) - 1)) / len(columns)
        for place, panels in enumerate(columns):
            left, top = place * (each + _GAP) + _GUTTER, height
            for panel in panels:
                top -= panel.height
                box = (left, top + AXIS, each - _GUTTER - (numbers or 8), panel.rows_height)
                axes = drawing.add_axes(
                    (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
                )
                _paint_panel(axes, panel, box[2], bool(numbers))
        _legend(drawing, columns, len(columns) > 1)

    return draw(slug, title, _in_words(columns), paint, height, width)


def _paint_panel(axes: Axes, panel: Panel, width: float, with_numbers: bool) -> None:
    """Draw the claims from top to bottom; y is in the SVG's units."""
    _scale(axes, panel)
    at_left = -_GUTTER / width
    write = _writer(axes)
    axes.set_title(panel.title, loc="left", x=at_left, fontsize=9.5, fontweight="bold", pad=4)
    y = 0.0
    for claim, findings in panel.claims:
        write(at_left, y + 0.62 * HEAD, f"{claim.number}  {claim.brief}", fontsize=9)
        y += HEAD
        top = y
        for label, finding in findings.items():
            if has_own_row(label, finding):
                write(at_left + 8 / width, y + ROW / 2, _fitting(label), fontsize=8)
                y += ROW
            else:
                write(at_left + 8 / width, y + ROW / 2, label, fontsize=8)
            for comparison in shown(finding):
                if comparison.part:
                    write(-6 / width, y + ROW / 2, comparison.part, fontsize=8, ha="right")
                _paint_comparison(axes, y + ROW / 2, comparison, finding)
                if with_numbers and comparison.interval:
                    numbers = finding.unit.range(comparison.interval)
                    write(1 + 6 / width, y + ROW / 2, numbers, fontsize=7.5)
                y += ROW
        _paint_side(axes, (top, y), next(iter(findings.values())))


def _writer(axes: Axes) -> Callable[..., None]:
    def write(x: float, y: float, text: str, ha: str = "left", fontsize: float = 9) -> None:
        transform = axes.get_yaxis_transform()
        axes.text(
            x, y, text, ha=ha, va="center", fontsize=fontsize, transform=transform, parse_math=False
        )

    return write


def _fitting(label: str, most: int = 58) -> str:
    """Return a label with its middle left out if it is too long for a line."""
    half = most // 2
    return label if len(label) <= most else f"{label[:half]}…{label[-half:]}"


def _scale(axes: Axes, panel: Panel) -> None:
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
        has_long_numbers = most - least < 0.01
        axes.locator_params(axis="x", nbins=3 if has_long_numbers else 6)
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


def _legend(drawing: Drawing, columns: list[list[Panel]], one_line: bool) -> None:
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


def _has_paper(columns: list[list[Panel]]) -> bool:
    return any(
        comparison.paper is not None
        for *_, finding in findings_of(columns)
        for comparison in finding.comparisons
    )


def _in_words(columns: list[list[Panel]]) -> str:
    """Return every effect with its verdict."""
    lines = [
        f"{claim.number} {claim.brief}, {label}: {'; '.join(finding.intervals)}: {finding.verdict}"
        for claim, label, finding in findings_of(columns)
    ]
    return (
        "Forest plot. A mark is an effect, its line the 95 % interval over seeds; for claims 11 "
        "and 12 the smallest slack of all runs ± 4 standard errors. A thick upright line is the "
        "claim's bar: a claim is confirmed where every line lies on the shaded side (claim 11: "
        f"unless a whole line lies outside). {'. '.join(lines)}."
    )
