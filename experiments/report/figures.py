"""The report's figures: the paper's Figures 2a to 2c and Table 2 as curves, the theory's bounds,
the ablations."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import NullFormatter

from experiments.drawing import COLOURS, INK, MARKERS, Figure, curve, draw, legend
from experiments.metric_names import metric_title
from experiments.report.claims import BOUNDS
from experiments.report.feature_maps import feature_maps
from experiments.report.load_runs import DatasetStudies, SeedGroup
from experiments.report.paper_numbers import FIGURE_METRICS
from experiments.report.table_formats import measure, slug, table_2_metric
from experiments.statistics import Summary, summarise
from experiments.storage.results import Run

_AVG2 = ("test.mean.avg2", "AVG-2 of μ")
_BARS = "error bars: standard deviation over seeds"
_LOSSES = {
    "unsupervised_train_loss": "unsupervised, training points",
    "unsupervised_test_loss": "unsupervised, test points",
    "supervised_test_loss": "supervised, test points",
}
Curves = list[
    tuple[str, list[tuple[float, Sequence[Run]]]]
]  # label and, for each x, the runs there


def figures(subject: DatasetStudies) -> list[Figure]:
    """Every figure that the subject has runs for."""
    made = [amount_of_data(subject), losses(subject), blocks(subject), collisions(subject)]
    made += [budget(subject, axis) for axis in ("block_size", "negatives")]
    return [
        figure for figure in (*made, bounds(subject), feature_maps(subject)) if figure is not None
    ]


def amount_of_data(subject: DatasetStudies) -> Figure | None:
    """Figure 2a or 2b: accuracy against the share of unlabelled data, one curve per k."""
    study = next((name for name in FIGURE_METRICS if name in subject.studies), None)
    if study is None:
        return None
    curves: Curves = [
        (
            f"k = {k}",
            [
                (100 * f, subject.runs(study, negatives=k, fraction=f))
                for f in subject.values(study, "fraction")
            ],
        )
        for k in subject.values(study, "negatives")
    ]
    title = f"Figure {study.removeprefix('fig')} on {subject.label}: more unlabelled data, more negatives"
    metric = FIGURE_METRICS[study]
    what = f"{metric_title(metric)} of μ"
    axis = "share of the unlabelled points, %"
    return _accuracy_figure(
        study, title, subject, curves, axis, f"test.mean.{metric}", what, "number of negatives k"
    )


def blocks(subject: DatasetStudies) -> Figure | None:
    """Table 2 as curves: accuracy against the block size."""
    sizes = subject.values("table2", "block_size")
    curves: Curves = [
        (method, [(b, subject.runs("table2", method=method, block_size=b)) for b in sizes])
        for method in ("CURL", "QT")
    ]
    title = f"Table 2 on {subject.label}: larger blocks"
    return _accuracy_figure(
        "table2",
        title,
        subject,
        curves,
        "block size b, points",
        *table_2_metric(subject.dataset),
        "objective",
    )


def collisions(subject: DatasetStudies) -> Figure | None:
    """Accuracy against k, with collisions and without."""
    curves: Curves = [
        (
            f"collisions {kind}",
            [(k, subject.runs("collisions", collisions=kind, negatives=k)) for k in counts],
        )
        for kind in ("allowed", "removed")
        if (counts := subject.values("collisions", "negatives"))
    ]
    title = f"Collisions on {subject.label}: negatives of the anchor's own class"
    return _accuracy_figure(
        "collisions", title, subject, curves, "negatives k", *_AVG2, "kind of negatives"
    )


def budget(subject: DatasetStudies, axis: str) -> Figure | None:
    """Accuracy against b or k at an equal number of tuples, and of encoded points."""
    values = subject.values("budget", "value", axis=axis)
    curves: Curves = [
        (
            f"equal {what}",
            [(v, subject.runs("budget", axis=axis, value=v, equal=what)) for v in values],
        )
        for what in subject.values("budget", "equal", axis=axis)
    ]
    name = {"block_size": "block size b", "negatives": "negatives k"}[axis]
    title = f"Budget on {subject.label}: {name} at equal cost"
    return _accuracy_figure(
        f"budget-{slug(axis)}", title, subject, curves, name, *_AVG2, "what is held equal"
    )


def imbalance(file: str, title: str, cells: Sequence[SeedGroup]) -> Figure | None:
    """Accuracy on majority and minority classes against their ratio; None for a sweep of anything
    else."""
    if any([*cell.labels] != ["dataset.imbalance"] for cell in cells):
        return None
    places = [(float(cell.labels["dataset.imbalance"]), cell.runs) for cell in cells]
    groups = {"all classes": "", "majority classes": "_majority", "minority classes": "_minority"}
    drawn = [
        (label, *_measured(places, f"test.mean.top1{suffix}")) for label, suffix in groups.items()
    ]
    drawn = [(label, xs, values) for label, xs, values in drawn if xs]
    if len(drawn) < len(groups):
        return None
    return _curves_figure(file, title, drawn, "imbalance R", "TOP-1 of μ", "group of classes")


def _accuracy_figure(
    kind: str,
    title: str,
    subject: DatasetStudies,
    curves: Curves,
    axis: str,
    metric: str,
    what: str,
    of: str,
) -> Figure | None:
    """One curve per label, a point where there are runs; None where there is no point at all."""
    drawn = [(label, *_measured(places, metric)) for label, places in curves]
    drawn = [(label, xs, values) for label, xs, values in drawn if xs]
    return (
        _curves_figure(f"{kind}-{slug(subject.label)}", title, drawn, axis, what, of)
        if drawn
        else None
    )


def _measured(
    places: Sequence[tuple[float, Sequence[Run]]], metric: str
) -> tuple[list[float], list[Summary]]:
    """The metric in % for each x that has it."""
    found = [
        (x, m.summary)
        for x, runs in places
        if (m := measure(run.metrics.get(metric) for run in runs))
    ]
    return [x for x, _ in found], [summary for _, summary in found]


def _curves_figure(
    file: str,
    title: str,
    drawn: list[tuple[str, list[float], list[Summary]]],
    axis: str,
    what: str,
    of: str,
) -> Figure:
    marks = sorted({x for _, xs, _ in drawn for x in xs})
    wide = marks[0] > 0 and marks[-1] / marks[0] > 4

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (label, xs, values) in enumerate(drawn):
            aside = (
                1.02 ** (number - (len(drawn) - 1) / 2) if wide else 1
            )  # so that error bars stand side by side
            curve(
                axes,
                number,
                [x * aside for x in xs],
                [v.mean for v in values],
                [v.std or 0 for v in values],
                label,
            )
        if wide:
            axes.set_xscale("log")
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        axes.set_xlabel(f"{axis} (log scale)" if wide else axis)
        axes.set_ylabel(f"{what}, %")
        legend(drawing, axes, min(len(drawn), 4))

    said = "; ".join(
        f"{label}: " + ", ".join(f"{v.mean:.1f} at {x:g}" for x, v in zip(xs, values, strict=True))
        for label, xs, values in drawn
    )
    description = f"{what} in % against {axis}, one curve per {of}; {_BARS}. {said}."
    return draw(file, title, description, paint)


def losses(subject: DatasetStudies) -> Figure | None:
    """Figure 2c: the three losses over the epochs, mean and standard deviation over seeds."""
    curves = {name: _by_epoch(subject.runs("fig2c"), name) for name in _LOSSES}
    if not any(curves.values()):
        return None

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (name, label) in enumerate(_LOSSES.items()):
            epochs, found = (
                list(curves[name]),
                [summarise(values) for values in curves[name].values()],
            )
            low, high = ([s.mean + sign * (s.std or 0) for s in found] for sign in (-1, 1))
            axes.fill_between(epochs, low, high, color=COLOURS[number], alpha=0.2, linewidth=0)
            curve(axes, number, epochs, [s.mean for s in found], None, label)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("passes over the training points (epochs)")
        axes.set_ylabel("loss")
        legend(drawing, axes, 1)

    said = "; ".join(
        f"{label}: from {summarise(next(iter(found.values()))).mean:.3f} to {summarise(list(found.values())[-1]).mean:.3f}"
        for name, label in _LOSSES.items()
        if (found := curves[name])
    )
    description = f"Three losses against epochs, mean over seeds; band: standard deviation over seeds. {said}."
    title = f"Figure 2c on {subject.label}: the supervised loss and the unsupervised ones"
    return draw(f"fig2c-{slug(subject.label)}", title, description, paint, 310)


def _by_epoch(runs: Sequence[Run], name: str) -> dict[float, list[float]]:
    """epoch -> the seeds' losses, over the epochs that every seed has."""
    found: dict[float, list[float]] = {}
    for run in runs:
        for line in run.curve():
            if name in line and "epoch" in line:
                found.setdefault(line["epoch"], []).append(line[name])
    most = max(map(len, found.values()), default=0)
    return {epoch: values for epoch, values in sorted(found.items()) if len(values) == most}


