"""The files of ``crl geometry``: numbers, heat maps, and minority classes against the imbalance."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from crl.experiments.analysis.class_geometry import RunGeometry, is_step
from crl.experiments.analysis.output import write_analysis
from crl.experiments.drawing import COLOURS, MARKERS, Figure, draw, legend
from crl.theory.optimal_geometry import (
    collapse_threshold,
    mean_cosine,
    optimal_gram,
    step_distribution,
)

_CURVE = 25  # imbalances at which a predicted curve is computed
_FEW = 20  # classes; with more, only the runs' own imbalances are predicted


def write(geometries: Sequence[RunGeometry], out: Path) -> list[Path]:
    """Write ``geometry.json`` and the figures to ``out``; return their paths.

    Every run has a heat map. Minority cosines are drawn if predicted runs differ in imbalance.
    Raises ConfigError if the folder cannot be written.
    """
    figures = [heat_maps(geometry, number) for number, geometry in enumerate(geometries, 1)]
    predicted = [geometry for geometry in geometries if geometry.predicted is not None]
    if len({round(geometry.imbalance, 6) for geometry in predicted}) > 1:
        figures.append(against_imbalance(predicted))
    numbers = [
        {
            "run": str(geometry.path),
            "title": geometry.title,
            **geometry.measures,
            "rho": geometry.rho.tolist(),
            "reached_gram": geometry.reached.tolist(),
            "predicted_gram": None if geometry.predicted is None else geometry.predicted.tolist(),
        }
        for geometry in geometries
    ]
    return write_analysis(out, "geometry", numbers, figures)


def heat_maps(geometry: RunGeometry, number: int) -> Figure:
    """Draw the cosines between class means, predicted and reached; likely classes come first."""
    order = geometry.rho.argsort(descending=True, stable=True)
    grams = {"predicted": geometry.predicted, "reached": geometry.reached}
    shown = {
        name: gram[order][:, order].numpy() for name, gram in grams.items() if gram is not None
    }

    def paint(drawing: Drawing) -> None:
        panels = drawing.subplots(1, len(shown), squeeze=False)[0]
        for axes, (name, gram) in zip(panels, shown.items(), strict=True):
            image = axes.imshow(gram, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            axes.grid(False)
            axes.set(title=name, xticks=[], yticks=[])
        label = "cosine between class means"
        drawing.colorbar(image, ax=panels, location="bottom", shrink=0.6, label=label)

    beside = f", beside those predicted for k = {geometry.negatives} and the {geometry.loss} loss"
    return draw(
        f"gram-{number}",
        f"Class means: {geometry.title}",
        f"Cosines between the means of {len(geometry.rho)} classes, likely classes first "
        f"(imbalance {geometry.imbalance:g}), as {geometry.title} has them"
        f"{beside if geometry.predicted is not None else ''}.",
        paint,
        height=240,
    )


def against_imbalance(geometries: Sequence[RunGeometry]) -> Figure:
    """Draw the mean cosine between minority classes against the imbalance.

    There is a curve for every k, loss, data set, number of classes and shape of rho.
    """
    kinds: dict[tuple[str, ...], list[RunGeometry]] = {}
    for g in sorted(geometries, key=lambda g: (g.negatives, g.loss, g.data, len(g.rho), g.shape)):
        if len(g.minority) > 1:
            kinds.setdefault(tuple(g.kind.values()), []).append(g)
    labels = _curve_labels([runs[0].kind for runs in kinds.values()])

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (label, runs) in enumerate(zip(labels, kinds.values(), strict=True)):
            _draw_kind(axes, number, label, sorted(runs, key=lambda g: g.imbalance))
        axes.set(
            xscale="log",
            xlabel="imbalance: largest over smallest class probability",
            ylabel="mean cosine, minority classes",
        )
        legend(drawing, axes, 2)

    return draw(
        "minority-cosine",
        "Minority classes move together",
        "The mean cosine between the means of minority classes against the imbalance, predicted "
        "and reached; a dotted line marks the imbalance beyond which they are one vector at the "
        "optimum.",
        paint,
        height=330,
    )


def _curve_labels(kinds: Sequence[dict[str, str]]) -> list[str]:
    """Return each curve's label: k, a loss that is not the usual one, and what else differs."""
    return [
        ", ".join(
            text
            for name, text in kind.items()
            if name == "k"
            or (name == "loss" and text != "logistic")
            or (name != "loss" and len({other[name] for other in kinds}) > 1)
        )
        for kind in kinds
    ]


def _draw_kind(axes: Axes, number: int, label: str, runs: Sequence[RunGeometry]) -> None:
    """Draw the predicted curve and the reached cosines of the runs of one kind."""
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    ratios, cosines, threshold = _predicted_curve(runs)
    axes.plot(ratios, cosines, color=colour, label=f"{label}: predicted")
    reached = [v for run in runs if (v := run.measures["minority cosine"]) is not None]
    places = [run.imbalance for run in runs]
    axes.plot(places, reached, marker, color=colour, label=f"{label}: reached")
    if threshold is not None:
        axes.axvline(threshold, color=colour, linestyle=":", linewidth=1)


def _predicted_curve(
    runs: Sequence[RunGeometry],
) -> tuple[list[float], list[float], float | None]:
    """Return (imbalances, the optimum's minority cosines, the threshold of collapse or None).

    It is a curve if there are few classes of two probabilities; else it has the runs' own points.
    """
    largest = max(runs, key=lambda run: run.imbalance)
    rho, ratio, k, loss = largest.rho, largest.imbalance, largest.negatives, largest.loss
    minority = len(largest.minority)
    majority = len(rho) - minority
    if not is_step(rho) or len(rho) > _FEW:
        cosine_at = {run.imbalance: run.measures["minority predicted"] for run in runs}
        return list(cosine_at), [c for c in cosine_at.values() if c is not None], None
    ratios = torch.logspace(0, math.log10(ratio), _CURVE, dtype=torch.float64).tolist()
    classes = torch.arange(majority, majority + minority)
    cosines = [
        mean_cosine(optimal_gram(step_distribution(majority, minority, r), k, loss).gram, classes)
        for r in ratios
    ]
    threshold = collapse_threshold(majority, minority, k, loss)
    return ratios, cosines, threshold if threshold <= ratio else None
