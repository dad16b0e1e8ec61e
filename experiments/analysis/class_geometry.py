"""The class means of finished runs beside where theory has them for the same rho, k and loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from crl.theory.finite_split import finite_split
from crl.theory.optimal_geometry import (
    class_geometry,
    collapse_threshold,
    collapsed_loss,
    mean_cosine,
    optimal_gram,
    step_distribution,
)
from data.imbalance import majority_and_minority
from experiments.analysis.output import write_study
from experiments.drawing import COLOURS, MARKERS, Figure, draw, legend
from experiments.errors import ConfigError, RunError
from experiments.reopen import FinishedRun, load_finished_run
from experiments.runtime.console import Say
from experiments.storage.results import Run, find_runs

_CURVE = 25  # ratios at which a predicted curve is computed, where classes are few
_FEW = 20  # classes
_MOST = 500  # classes: the integrand of so many takes 0.3 GB a copy


@dataclass(frozen=True)
class RunGeometry:
    """``reached``, ``predicted``: Gram matrices [N, N] of the test points' class means and of the
    optimum, None where theory says nothing of the run; classes in the order of the data set,
    ``rho`` being theirs. ``measures``: plain numbers, by the name of their column."""

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
        """Largest over smallest class probability."""
        return float(self.rho.max() / self.rho.min())

    @property
    def minority(self) -> Tensor:
        """Classes less likely than the mean, as indices; none where all are as likely."""
        return minority_of(self.rho)


def minority_of(rho: Tensor) -> Tensor:
    """Classes of rho [N] less likely than the mean, as indices; none where rho is uniform."""
    groups = majority_and_minority(rho)
    return torch.empty(0, dtype=torch.int64) if groups is None else groups[1]


def unpredicted(run: Run) -> str | None:
    """Why theory predicts nothing of a run, in a few words; None where it does."""
    objective = run.config["objective"]
    if not objective.get("normalize", False):
        return "raw features, whose optimum has no bound (objective.normalize=true)"
    if not objective.get("collisions", True):
        return (
            "no collisions, without which the optimum is not computed (objective.collisions=true)"
        )
    if run.result["dataset"]["classes"] > _MOST:
        return f"more than {_MOST} classes"
    return None


def geometry_of(run: FinishedRun, predict: bool) -> RunGeometry:
    """The geometry of a run's test features, beside the optimum's if that is wanted. Raises
    ConfigError for fewer dimensions than the optimum takes, RunError where it is not found."""
    config, rho = run.config, run.rho
    features, labels = run.test_features()
    found = class_geometry(finite_split(features.cpu(), labels.cpu(), rho))
    few = minority_of(rho)
    measures: dict[str, float | None] = {
        "imbalance": float(rho.max() / rho.min()),
        "k": config.objective.negatives,
        "NC1": found.within_class_collapse if math.isfinite(found.within_class_collapse) else None,
        "to tight frame": found.frame_distance,
        "minority cosine": mean_cosine(found.gram, few) if len(few) > 1 else None,
    }
    predicted = None
    if predict:
        predicted, more = _prediction(run, features.shape[1], found.gram)
        measures |= more
    title = f"{run.result['name']}, seed {run.result['seed']}"
    return RunGeometry(
        run.folder.path,
        title,
        config.objective.negatives,
        config.objective.loss,
        rho,
        found.gram,
        predicted,
        measures,
    )


def _prediction(
    run: FinishedRun, dimension: int, reached: Tensor
) -> tuple[Tensor, dict[str, float | None]]:
    """(the optimum's Gram matrix, what can be said beside it of the one that was reached)."""
    objective, rho = run.config.objective, run.rho
    try:
        predicted, certificate = optimal_gram(rho, objective.negatives, objective.loss)
    except RuntimeError as error:
        raise RunError(f"{run.folder.path}: {error}") from error
    rank = int(torch.linalg.matrix_rank(predicted, atol=1e-6, hermitian=True))
    if dimension < rank:
        raise ConfigError(
            f"{run.folder.path}: {dimension} dimensions; the optimum of {len(rho)} classes takes {rank} (encoder.dimension)"
        )
    few = minority_of(rho)
    return predicted, {
        "to prediction": float((reached - predicted).norm() / predicted.norm()),
        "minority predicted": mean_cosine(predicted, few) if len(few) > 1 else None,
        "loss of means": float(collapsed_loss(reached, rho, objective.negatives, objective.loss)),
        "least loss": float(collapsed_loss(predicted, rho, objective.negatives, objective.loss)),
        "certificate": certificate,
    }


def study(
    places: Sequence[str], out: Path, overrides: list[str], say: Say
) -> tuple[list[RunGeometry], list[Path]]:
    """(geometry of every finished run in these folders, the files written to ``out``).

    Overrides: see :func:`experiments.reopen.load_finished_run`. Files: ``geometry.json``, a heat map of the
    Gram matrix a run, with the predicted one beside it, and where predicted runs differ in their
    imbalance, minority cosines against it. Raises ConfigError, DataError or RunError.
    """
    folders = [Path(place) for place in places]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not a folder; give run folders, or folders that hold some"
            )
    runs = find_runs(folders)
    if not runs:
        raise ConfigError(f"no finished run under {', '.join(places)}; crl train makes one")
    found = []
    for run in runs:
        why = unpredicted(run)
        say(f"reading {run.path}" + (f"; nothing is predicted: {why}" if why else ""))
        found.append(
            geometry_of(
                load_finished_run(str(run.path), overrides, "geometry", lambda line: None),
                why is None,
            )
        )
    figures = [heat_maps(one, number) for number, one in enumerate(found, 1)]
    predicted = [one for one in found if one.predicted is not None]
    if len({round(one.imbalance, 6) for one in predicted}) > 1:
        figures.append(against_imbalance(predicted))
    return found, write_study(out, "geometry", [_plain(one) for one in found], figures)


