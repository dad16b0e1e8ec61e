"""The class means of finished runs, compared with those that theory predicts.

Theory predicts the minimum of the unsupervised loss for the run's class distribution rho, k and
loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from crl.data.imbalance import majority_and_minority
from crl.experiments.analysis.output import finished_runs
from crl.experiments.config.datasets import DatasetConfig
from crl.experiments.errors import ConfigError, RunError
from crl.experiments.reopen import FinishedRun, load_finished_run
from crl.experiments.runtime.console import Say
from crl.experiments.storage.subjects import told_apart
from crl.theory.finite_split import finite_split
from crl.theory.optimal_geometry import (
    class_geometry,
    collapsed_loss,
    mean_cosine,
    optimal_gram,
    step_distribution,
)

_MOST = 500  # classes; for this many, a copy of the integrand takes 0.3 GB


@dataclass(frozen=True)
class RunGeometry:
    """The geometry of the class means of one run's test points.

    - ``data``: what to call the data set; ``shape``: of rho, the same at every imbalance
    - ``rho`` [N]: the class distribution, in the data set's order of classes
    - ``reached`` [N, N]: cosines between class means
    - ``predicted`` [N, N]: those at the optimum; None where theory predicts nothing
    - ``measures``: column of the table -> number
    """

    path: Path
    title: str
    data: str
    shape: str
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

    @property
    def kind(self) -> dict[str, str]:
        """All that a curve has in common but the imbalance, in words."""
        return {
            "k": f"k = {self.negatives}",
            "loss": self.loss,
            "data": self.data,
            "classes": f"{len(self.rho)} classes",
            "shape": self.shape,
        }


def _minority(rho: Tensor) -> Tensor:
    parts = majority_and_minority(rho)
    return torch.empty(0, dtype=torch.int64) if parts is None else parts[1]


def is_step(rho: Tensor) -> bool:
    """Return whether rho has two probabilities: that of the majority, and of the minority."""
    minority = len(_minority(rho))
    steps = step_distribution(len(rho) - minority, minority, float(rho.max() / rho.min()))
    return torch.allclose(rho.sort(descending=True).values, steps, rtol=1e-4)


def _shape(rho: Tensor, options: DatasetConfig) -> str:
    """Return the shape of rho in words; at every imbalance, one shape gives one distribution."""
    if is_step(rho):
        return f"{len(_minority(rho))} of {len(rho)} rare"
    if options.class_distribution != "points":
        return options.class_distribution
    return "as the points" if options.class_sizes == "all" else options.class_sizes


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
        config.dataset.name,
        _shape(rho, config.dataset),
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

    ``overrides``: see :func:`crl.experiments.reopen.load_finished_run`. Raises ConfigError,
    DataError or RunError.
    """
    geometries = []
    runs = {run.path: run for run in finished_runs(folders, say)}
    for run in told_apart(runs).values():
        say(f"reading {run.path}")
        finished = load_finished_run(str(run.path), overrides, "geometry", lambda line: None)
        if why := why_unpredicted(finished):
            say(f"nothing is predicted: {why}")
        geometry = measure_geometry(finished, predict=why is None)
        title = f"{run.name}, seed {run.seed}"
        geometries.append(replace(geometry, title=title, data=run.subject))
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
