"""The report's figures, and how those of accuracy are drawn: Figures 2a, 2b and others."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure as Drawing

from experiments.drawing import Figure, curve, draw, legend
from experiments.metric_names import AVG2, metric_title
from experiments.report.configurations import SeedGroup
from experiments.report.feature_maps import feature_maps
from experiments.report.load_runs import DatasetStudies
from experiments.report.loss_figures import bounds, losses
from experiments.report.paper_numbers import FIGURE_METRICS
from experiments.report.table_formats import measure, slug, table_2_metric
from experiments.statistics import Summary
from experiments.storage.results import Run

RunsByX = dict[str, dict[float, tuple[Run, ...]]]  # label of a curve -> x -> the runs there
Curves = dict[str, dict[float, Summary]]  # label of a curve -> x -> accuracy in %


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
    shares, metric = studies.values(study, "fraction"), FIGURE_METRICS[study]
    runs: RunsByX = {
        f"k = {k}": {100 * f: studies.runs(study, negatives=k, fraction=f) for f in shares}
        for k in studies.values(study, "negatives")
    }
    number = study.removeprefix("fig")
    return _accuracy_figure(
        f"{study}-{slug(studies.label)}",
        f"Figure {number} on {studies.label}: more unlabelled data, more negatives",
        _accuracies(runs, f"test.mean.{metric}"),
        Axes(
            "share of the unlabelled points, %",
            f"{metric_title(metric)} of μ",
            "number of negatives k",
        ),
    )


def blocks(studies: DatasetStudies) -> Figure | None:
    """Draw Table 2: accuracy against the block size, one curve per objective."""
    sizes = studies.values("table2", "block_size")
    metric, title = table_2_metric(studies.dataset)
    runs: RunsByX = {
        method: {b: studies.runs("table2", method=method, block_size=b) for b in sizes}
        for method in ("CURL", "QT")
    }
    return _accuracy_figure(
        f"table2-{slug(studies.label)}",
        f"Table 2 on {studies.label}: larger blocks",
        _accuracies(runs, metric),
        Axes("block size b, points", title, "objective"),
    )


def collisions(studies: DatasetStudies) -> Figure | None:
    """Draw accuracy against k, with collisions and without."""
    counts = studies.values("collisions", "negatives")
    runs: RunsByX = {
        f"collisions {kind}": {
            k: studies.runs("collisions", collisions=kind, negatives=k) for k in counts
        }
        for kind in ("allowed", "removed")
    }
    return _accuracy_figure(
        f"collisions-{slug(studies.label)}",
        f"Collisions on {studies.label}: negatives of the anchor's own class",
        _accuracies(runs, AVG2),
        Axes("negatives k", "AVG-2 of μ", "kind of negatives"),
    )


def budget(studies: DatasetStudies, axis: str) -> Figure | None:
    """Draw accuracy against b or k at an equal number of tuples, and of encoded points."""
    values = studies.values("budget", "value", axis=axis)
    runs: RunsByX = {
        f"equal {cost}": {v: studies.runs("budget", axis=axis, value=v, equal=cost) for v in values}
        for cost in studies.values("budget", "equal", axis=axis)
    }
    x = {"block_size": "block size b", "negatives": "negatives k"}[axis]
    return _accuracy_figure(
        f"budget-{slug(axis)}-{slug(studies.label)}",
        f"Budget on {studies.label}: {x} at equal cost",
        _accuracies(runs, AVG2),
        Axes(x, "AVG-2 of μ", "what is held equal"),
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
    axes = Axes("imbalance R", "TOP-1 of μ", "group of classes")
    return _accuracy_figure(name, title, curves, axes) if len(curves) == 3 else None


def _accuracies(runs: RunsByX, metric: str) -> Curves:
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


def _accuracy_figure(name: str, title: str, curves: Curves, text: Axes) -> Figure | None:
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
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(f"{text.x} (log scale)" if logarithmic else text.x)
        axes.set_ylabel(f"{text.y}, %")
        legend(drawing, axes, min(len(curves), 4))

    values = "; ".join(
        f"{label}: " + ", ".join(f"{a.mean:.1f} at {x:g}" for x, a in points.items())
        for label, points in curves.items()
    )
    return draw(
        name,
        title,
        f"{text.y} in % against {text.x}, one curve per {text.curves}; "
        f"error bars: standard deviation over seeds. {values}.",
        paint,
    )
