"""Maps of test features side by side: supervised, unsupervised, and unsupervised with large
blocks."""

from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure as Drawing

from experiments.drawing import COLOURS, INK, MARKERS, Figure, draw
from experiments.report.load_runs import DatasetStudies
from experiments.report.table_formats import slug
from experiments.storage.results import Run


def feature_maps(subject: DatasetStudies) -> Figure | None:
    """The first seed's map of each of these encoders; None where there is none."""
    found = list(_encoders(subject))
    if not found:
        return None

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots(1, len(found), squeeze=False)[0]
        for place, (name, run) in zip(axes, found, strict=True):
            _one(place, name, run.result["map"])

    method = found[0][1].result["map"]["method"]
    names = ", ".join(name for name, _ in found)
    title = (
        f"Test features of {subject.label} in the plane ({'PCA' if method == 'pca' else method})"
    )
    said = f"Some test points of {len(found[0][1].result['map']['classes'])} classes, mapped by {method}: {names}."
    return draw(
        slug(f"map {subject.label}"), title, said, paint, height=190 if len(found) > 1 else 330
    )


def _encoders(subject: DatasetStudies) -> Iterator[tuple[str, Run]]:
    """(title, a run that has a map)."""
    sizes = subject.values("table2", "block_size", method="CURL")
    wanted = [
        ("supervised", subject.runs("table1", method="supervised")),
        ("unsupervised", subject.runs("table1", method="unsupervised")),
    ]
    if sizes:
        wanted.append(
            (f"blocks of {sizes[-1]}", subject.runs("table2", method="CURL", block_size=sizes[-1]))
        )
    for name, runs in wanted:
        if runs and runs[0].result.get("map"):
            yield name, runs[0]


def _one(axes: Any, name: str, found: dict[str, Any]) -> None:
    for number, (label, mean) in enumerate(zip(found["classes"], found["means"], strict=True)):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        own = [
            point for point, of in zip(found["points"], found["labels"], strict=True) if of == label
        ]
        axes.plot(
            *zip(*own, strict=True),
            marker,
            color=colour,
            markersize=2,
            alpha=0.55,
            linestyle="none",
        )
        axes.plot(
            *mean, marker, color=colour, markersize=7, markeredgecolor=INK, markeredgewidth=0.9
        )
    axes.set_title(name)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    if found["variance"] is not None:
        axes.set_xlabel(f"{100 * sum(found['variance']):.0f} % of variance", fontsize=8.5)
