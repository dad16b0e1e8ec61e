"""The class means of finished runs, compared with those that theory predicts.

Theory predicts the minimum of the unsupervised loss for the run's class distribution rho, k and
loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from crl.data.imbalance import majority_and_minority
from crl.experiments.analysis.output import finished_runs, write_analysis
from crl.experiments.drawing import COLOURS, MARKERS, Figure, draw, legend
from crl.experiments.errors import ConfigError, RunError
from crl.experiments.reopen import FinishedRun, load_finished_run
from crl.experiments.runtime.console import Say
from crl.theory.finite_split import finite_split
from crl.theory.optimal_geometry import (
    class_geometry,
    collapse_threshold,
    collapsed_loss,
    mean_cosine,
    optimal_gram,
    step_distribution,
)

_MOST = 500  # classes; for this many, a copy of the integrand takes 0.3 GB
_CURVE = 25  # imbalances at which a predicted curve is computed
_FEW = 20  # classes; with more, only the runs' own imbalances are predicted


@dataclass(frozen=True)
class RunGeometry:
    """The geometry of the class means of one run's test points.

    - ``rho`` [N]: the class distribution, in the data set's order of classes
    - ``reached`` [N, N]: cosines between class means
    - ``predicted`` [N, N]: those at the optimum; None where theory predicts nothing
    - ``measures``: column of the table -> number
    """

    path: Path
    title: str
    negatives: int
    loss: str
    rho: Tensor
    reached: Tensor
    predicted: Tensor | None
    measures: dict[str, float | None]

    @property
    def imbalance(self) -> float:
        """The largest class probability over the smallest."""
        return float(self.rho.max() / self.rho.min())

    @property
    def minority(self) -> Tensor:
        """The indices of the classes less likely than the mean."""
        return _minority(self.rho)


def _minority(rho: Tensor) -> Tensor:
    parts = majority_and_minority(rho)
    return torch.empty(0, dtype=torch.int64) if parts is None else parts[1]


def _minority_cosine(gram: Tensor, rho: Tensor) -> float | None:
    """Return the mean cosine between minority classes; None for fewer than two of them."""
    minority = _minority(rho)
    return mean_cosine(gram, minority) if len(minority) > 1 else None


def why_unpredicted(run: FinishedRun) -> str | None:
    """Return in a few words why theory predicts nothing for a run, or None if it does."""
    objective = run.config.objective
    reasons = {
        "raw features have no bounded optimum (objective.normalize=true)": not objective.normalize,
        "the optimum is known only with collisions (objective.collisions=true)": (
            not objective.collisions
        ),
        f"more than {_MOST} classes": len(run.dataset.classes) > _MOST,
    }
    return next(filter(reasons.get, reasons), None)


def measure_geometry(run: FinishedRun, predict: bool) -> RunGeometry:
    """Measure the class means of a run's test points; compare them with the optimum if asked to.

    Raises ConfigError if the run has fewer dimensions than the optimum needs, RunError if the
    optimum is not found.
    """
    config, rho = run.config, run.rho
    features, labels = run.test_features()
    geometry = class_geometry(finite_split(features.cpu(), labels.cpu(), rho))
    collapse = geometry.within_class_collapse
    measures: dict[str, float | None] = {
        "imbalance": float(rho.max() / rho.min()),
        "k": config.objective.negatives,
        "NC1": collapse if math.isfinite(collapse) else None,
        "to tight frame": geometry.frame_distance,
        "minority cosine": _minority_cosine(geometry.gram, rho),
    }
    predicted = None
    if predict:
        predicted, comparison = _predict(run, features.shape[1], geometry.gram)
        measures |= comparison
    return RunGeometry(
        run.folder.path,
        f"{run.result['name']}, seed {run.result['seed']}",
        config.objective.negatives,
        config.objective.loss,
        rho,
        geometry.gram,
        predicted,
        measures,
    )


def _predict(
    run: FinishedRun, dimension: int, reached: Tensor
) -> tuple[Tensor, dict[str, float | None]]:
    """Return (the optimum's Gram matrix, the measures that compare the reached one with it)."""
    objective, rho = run.config.objective, run.rho
    try:
        predicted, certificate = optimal_gram(rho, objective.negatives, objective.loss)
    except RuntimeError as error:
        raise RunError(f"{run.folder.path}: {error}") from error
    rank = int(torch.linalg.matrix_rank(predicted, atol=1e-6, hermitian=True))
    if dimension < rank:
        raise ConfigError(
            f"{run.folder.path}: {dimension} dimensions; the optimum of {len(rho)} classes needs "
            f"{rank} (encoder.dimension)"
        )
    return predicted, {
        "to prediction": float((reached - predicted).norm() / predicted.norm()),
        "minority predicted": _minority_cosine(predicted, rho),
        "loss of means": float(collapsed_loss(reached, rho, objective.negatives, objective.loss)),
        "least loss": float(collapsed_loss(predicted, rho, objective.negatives, objective.loss)),
        "certificate": certificate,
    }


def measure_runs(folders: Sequence[Path], overrides: list[str], say: Say) -> list[RunGeometry]:
    """Return the geometry of every finished run under the folders.

    ``overrides``: see :func:`experiments.reopen.load_finished_run`. Raises ConfigError, DataError
    or RunError.
    """
    geometries = []
    for run in finished_runs(folders, say):
        say(f"reading {run.path}")
        finished = load_finished_run(str(run.path), overrides, "geometry", lambda line: None)
        if why := why_unpredicted(finished):
            say(f"nothing is predicted: {why}")
        geometries.append(measure_geometry(finished, predict=why is None))
    return geometries


def rows(geometries: Sequence[RunGeometry]) -> list[list[str]]:
    """Return the rows of the table of runs, header first; a column has a number for some run."""
    names = dict.fromkeys(name for g in geometries for name in g.measures)
    columns = [n for n in names if any(g.measures.get(n) is not None for g in geometries)]
    return [["run", *columns]] + [
        [g.title, *(_shown(g.measures.get(name)) for name in columns)] for g in geometries
    ]


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.4f}"


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
    """Draw the mean cosine between minority classes against the imbalance, for every k and loss."""
    kinds = sorted({(g.negatives, g.loss) for g in geometries})

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, kind in enumerate(kinds):
            runs = [g for g in geometries if (g.negatives, g.loss) == kind and len(g.minority) > 1]
            if runs:
                _draw_kind(axes, number, sorted(runs, key=lambda g: g.imbalance))
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


def _draw_kind(axes: Axes, number: int, runs: Sequence[RunGeometry]) -> None:
    """Draw the predicted curve and the reached cosines of the runs with one k and loss."""
    k, loss = runs[0].negatives, runs[0].loss
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    label = f"k = {k}" if loss == "logistic" else f"k = {k}, {loss}"
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
    steps = step_distribution(majority, minority, ratio)
    is_step = torch.allclose(rho.sort(descending=True).values, steps, rtol=1e-4)
    if not is_step or len(rho) > _FEW:
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
