"""The report's figures: accuracies with error bars (Figure 2 and others), feature maps."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from crl.experiments.drawing import COLOURS, INK, MARKERS, Figure, curve, draw, legend
from crl.experiments.metric_names import AVG2, metric_title
from crl.experiments.report.configurations import SeedGroup
from crl.experiments.report.loss_figures import bounds, losses
from crl.experiments.report.paper_numbers import FIGURE_METRICS
from crl.experiments.report.report_data import DatasetStudies
from crl.experiments.report.table_formats import measure, slug, table_2_metric
from crl.experiments.statistics import Summary
from crl.experiments.storage.results import Run

Curves = dict[str, dict[float, Summary]]  # label of a curve -> x -> accuracy in %


class Labels(NamedTuple):
    """The text of a figure's axes, and what its curves stand for ("one curve per ...")."""

    x: str
    y: str
    curves: str


def figures(studies: DatasetStudies) -> list[tuple[Figure, tuple[str, ...]]]:
    """Draw every figure that has runs; return each with the studies that it shows."""
    drawn = (
        (amount_of_data(studies), ("fig2a", "fig2b")),
        (losses(studies), ("fig2c",)),
        (blocks(studies), ("table2",)),
        (collisions(studies), ("collisions",)),
        (budget(studies, "block_size"), ("budget",)),
        (budget(studies, "negatives"), ("budget",)),
        (bounds(studies), tuple(studies.cells)),
        (feature_maps(studies), ("table1", "table2")),
    )
    return [(figure, names) for figure, names in drawn if figure is not None]


def amount_of_data(studies: DatasetStudies) -> Figure | None:
    """Draw Figure 2a or 2b: accuracy against the share of unlabelled data, one curve per k."""
    study = next((name for name in FIGURE_METRICS if name in studies.cells), None)
    if study is None:
        return None
    metric = FIGURE_METRICS[study]
    runs = {
        f"k = {k}": {
            100 * share: runs
            for share, runs in studies.runs_by("fraction", study, negatives=k).items()
        }
        for k in studies.values(study, "negatives")
    }
    return _accuracy_figure(
        f"{study}-{slug(studies.label)}",
        f"Figure {study.removeprefix('fig')} on {studies.label}: "
        "more unlabelled data, more negatives",
        _accuracies(runs, f"test.mean.{metric}"),
        Labels(
            "share of the unlabelled points, %",
            f"{metric_title(metric)} of μ",
            "number of negatives k",
        ),
    )


def blocks(studies: DatasetStudies) -> Figure | None:
    """Draw Table 2: accuracy against the block size, one curve per objective."""
    metric, title = table_2_metric(studies.dataset)
    runs = {m: studies.runs_by("block_size", "table2", method=m) for m in ("CURL", "QT")}
    return _accuracy_figure(
        f"table2-{slug(studies.label)}",
        f"Table 2 on {studies.label}: larger blocks",
        _accuracies(runs, metric),
        Labels("block size b, points", title, "objective"),
    )


def collisions(studies: DatasetStudies) -> Figure | None:
    """Draw accuracy against k, with collisions and without."""
    runs = {
        f"collisions {kind}": studies.runs_by("negatives", "collisions", collisions=kind)
        for kind in ("allowed", "removed")
    }
    return _accuracy_figure(
        f"collisions-{slug(studies.label)}",
        f"Collisions on {studies.label}: negatives of the anchor's own class",
        _accuracies(runs, AVG2),
        Labels("negatives k", "AVG-2 of μ", "kind of negatives"),
    )


def budget(studies: DatasetStudies, axis: str) -> Figure | None:
    """Draw accuracy against b or k at an equal number of tuples, and of encoded points."""
    x = {"block_size": "block size b", "negatives": "negatives k"}[axis]
    runs = {
        f"equal {cost}": studies.runs_by("value", "budget", axis=axis, equal=cost)
        for cost in studies.values("budget", "equal", axis=axis)
    }
    return _accuracy_figure(
        f"budget-{slug(axis)}-{slug(studies.label)}",
        f"Budget on {studies.label}: {x} at equal cost",
        _accuracies(runs, AVG2),
        Labels(x, "AVG-2 of μ", "cost that is held equal"),
    )


