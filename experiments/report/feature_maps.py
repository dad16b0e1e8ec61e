"""Maps of test features side by side: supervised, unsupervised, and with large blocks."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from experiments.drawing import COLOURS, INK, MARKERS, Figure, draw
from experiments.report.load_runs import DatasetStudies
from experiments.report.table_formats import slug


def feature_maps(studies: DatasetStudies) -> Figure | None:
    """Draw the first seed's map of each of these encoders; return None if there is none."""
    maps = dict(_maps(studies))
    if not maps:
        return None

    def paint(drawing: Drawing) -> None:
        panels = drawing.subplots(1, len(maps), squeeze=False)[0]
        for axes, (title, feature_map) in zip(panels, maps.items(), strict=True):
            _draw_map(axes, title, feature_map)

    first = next(iter(maps.values()))
    method = "PCA" if first["method"] == "pca" else first["method"]
    return draw(
        slug(f"map {studies.label}"),
        f"Test features of {studies.label} in the plane ({method})",
        f"Some test points of {len(first['classes'])} classes, mapped by {first['method']}: "
        f"{', '.join(maps)}.",
        paint,
        190 if len(maps) > 1 else 330,
    )


def _maps(studies: DatasetStudies) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (title, map in the result of the first seed)."""
    wanted = {
        "supervised": studies.runs("table1", method="supervised"),
        "unsupervised": studies.runs("table1", method="unsupervised"),
    }
    if sizes := studies.values("table2", "block_size", method="CURL"):
        runs = studies.runs("table2", method="CURL", block_size=sizes[-1])
        wanted[f"blocks of {sizes[-1]}"] = runs
    for title, runs in wanted.items():
        if runs and (feature_map := runs[0].result.get("map")):
            yield title, feature_map


def _draw_map(axes: Axes, title: str, feature_map: dict[str, Any]) -> None:
    """Draw every class's points, and its mean as a large mark."""
    classes, labels = feature_map["classes"], feature_map["labels"]
    for number, (name, mean) in enumerate(zip(classes, feature_map["means"], strict=True)):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        points = [
            p for p, label in zip(feature_map["points"], labels, strict=True) if label == name
        ]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, marker, color=colour, markersize=2, alpha=0.55, linestyle="none")
        axes.plot(
            *mean, marker, color=colour, markersize=7, markeredgecolor=INK, markeredgewidth=0.9
        )
    axes.set_title(title)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    if feature_map["variance"] is not None:
        share = 100 * sum(feature_map["variance"])
        axes.set_xlabel(f"{share:.0f} % of variance", fontsize=8.5)
