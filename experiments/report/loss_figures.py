"""The figures of losses: Figure 2c over the epochs, and the theory's bounds run by run."""

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import setp
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import NullFormatter

from crl.experiments.drawing import COLOURS, INK, MARKERS, Figure, curve, draw, legend
from crl.experiments.metric_names import BOUNDS
from crl.experiments.report.report_data import DatasetStudies
from crl.experiments.report.table_formats import slug
from crl.experiments.statistics import summarise
from crl.experiments.storage.results import Run

_LOSSES = {
    "unsupervised_train_loss": "unsupervised, training points",
    "unsupervised_test_loss": "unsupervised, test points",
    "supervised_test_loss": "supervised, test points",
}


def losses(studies: DatasetStudies) -> Figure | None:
    """Draw Figure 2c: three losses over the epochs, mean and standard deviation over seeds."""
    curves = {
        label: {epoch: summarise(values) for epoch, values in by_epoch.items()}
        for name, label in _LOSSES.items()
        if (by_epoch := _by_epoch(studies.runs("fig2c"), name))
    }
    if not curves:
        return None

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, label in enumerate(_LOSSES.values()):
            epochs, summaries = [*curves.get(label, {})], [*curves.get(label, {}).values()]
            low, high = ([s.mean + sign * (s.std or 0) for s in summaries] for sign in (-1, 1))
            axes.fill_between(epochs, low, high, color=COLOURS[number], alpha=0.2, linewidth=0)
            curve(axes, number, epochs, [s.mean for s in summaries], None, label)
        axes.locator_params(axis="x", integer=True)
        axes.set(xlabel="passes over the training points (epochs)", ylabel="loss")
        legend(drawing, axes, 1)

    means = {label: [s.mean for s in by_epoch.values()] for label, by_epoch in curves.items()}
    values = (f"{label}: from {m[0]:.3f} to {m[-1]:.3f}" for label, m in means.items())
    return draw(
        f"fig2c-{slug(studies.label)}",
        f"Figure 2c on {studies.label}: the supervised loss and the unsupervised ones",
        "Three losses against epochs, mean over seeds; band: standard deviation over seeds. "
        f"{'; '.join(values)}.",
        paint,
        310,
    )


def _by_epoch(runs: Sequence[Run], name: str) -> dict[float, list[float]]:
    """Return epoch -> the seeds' losses, for the epochs that every seed has."""
    by_epoch: dict[float, list[float]] = {}
    for run in runs:
        for line in run.curve():
            if name in line and "epoch" in line:
                by_epoch.setdefault(line["epoch"], []).append(line[name])
    most = max(map(len, by_epoch.values()), default=0)
    return {epoch: values for epoch, values in sorted(by_epoch.items()) if len(values) == most}


def bounds(studies: DatasetStudies) -> Figure | None:
    """Draw the sides of every bound, one mark per run; above the diagonal the bound holds."""
    runs = [
        run
        for run in sorted(studies.every_run(), key=lambda run: (run.name, run.seed))
        if run.theory("lemma_4_3", "slack") is not None
    ]
    if not runs:
        return None
    kinds = {
        kind: [run for run in runs if (run.config["objective"]["name"] == "supervised") == is_kind]
        for kind, is_kind in (("supervised", True), ("unsupervised", False))
    }

    def paint(drawing: Drawing) -> None:
        panels: Any = drawing.subplots(3, 2)
        for axes, (bound, title) in zip(panels.flat, BOUNDS.items(), strict=True):
            _bound_panel(axes, bound, kinds)
            axes.set_title(title.replace(" (Jensen)", "").replace("Proposition", "Prop."))
            if axes.get_xscale() == "linear":
                axes.locator_params(nbins=3)
        legend(drawing, panels[0, 0], 2)
        setp(panels[-1], xlabel="left side")
        setp(panels[:, 0], ylabel="right side")

    return draw(
        f"bounds-{slug(studies.label)}",
        f"Bounds on {studies.label}: right side against left side",
        f"Each of the six panels shows a bound, each mark one of {len(runs)} runs (test points). "
        "The bound holds on and above the dotted line, where both sides are equal; the height "
        "above the line is the slack.",
        paint,
        520,
    )


def _bound_panel(axes: Axes, bound: str, kinds: dict[str, list[Run]]) -> None:
    sides: list[float] = []
    for number, (kind, runs) in enumerate(kinds.items()):
        known = [
            (left, right)
            for run in runs
            if (left := run.theory(bound, "left")) is not None
            and (right := run.theory(bound, "right")) is not None
        ]
        sides += [side for pair in known for side in pair]
        axes.plot(
            [left for left, _ in known],
            [right for _, right in known],
            MARKERS[number],
            color=COLOURS[number],
            label=kind,
            alpha=0.75,
            markersize=4,
        )
    if sides:
        ends = _limits(axes, min(sides), max(sides))
        axes.plot(ends, ends, color=INK, linewidth=0.9, linestyle=":")
        axes.set(xlim=ends, ylim=ends)


def _limits(axes: Axes, least: float, most: float) -> tuple[float, float]:
    """Return the limits of both axes; make them logarithmic if the sides differ 20-fold."""
    if least > 0 and most > 20 * least:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            # Minor labels would crowd a range of less than a decade.
            axis.set_minor_formatter(NullFormatter())
        return least / 1.3, most * 1.3
    margin = 0.06 * (most - least) or 0.1
    return least - margin, most + margin
