"""The report's figures. Those of accuracy are drawn here: Figures 2a and 2b, Table 2, ablations."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure as Drawing

from experiments.drawing import Figure, curve, draw, legend
from experiments.metric_names import metric_title
from experiments.report.configurations import SeedGroup
from experiments.report.feature_maps import feature_maps
from experiments.report.load_runs import DatasetStudies
from experiments.report.loss_figures import bounds, losses
from experiments.report.paper_numbers import FIGURE_METRICS
from experiments.report.table_formats import measure, slug, table_2_metric
from experiments.statistics import Summary
from experiments.storage.results import Run

_AVG2 = ("test.mean.avg2", "AVG-2 of μ")
# label of a curve -> for each x, the runs there
RunsAlong = dict[str, list[tuple[float, Sequence[Run]]]]


class Curve(NamedTuple):
    """One curve of accuracies in %: a point for each x that has runs."""

    label: str
    xs: list[float]
    accuracies: list[Summary]


class Axes(NamedTuple):
    """The text of a figure's axes, and what its curves stand for ("one curve per ...")."""

    x: str
    y: str
    curves: str


def figures(studies: DatasetStudies) -> list[Figure]:
    """Draw every figure that has runs."""
    drawn = (
        amount_of_data(studies),
        losses(studies),
        blocks(studies),
        collisions(studies),
        budget(studies, "block_size"),
        budget(studies, "negatives"),
        bounds(studies),
        feature_maps(studies),
    )
    return [figure for figure in drawn if figure is not None]


def amount_of_data(studies: DatasetStudies) -> Figure | None:
    """Draw Figure 2a or 2b: accuracy against the share of unlabelled data, one curve per k."""
    study = next((name for name in FIGURE_METRICS if name in studies.cells), None)
    if study is None:
        return None
    shares = studies.values(study, "fraction")
    runs: RunsAlong = {
        f"k = {k}": [(100 * f, studies.runs(study, negatives=k, fraction=f)) for f in shares]
        for k in studies.values(study, "negatives")
    }
    number, metric = study.removeprefix("fig"), FIGURE_METRICS[study]
    title = f"Figure {number} on {studies.label}: more unlabelled data, more negatives"
    y = f"{metric_title(metric)} of μ"
    axes = Axes("share of the unlabelled points, %", y, "number of negatives k")
    return _accuracy_figure(
        f"{study}-{slug(studies.label)}", title, runs, f"test.mean.{metric}", axes
    )


def blocks(studies: DatasetStudies) -> Figure | None:
    """Draw Table 2: accuracy against the block size, one curve per objective."""
    sizes = studies.values("table2", "block_size")
    runs: RunsAlong = {
        method: [(b, studies.runs("table2", method=method, block_size=b)) for b in sizes]
        for method in ("CURL", "QT")
    }
    title = f"Table 2 on {studies.label}: larger blocks"
    metric, y = table_2_metric(studies.dataset)
    axes = Axes("block size b, points", y, "objective")
    return _accuracy_figure(f"table2-{slug(studies.label)}", title, runs, metric, axes)


def collisions(studies: DatasetStudies) -> Figure | None:
    """Draw accuracy against k, with collisions and without."""
    counts = studies.values("collisions", "negatives")
    runs: RunsAlong = {
        f"collisions {kind}": [
            (k, studies.runs("collisions", collisions=kind, negatives=k)) for k in counts
        ]
        for kind in ("allowed", "removed")
    }
    title = f"Collisions on {studies.label}: negatives of the anchor's own class"
    metric, y = _AVG2
    axes = Axes("negatives k", y, "kind of negatives")
    return _accuracy_figure(f"collisions-{slug(studies.label)}", title, runs, metric, axes)


def budget(studies: DatasetStudies, axis: str) -> Figure | None:
    """Draw accuracy against b or k at an equal number of tuples, and of encoded points."""
    values = studies.values("budget", "value", axis=axis)
    runs: RunsAlong = {
        f"equal {cost}": [
            (v, studies.runs("budget", axis=axis, value=v, equal=cost)) for v in values
        ]
        for cost in studies.values("budget", "equal", axis=axis)
    }
    x = {"block_size": "block size b", "negatives": "negatives k"}[axis]
    title = f"Budget on {studies.label}: {x} at equal cost"
    metric, y = _AVG2
    name = f"budget-{slug(axis)}-{slug(studies.label)}"
    return _accuracy_figure(name, title, runs, metric, Axes(x, y, "what is held equal"))


def imbalance(name: str, title: str, cells: Sequence[SeedGroup]) -> Figure | None:
    """Draw accuracy on majority and minority classes against their ratio R.

    Return None for a sweep over other options.
    """
    if any([*cell.labels] != ["dataset.imbalance"] for cell in cells):
        return None
    places = [(float(cell.labels["dataset.imbalance"]), cell.runs) for cell in cells]
    metrics = {
        "all classes": "test.mean.top1",
        "majority classes": "test.mean.top1_majority",
        "minority classes": "test.mean.top1_minority",
    }
    curves = [_curve(label, places, metric) for label, metric in metrics.items()]
    if not all(curve.xs for curve in curves):
        return None
    return _draw_curves(name, title, curves, Axes("imbalance R", "TOP-1 of μ", "group of classes"))


def _accuracy_figure(
    name: str, title: str, runs: RunsAlong, metric: str, axes: Axes
) -> Figure | None:
    """Draw one curve per label; return None if no run has the metric."""
    curves = [_curve(label, places, metric) for label, places in runs.items()]
    curves = [curve for curve in curves if curve.xs]
    return _draw_curves(name, title, curves, axes) if curves else None


def _curve(label: str, places: Sequence[tuple[float, Sequence[Run]]], metric: str) -> Curve:
    points = [
        (x, accuracy.summary)
        for x, runs in places
        if (accuracy := measure(run.metrics.get(metric) for run in runs))
    ]
    return Curve(label, [x for x, _ in points], [summary for _, summary in points])


def _draw_curves(name: str, title: str, curves: list[Curve], text: Axes) -> Figure:
    ticks = sorted({x for curve in curves for x in curve.xs})
    logarithmic = ticks[0] > 0 and ticks[-1] / ticks[0] > 4

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (label, xs, accuracies) in enumerate(curves):
            # Curves are shifted a little, so that error bars stand side by side.
            shift = 1.02 ** (number - (len(curves) - 1) / 2) if logarithmic else 1
            means = [accuracy.mean for accuracy in accuracies]
            errors = [accuracy.std or 0 for accuracy in accuracies]
            curve(axes, number, [x * shift for x in xs], means, errors, label)
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(f"{text.x} (log scale)" if logarithmic else text.x)
        axes.set_ylabel(f"{text.y}, %")
        legend(drawing, axes, min(len(curves), 4))

    values = "; ".join(
        f"{label}: " + ", ".join(f"{a.mean:.1f} at {x:g}" for x, a in zip(xs, means, strict=True))
        for label, xs, means in curves
    )
    description = (
        f"{text.y} in % against {text.x}, one curve per {text.curves}; "
        f"error bars: standard deviation over seeds. {values}."
    )
    return draw(name, title, description, paint)