def bounds(subject: DatasetStudies) -> Figure | None:
    """Left against right of every bound, one mark a run; above the diagonal the bound holds."""
    runs = sorted(subject.every_run(), key=lambda run: (run.name, run.seed))
    kinds: dict[str, list[Run]] = {"supervised": [], "unsupervised": []}
    for run in runs:
        if run.theory("lemma_4_3", "slack") is not None:
            kinds[
                "supervised" if run.config["objective"]["name"] == "supervised" else "unsupervised"
            ].append(run)
    count = sum(map(len, kinds.values()))
    if not count:
        return None

    def paint(drawing: Drawing) -> None:
        panels: Any = drawing.subplots(3, 2)
        for axes, (bound, title) in zip(panels.flat, BOUNDS.items(), strict=True):
            sides: list[float] = []
            for number, (kind, found) in enumerate(kinds.items()):
                pairs = [(run.theory(bound, "left"), run.theory(bound, "right")) for run in found]
                known = [
                    (left, right) for left, right in pairs if left is not None and right is not None
                ]
                sides += [side for pair in known for side in pair]
                lefts, rights = [left for left, _ in known], [right for _, right in known]
                axes.plot(
                    lefts,
                    rights,
                    MARKERS[number],
                    color=COLOURS[number],
                    label=kind,
                    alpha=0.75,
                    markersize=4,
                )
            if sides:
                ends = _ends(axes, min(sides), max(sides))
                axes.plot(ends, ends, color=INK, linewidth=0.9, linestyle=":")
                axes.set(xlim=ends, ylim=ends)
            axes.set_title(title.replace(" (Jensen)", "").replace("Proposition", "Prop."))
            if axes.get_xscale() == "linear":
                axes.locator_params(nbins=3)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=2)
        for axes in panels[-1]:
            axes.set_xlabel("left side")
        for axes in panels[:, 0]:
            axes.set_ylabel("right side")

    title = f"Bounds on {subject.label}: right side against left side"
    description = (
        f"One mark for each of {count} runs, on test features, in six panels, one a bound; dotted: equality. "
        "A mark on or above the dotted line is a run on which the bound holds; its height above it is the slack."
    )
    return draw(f"bounds-{slug(subject.label)}", title, description, paint, 520)


def _ends(axes: Axes, least: float, most: float) -> tuple[float, float]:
    """Of both axes; logarithmic ones where the sides differ by more than their marks could show."""
    if least > 0 and most > 20 * least:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(
                NullFormatter()
            )  # or they would crowd a range of less than a decade
        return least / 1.3, most * 1.3
    margin = 0.06 * (most - least) or 0.1
    return least - margin, most + margin