def imbalance(name: str, title: str, cells: Sequence[SeedGroup]) -> Figure | None:
    """Draw accuracy on majority and minority classes against their ratio R.

    Return None for a sweep over other options, or without all of these accuracies.
    """
    if any([*cell.labels] != ["dataset.imbalance"] for cell in cells):
        return None
    runs = {float(cell.labels["dataset.imbalance"]): cell.runs for cell in cells}
    curves: Curves = {}
    for group, suffix in (("all", ""), ("majority", "_majority"), ("minority", "_minority")):
        curves |= _accuracies({f"{group} classes": runs}, f"test.mean.top1{suffix}")
    if len(curves) < 3:
        return None
    return _accuracy_figure(
        name, title, curves, Labels("imbalance R", "TOP-1 of μ", "group of classes")
    )


def _accuracies(runs: dict[str, dict[float, tuple[Run, ...]]], metric: str) -> Curves:
    """Return the curves of a metric, without those that have no point."""
    curves = {
        label: {
            x: accuracy.summary
            for x, group in by_x.items()
            if (accuracy := measure(run.metrics.get(metric) for run in group))
        }
        for label, by_x in runs.items()
    }
    return {label: points for label, points in curves.items() if points}


def _accuracy_figure(name: str, title: str, curves: Curves, labels: Labels) -> Figure | None:
    """Draw the curves with error bars; return None if there are none."""
    if not curves:
        return None
    ticks = sorted({x for points in curves.values() for x in points})
    logarithmic = ticks[0] > 0 and ticks[-1] / ticks[0] > 4

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (label, points) in enumerate(curves.items()):
            # Curves are shifted a little, so that error bars stand side by side.
            shift = 1.02 ** (number - (len(curves) - 1) / 2) if logarithmic else 1
            means, errors = zip(*((a.mean, a.std or 0) for a in points.values()), strict=True)
            curve(axes, number, [x * shift for x in points], means, errors, label)
        axes.set(
            xscale="log" if logarithmic else "linear",
            xlabel=f"{labels.x} (log scale)" if logarithmic else labels.x,
            ylabel=f"{labels.y}, %",
        )
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        legend(drawing, axes, min(len(curves), 4))

    values = "; ".join(
        f"{label}: " + ", ".join(f"{a.mean:.1f} at {x:g}" for x, a in points.items())
        for label, points in curves.items()
    )
    return draw(
        name,
        title,
        f"{labels.y} in % against {labels.x}; one curve per {labels.curves}; "
        f"error bars: standard deviation over seeds. {values}.",
        paint,
    )


def feature_maps(studies: DatasetStudies) -> Figure | None:
    """Draw the first seed's map of each encoder side by side; return None if there is none."""
    maps = dict(_maps(studies))
    if not maps:
        return None

    def paint(drawing: Drawing) -> None:
        panels = drawing.subplots(1, len(maps), squeeze=False)[0]
        for axes, (title, feature_map) in zip(panels, maps.items(), strict=True):
            axes.set_title(title)
            _draw_map(axes, feature_map)

    first = next(iter(maps.values()))
    method = first["method"].replace("pca", "PCA")
    return draw(
        slug(f"map {studies.label}"),
        f"Test features of {studies.label} in the plane ({method})",
        f"Some test points of {len(first['classes'])} classes, mapped by {method}: "
        f"{', '.join(maps)}.",
        paint,
        190 if len(maps) > 1 else 330,
    )


def _maps(studies: DatasetStudies) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (title, map in the first seed's result): both methods, and the largest blocks."""
    encoders = {
        method: studies.runs("table1", method=method) for method in ("supervised", "unsupervised")
    }
    for size, runs in [*studies.runs_by("block_size", "table2", method="CURL").items()][-1:]:
        encoders[f"blocks of {size}"] = runs
    for title, runs in encoders.items():
        if runs and (feature_map := runs[0].result.get("map")):
            yield title, feature_map


def _draw_map(axes: Axes, feature_map: dict[str, Any]) -> None:
    """Draw every class's points, and its mean as a large mark."""
    for number, (name, mean) in enumerate(
        zip(feature_map["classes"], feature_map["means"], strict=True)
    ):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        points = [
            point
            for point, label in zip(feature_map["points"], feature_map["labels"], strict=True)
            if label == name
        ]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, marker, color=colour, markersize=2, alpha=0.55, linestyle="none")
        axes.plot(
            *mean, marker, color=colour, markersize=7, markeredgecolor=INK, markeredgewidth=0.9
        )
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    if feature_map["variance"] is not None:
        share = 100 * sum(feature_map["variance"])
        axes.set_xlabel(f"{share:.0f} % of variance", fontsize=8.5)