def table(found: Sequence[RunGeometry]) -> str:
    """One line a run."""
    every = dict.fromkeys(name for one in found for name in one.measures)
    names = [name for name in every if any(one.measures.get(name) is not None for one in found)]
    rows = [["run", *names]] + [
        [one.title, *(_shown(one.measures.get(name)) for name in names)] for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )


def _shown(value: float | None) -> str:
    return (
        "-"
        if value is None
        else f"{value:.3g}"
        if isinstance(value, int) or abs(value) >= 100
        else f"{value:.4f}"
    )


def _plain(one: RunGeometry) -> dict[str, Any]:
    predicted = None if one.predicted is None else one.predicted.tolist()
    grams = {
        "rho": one.rho.tolist(),
        "reached_gram": one.reached.tolist(),
        "predicted_gram": predicted,
    }
    return {"run": str(one.path), "title": one.title, **one.measures, **grams}


def heat_maps(one: RunGeometry, number: int) -> Figure:
    """Reached cosines of class means, beside the predicted ones if there are any; likely classes
    first."""
    order = one.rho.argsort(descending=True, stable=True)
    shown = (
        {"reached": one.reached}
        if one.predicted is None
        else {"predicted": one.predicted, "reached": one.reached}
    )

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots(1, len(shown), squeeze=False)[0]
        for place, (name, gram) in zip(axes, shown.items(), strict=True):
            image = place.imshow(
                gram[order][:, order].numpy(),
                cmap="RdBu_r",
                vmin=-1,
                vmax=1,
                interpolation="nearest",
            )
            place.set_title(name)
            place.grid(False)
            place.set_xticks([])
            place.set_yticks([])
        drawing.colorbar(
            image, ax=axes, location="bottom", shrink=0.6, label="cosine between class means"
        )

    beside = (
        ""
        if one.predicted is None
        else f", beside those predicted for k = {one.negatives} and the {one.loss} loss"
    )
    description = (
        f"Cosines between the means of {len(one.rho)} classes, likely classes first (imbalance {one.imbalance:g}), as "
        f"{one.title} has them{beside}."
    )
    return draw(f"gram-{number}", f"Class means: {one.title}", description, paint, height=240)


def against_imbalance(found: Sequence[RunGeometry]) -> Figure:
    """The mean cosine between minority classes' means against the imbalance: reached, and the
    optimum's, for every k."""
    kinds = sorted({(one.negatives, one.loss) for one in found})

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (negatives, loss) in enumerate(kinds):
            colour = COLOURS[number % len(COLOURS)]
            label = f"k = {negatives}" if loss == "logistic" else f"k = {negatives}, {loss}"
            runs = sorted(
                (o for o in found if (o.negatives, o.loss) == (negatives, loss)),
                key=lambda o: o.imbalance,
            )
            runs = [one for one in runs if len(one.minority) > 1]
            if not runs:
                continue
            x, y, threshold = _predicted(runs)
            axes.plot(x, y, color=colour, label=f"{label}: predicted")
            reached = [
                value for one in runs if (value := one.measures["minority cosine"]) is not None
            ]
            places = [one.imbalance for one in runs]
            axes.plot(
                places,
                reached,
                MARKERS[number % len(MARKERS)],
                color=colour,
                label=f"{label}: reached",
            )
            if threshold is not None:
                axes.axvline(threshold, color=colour, linestyle=":", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("imbalance: largest over smallest class probability")
        axes.set_ylabel("mean cosine, minority classes")
        legend(drawing, axes, 2)

    description = (
        "The mean cosine between the means of minority classes against the imbalance, predicted and reached; a dotted line "
        "marks the imbalance from which on the optimum has them in one vector."
    )
    return draw("minority-cosine", "Minority classes move together", description, paint, height=330)


def _predicted(runs: Sequence[RunGeometry]) -> tuple[list[float], list[float], float | None]:
    """(imbalances, the optimum's minority cosines, the threshold or None): a curve if classes are
    few and of two kinds."""
    one = max(runs, key=lambda run: run.imbalance)
    many, few = len(one.rho) - len(one.minority), len(one.minority)
    step = torch.allclose(
        one.rho.sort(descending=True).values, step_distribution(many, few, one.imbalance), rtol=1e-4
    )
    if not step or len(one.rho) > _FEW:
        pairs = {run.imbalance: run.measures["minority predicted"] for run in runs}
        return list(pairs), [value for value in pairs.values() if value is not None], None
    ratios = torch.logspace(0, math.log10(one.imbalance), _CURVE, dtype=torch.float64).tolist()
    places = torch.arange(many, many + few)
    cosines = [
        mean_cosine(
            optimal_gram(step_distribution(many, few, r), one.negatives, one.loss).gram, places
        )
        for r in ratios
    ]
    threshold = collapse_threshold(many, few, one.negatives, one.loss)
    return ratios, cosines, threshold if threshold <= one.imbalance else None
