"""From a scale to runs: every study of the paper as cells, a cell as the overrides of `crl train`.
Free of torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.config.compose import compose_config
from experiments.config.identity import run_path
from experiments.config.schema import Config
from experiments.errors import ConfigError
from experiments.reproduction.scales import SCALES, DatasetPlan
from experiments.storage.manifest import Cell, Study

Variation = tuple[dict[str, Any], list[str]]  # labels of a cell, overrides over the track's base

_BASE_BLOCK = 2  # of the ablations with fresh negatives: they encode 1 + b + k b points a tuple


def _table1(track: DatasetPlan) -> Iterator[Variation]:
    yield {"method": "supervised"}, ["objective=supervised"]
    yield {"method": "unsupervised"}, []


def _table2(track: DatasetPlan) -> Iterator[Variation]:
    for method in track.methods:
        objective = ["objective=quick_thoughts"] if method == "QT" else []
        for size in track.blocks:
            yield (
                {"method": method, "block_size": size},
                [*track.grid, *objective, f"objective.block_size={size}"],
            )


def _negatives_and_data(track: DatasetPlan) -> Iterator[Variation]:
    """Figures 2a and 2b."""
    for negatives in track.negatives:
        for fraction in track.fractions:
            varied = [f"objective.negatives={negatives}", f"dataset.train_fraction={fraction:g}"]
            yield {"negatives": negatives, "fraction": fraction}, [*track.grid, *varied]


def _fig2c(track: DatasetPlan) -> Iterator[Variation]:
    yield {}, []


def _labels(track: DatasetPlan) -> Iterator[Variation]:
    yield {"method": "unsupervised", "classifier": "mean10pct"}, []
    for classifier in ("mean10pct", "linear10pct"):
        yield (
            {"method": "supervised", "classifier": classifier},
            ["objective=supervised", "dataset.train_fraction=0.1"],
        )


def _collisions(track: DatasetPlan) -> Iterator[Variation]:
    for negatives in track.fresh_negatives[1:]:
        for collisions in ("allowed", "removed"):
            yield (
                {"collisions": collisions, "negatives": negatives},
                [
                    *_fresh(negatives),
                    f"objective.collisions={str(collisions == 'allowed').lower()}",
                ],
            )


def _budget(track: DatasetPlan) -> Iterator[Variation]:
    """Larger blocks (pooled) and more negatives (fresh), for as many tuples and for as many encoded
    points."""
    pooled = [*track.grid, "objective.negative_source=pooled"]
    blocks = {size: ([*pooled, f"objective.block_size={size}"], 1 + size) for size in track.blocks}
    negatives = {k: (_fresh(k), 1 + _BASE_BLOCK * (1 + k)) for k in track.fresh_negatives}
    for axis, values in (("block_size", blocks), ("negatives", negatives)):
        first, *others = values
        steps = _compose([*track.base, *values[first][0]]).training.steps
        for value in values:
            yield {"axis": axis, "value": value, "equal": "tuples"}, values[value][0]
        yield {"axis": axis, "value": first, "equal": "points"}, values[first][0]
        for value in others:
            fewer = max(1, round(steps * values[first][1] / values[value][1]))
            yield (
                {"axis": axis, "value": value, "equal": "points"},
                [*values[value][0], f"training.steps={fewer}"],
            )


def _fresh(negatives: int) -> list[str]:
    return [
        "objective.negative_source=fresh",
        f"objective.block_size={_BASE_BLOCK}",
        f"objective.negatives={negatives}",
    ]


STUDIES: dict[str, Callable[[DatasetPlan], Iterator[Variation]]] = {
    "table1": _table1,
    "table2": _table2,
    "fig2a": _negatives_and_data,
    "fig2b": _negatives_and_data,
    "fig2c": _fig2c,
    "labels": _labels,
    "collisions": _collisions,
    "budget": _budget,
}


@dataclass(frozen=True)
class Job:
    """One run: ``overrides`` of `crl train`, its folder, and what its length is estimated from.

    ``points``: how many it encodes; ``kind``: runs of one kind take about the same time a point.
    """

    name: str
    overrides: tuple[str, ...]
    folder: Path
    steps: int
    points: int
    kind: str


def plan(
    scale: str,
    only: Sequence[str],
    seeds: int,
    extra: Mapping[str, Sequence[str]],
    common: Sequence[str],
) -> tuple[list[Study], list[Job]]:
    """The studies of a scale and their runs, each once, the longest first.

    ``only``: names of studies and of data sets to which the plan is confined; ``extra``: further
    overrides by data set, ``common``: for every run, where a study does not vary the same option.
    Raises ConfigError for a name that does not exist and for a setting that does not compose.
    """
    if scale not in SCALES:
        raise ConfigError(f"scale: no choice {scale!r}; choose one of {', '.join(SCALES)}")
    tracks = SCALES[scale]
    names = [*STUDIES, *(track.dataset for track in tracks)]
    for name in only:
        if name not in names:
            raise ConfigError(
                f"only: no study or data set {name!r} at scale={scale}; choose of {', '.join(names)}"
            )
    studies: list[Study] = []
    jobs: dict[Path, Job] = {}
    for track in (replace(t, base=(*t.base, *extra.get(t.dataset, ()), *common)) for t in tracks):
        if not {t.dataset for t in tracks}.isdisjoint(only) and track.dataset not in only:
            continue
        for study in track.studies:
            if not set(STUDIES).isdisjoint(only) and study not in only:
                continue
            cells = []
            for labels, variation in STUDIES[study](track):
                overrides = [
                    *track.base,
                    *variation,
                ]  # what a study varies wins over what was asked for
                found = _jobs(overrides, seeds)
                cells.append(Cell(labels, tuple(job.folder for job in found)))
                jobs |= {job.folder: job for job in found}
            studies.append(Study(study, track.dataset, tuple(cells)))
    if not studies:
        raise ConfigError(f"only: no study of {', '.join(only)} at scale={scale}")
    return studies, sorted(jobs.values(), key=lambda job: (-job.points, job.name))


def _jobs(overrides: list[str], seeds: int) -> list[Job]:
    config = _compose(overrides)
    found = []
    for seed in range(seeds):
        config.seed = seed  # what is composed depends on no seed
        folder = run_path(config)
        kind = f"{config.dataset.name}/{config.encoder.name}"
        name = f"{folder.parent.name}/{folder.name}"
        points = config.training.steps * config.training.batch_size * points_per_tuple(config)
        found.append(
            Job(name, (*overrides, f"seed={seed}"), folder, config.training.steps, points, kind)
        )
    return found


def points_per_tuple(config: Config) -> int:
    """Points that are encoded for one tuple: ``1 + b``, and ``k b`` more where negatives are drawn
    anew."""
    objective = config.objective
    fresh = objective.name == "contrastive" and objective.negative_source == "fresh"
    return 1 + objective.block_size * (1 + (objective.negatives if fresh else 0))


_composed: dict[tuple[str, ...], Config] = {}


def _compose(overrides: list[str]) -> Config:
    """Composed once: the studies share many settings."""
    key = tuple(overrides)
    if key not in _composed:
        _composed[key] = compose_config(overrides)
    return _composed[key]
