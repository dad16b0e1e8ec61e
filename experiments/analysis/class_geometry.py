"""The class means of finished runs beside those of the optimum: numbers, table and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.analysis.geometry_figures import against_imbalance, heat_maps
from experiments.analysis.output import finished_runs, write_analysis
from experiments.analysis.run_geometry import RunGeometry, measure_geometry, why_unpredicted
from experiments.reopen import load_finished_run
from experiments.runtime.console import Say


def analyse(
    folders: Sequence[str], out: Path, overrides: list[str], say: Say
) -> tuple[list[RunGeometry], list[Path]]:
    """Return (the geometry of every finished run under the folders, the files written to ``out``).

    Files: ``geometry.json``; for each run a heat map of its Gram matrix, with the predicted one
    beside it; and minority cosines against the imbalance, where predicted runs differ in it.
    ``overrides``: see :func:`experiments.reopen.load_finished_run`. Raises ConfigError, DataError
    or RunError.
    """
    geometries = []
    for run in finished_runs([Path(folder) for folder in folders]):
        why = why_unpredicted(run)
        say(f"reading {run.path}" + (f"; nothing is predicted: {why}" if why else ""))
        finished = load_finished_run(str(run.path), overrides, "geometry", lambda line: None)
        geometries.append(measure_geometry(finished, predict=why is None))
    figures = [heat_maps(geometry, number) for number, geometry in enumerate(geometries, 1)]
    predicted = [geometry for geometry in geometries if geometry.predicted is not None]
    if len({round(geometry.imbalance, 6) for geometry in predicted}) > 1:
        figures.append(against_imbalance(predicted))
    return geometries, write_analysis(out, "geometry", list(map(_plain, geometries)), figures)


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


def _plain(geometry: RunGeometry) -> dict[str, Any]:
    """Return a run's geometry as JSON takes it."""
    predicted = geometry.predicted
    return {
        "run": str(geometry.path),
        "title": geometry.title,
        **geometry.measures,
        "rho": geometry.rho.tolist(),
        "reached_gram": geometry.reached.tolist(),
        "predicted_gram": None if predicted is None else predicted.tolist(),
    }
