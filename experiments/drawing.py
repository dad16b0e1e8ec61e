"""Figures drawn by matplotlib as SVG: one in a page's colours, one that stands by itself."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

# A page replaces these colours by its own, so that figures can be read on light and on dark. The
# palette is Okabe and Ito's, darkened where it is pale on white. Markers and dashes tell curves
# apart without colour.
INK, GRID = "#1b1b1f", "#d3d3d8"
COLOURS = ("#0072b2", "#c24e00", "#007a5a", "#a8478a", "#7a6000", "#55555f")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))
# The width in the SVG's own units: about that of a phone, where text then keeps its size.
WIDTH = 360

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "errorbar.capsize": 3,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": False,
}
_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Figure:
    """``description``: the figure in words; ``svg``: the drawing for a page, in its colours."""

    slug: str
    title: str
    description: str
    svg: str

    def standalone(self) -> str:
        """Return the SVG as a file of its own: fixed colours, on white."""
        svg = re.sub(r"var\(--[a-z0-9-]+, (#[0-9a-f]{6})\)", r"\1", self.svg)
        white = '<rect width="100%" height="100%" fill="#ffffff"/>'
        svg = svg.replace("currentColor", INK).replace("</desc>", f"</desc>{white}", 1)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'


def draw(
    slug: str,
    title: str,
    description: str,
    paint: Callable[[Drawing], None],
    height: float = 270,
    width: float = WIDTH,
) -> Figure:
    """Let ``paint`` draw on an empty figure; the same drawing gives the same bytes.

    ``height`` and ``width`` are in the SVG's units, see :data:`WIDTH`.
    """
    with mpl.rc_context():
        mpl.rcdefaults()  # The user's matplotlibrc must not change the figure.
        mpl.rcParams.update(_STYLE | {"svg.hashsalt": slug})
        drawing = Drawing(figsize=(width / 72, height / 72), layout="constrained")
        FigureCanvasSVG(drawing)
        paint(drawing)
        out = io.StringIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.savefig(out, format="svg", metadata=no_metadata)
    return Figure(slug, title, description, _adapt(out.getvalue(), slug, title, description))


def _adapt(svg: str, slug: str, title: str, description: str) -> str:
    """Return the SVG with the page's colours and font, unique ids, a title and a description.

    The ids carry the slug, since a page holds many figures.
    """
    head, _, body = svg[svg.index("<svg") :].partition(">")
    (box,) = re.findall(r'viewBox="[^"]+"', head)
    for pattern, replacement in {
        r"(?s)<metadata>.*?</metadata>": "",
        r'\bid="': f'id="{slug}-',
        'href="#': f'href="#{slug}-',
        r"url\(#": f"url(#{slug}-",
        r"(font(?:-family)?: [^;\"]*?)'DejaVu Sans'": rf"\g<1>{_FONT}",
        INK: "currentColor",
        **{
            colour: f"var(--figure-{number}, {colour})"
            for number, colour in enumerate((GRID, *COLOURS))
        },
    }.items():
        body = re.sub(pattern, replacement, body)
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'<svg {space} {box} role="img" aria-labelledby="{slug}-title {slug}-desc">'
        f'<title id="{slug}-title">{escape(title)}</title>'
        f'<desc id="{slug}-desc">{escape(description)}</desc>'
        f"{body.rstrip()}"
    )


def curve(
    axes: Axes,
    number: int,
    x: Sequence[float],
    y: Sequence[float],
    error: Sequence[float] | None,
    label: str,
) -> None:
    """Draw a curve with error bars; its number chooses colour, marker and dashes."""
    i = number % len(COLOURS)
    axes.errorbar(
        x, y, yerr=error, color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=label
    )


def legend(drawing: Drawing, axes: Axes, columns: int) -> None:
    """Draw the legend of the axes below them, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=columns)
