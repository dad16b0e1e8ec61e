"""The class means of finished runs beside where theory has them for the same rho, k and loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from crl.geometry import (
    class_geometry,
    collapse_threshold,
    collapsed_loss,
    mean_cosine,
    optimal_gram,
    step_distribution,
)
from crl.split_losses import finite_split
from data.files import write_json, written_whole
from experiments.errors import ConfigError, RunError
from experiments.evaluation import encode_splits
from experiments.finished import FinishedRun, take_up
from experiments.report.figures import COLOURS, MARKERS, Figure, draw, legend
from experiments.results import Run, find_runs
from experiments.setup import Say

_CURVE = 25  # ratios at which a predicted curve is computed, where classes are few
_FEW = 20  # classes
_MOST = 500  # classes: the integrand of so many takes 0.3 GB a copy


@dataclass(frozen=True)
class RunGeometry:
    """``reached``, ``predicted``: Gram matrices [N, N] of the test points' class means and of the optimum; classes in the
    order of the data set, ``rho`` being theirs. ``measures``: plain numbers, by the name of their column."""

    path: Path
    title: str
    negatives: int
    loss: str
    rho: Tensor
    reached: Tensor
    predicted: Tensor
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
    """Classes less likely than the mean: rho [N] -> indices."""
    return (rho < rho.mean() * (1 - 1e-6)).nonzero()[:, 0]


def comparable(run: Run) -> str | None:
    """Why theory predicts nothing for a run, in a few words; None where it does."""
    objective = run.config["objective"]
    if not objective.get("normalize", False):
        return "trained on raw features, whose optimum has no bound (objective.normalize=true)"
    if not objective.get("collisions", True):
        return "trained without collisions, of which the optimum is not computed (objective.collisions=true)"
    return None


def geometry_of(run: FinishedRun) -> RunGeometry:
    """The geometry of the test features of a run that :func:`comparable` lets through. Raises ConfigError for more classes
    than the optimum is computed of, and for fewer dimensions than it takes; RunError where it is not found."""
    config, rho = run.config, run.rho
    if len(rho) > _MOST:
        raise ConfigError(f"{run.folder.path}: {len(rho)} classes; the optimum is computed for at most {_MOST}")
    features, labels = encode_splits(config, run.fabric, run.encoder, run.dataset)["test"]
    found = class_geometry(finite_split(features.cpu(), labels.cpu(), rho))
    try:
        predicted, certificate = optimal_gram(rho, config.objective.negatives, config.objective.loss)
    except RuntimeError as error:
        raise RunError(f"{run.folder.path}: {error}") from error
    rank = int(torch.linalg.matrix_rank(predicted, atol=1e-6, hermitian=True))
    if features.shape[1] < rank:
        raise ConfigError(
            f"{run.folder.path}: {features.shape[1]} dimensions; the optimum of {len(rho)} classes takes {rank} "
            "(encoder.dimension)"
        )
    few = minority_of(rho)
    loss = {
        of: float(collapsed_loss(gram, rho, config.objective.negatives, config.objective.loss))
        for of, gram in (("reached", found.gram), ("predicted", predicted))
    }
    measures: dict[str, float | None] = {
        "imbalance": float(rho.max() / rho.min()),
        "k": config.objective.negatives,
        "NC1": found.within_class_collapse if math.isfinite(found.within_class_collapse) else None,
        "to tight frame": found.frame_distance,
        "to prediction": float((found.gram - predicted).norm() / predicted.norm()),
        "minority cosine": mean_cosine(found.gram, few) if len(few) > 1 else None,
        "minority predicted": mean_cosine(predicted, few) if len(few) > 1 else None,
        "loss of means": loss["reached"],
        "least loss": loss["predicted"],
        "certificate": certificate,
    }
    title = f"{run.result['name']}, seed {run.result['seed']}"
    return RunGeometry(
        run.folder.path, title, config.objective.negatives, config.objective.loss, rho, found.gram, predicted, measures
    )


def study(places: Sequence[str], out: Path, overrides: list[str], say: Say) -> tuple[list[RunGeometry], list[Path]]:
    """(geometry of every finished run in these folders that theory predicts something of, the files written to ``out``).

    Overrides: see :func:`experiments.finished.take_up`. Files: ``geometry.json``, a heat map of predicted and reached Gram
    matrix a run, and where runs differ in their imbalance, minority cosines against it. Raises ConfigError, DataError or
    RunError.
    """
    folders = [Path(place) for place in places]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder; give run folders, or folders that hold some")
    runs = find_runs(folders)
    if not runs:
        raise ConfigError(f"no finished run under {', '.join(places)}; crl train makes one")
    found = []
    for run in runs:
        if (why := comparable(run)) is not None:
            say(f"left out: {run.path}: {why}")
            continue
        say(f"reading {run.path}")
        found.append(geometry_of(take_up(str(run.path), overrides, "geometry", lambda line: None)))
    if not found:
        raise ConfigError(f"no run under {', '.join(places)} was trained with objective.normalize=true and collisions")
    figures = [heat_maps(one, number) for number, one in enumerate(found, 1)]
    if len({round(one.imbalance, 6) for one in found}) > 1:
        figures.append(against_imbalance(found))
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [out / "geometry.json"]
        write_json(written[0], [_plain(one) for one in found])
        for figure in figures:
            written.append(out / f"{figure.slug}.svg")
            with written_whole(written[-1]) as stream:
                stream.write(figure.standalone().encode())
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error.strerror}); choose another folder with out=PATH") from error
    return found, written


def table(found: Sequence[RunGeometry]) -> str:
    """One line a run."""
    names = [name for name in found[0].measures if any(one.measures[name] is not None for one in found)]
    rows = [["run", *names]] + [[one.title, *(_shown(one.measures[name]) for name in names)] for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.4f}"


def _plain(one: RunGeometry) -> dict[str, Any]:
    grams = {"rho": one.rho.tolist(), "reached_gram": one.reached.tolist(), "predicted_gram": one.predicted.tolist()}
    return {"run": str(one.path), "title": one.title, **one.measures, **grams}


def heat_maps(one: RunGeometry, number: int) -> Figure:
    """Predicted beside reached cosines of class means, likely classes first."""
    order = one.rho.argsort(descending=True, stable=True)

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots(1, 2)
        for place, (name, gram) in zip(axes, (("predicted", one.predicted), ("reached", one.reached)), strict=True):
            image = place.imshow(gram[order][:, order].numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            place.set_title(name)
            place.grid(False)
            place.set_xticks([])
            place.set_yticks([])
        drawing.colorbar(image, ax=axes, location="bottom", shrink=0.6, label="cosine between class means")

    description = (
        f"Cosines between the means of {len(one.rho)} classes, likely classes first: predicted for imbalance "
        f"{one.imbalance:g}, k = {one.negatives}, {one.loss} loss, and reached by {one.title}."
    )
    return draw(f"gram-{number}", f"Class means: {one.title}", description, paint, height=240)


def against_imbalance(found: Sequence[RunGeometry]) -> Figure:
    """The mean cosine between minority classes' means against the imbalance: reached, and the optimum's, for every k."""
    kinds = sorted({(one.negatives, one.loss) for one in found})

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        for number, (negatives, loss) in enumerate(kinds):
            colour = COLOURS[number % len(COLOURS)]
            label = f"k = {negatives}" if loss == "logistic" else f"k = {negatives}, {loss}"
            runs = sorted((o for o in found if (o.negatives, o.loss) == (negatives, loss)), key=lambda o: o.imbalance)
            runs = [one for one in runs if len(one.minority) > 1]
            if not runs:
                continue
            x, y, threshold = _predicted(runs)
            axes.plot(x, y, color=colour, label=f"{label}: predicted")
            reached = [value for one in runs if (value := one.measures["minority cosine"]) is not None]
            places = [one.imbalance for one in runs]
            axes.plot(places, reached, MARKERS[number % len(MARKERS)], color=colour, label=f"{label}: reached")
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
    """(imbalances, the optimum's minority cosines, the threshold or None): a curve if classes are few and of two kinds."""
    one = max(runs, key=lambda run: run.imbalance)
    many, few = len(one.rho) - len(one.minority), len(one.minority)
    step = torch.allclose(one.rho.sort(descending=True).values, step_distribution(many, few, one.imbalance), rtol=1e-4)
    if not step or len(one.rho) > _FEW:
        pairs = {run.imbalance: run.measures["minority predicted"] for run in runs}
        return list(pairs), [value for value in pairs.values() if value is not None], None
    ratios = torch.logspace(0, math.log10(one.imbalance), _CURVE, dtype=torch.float64).tolist()
    places = torch.arange(many, many + few)
    cosines = [
        mean_cosine(optimal_gram(step_distribution(many, few, r), one.negatives, one.loss).gram, places) for r in ratios
    ]
    threshold = collapse_threshold(many, few, one.negatives, one.loss)
    return ratios, cosines, threshold if threshold <= one.imbalance else None
