"""The class means of finished runs, compared with those that theory predicts.

The prediction is the minimum of the unsupervised loss for the same class distribution rho, k and
loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crl.theory.finite_split import finite_split
from crl.theory.optimal_geometry import (
    class_geometry,
    collapsed_loss,
    mean_cosine,
    optimal_gram,
)
from data.imbalance import majority_and_minority
from experiments.analysis.output import finished_runs
from experiments.errors import ConfigError, RunError
from experiments.reopen import FinishedRun, load_finished_run
from experiments.runtime.console import Say
from experiments.storage.results import Run

_MOST = 500  # classes: for so many, a copy of the integrand takes 0.3 GB


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


def why_unpredicted(run: Run) -> str | None:
    """Return in a few words why theory predicts nothing of a run; None if it does."""
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
    for run in finished_runs(folders):
        why = why_unpredicted(run)
        say(f"reading {run.path}" + (f"; nothing is predicted: {why}" if why else ""))
        finished = load_finished_run(str(run.path), overrides, "geometry", lambda line: None)
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
