"""From a scale to runs: a study of the paper has cells, a cell has overrides of `crl train`.

Free of torch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from experiments.config.compose import compose_config
from experiments.config.schema import Config
from experiments.errors import ConfigError
from experiments.launch.run_spec import RunSpec
from experiments.reproduction.scales import SCALES, DatasetPlan
from experiments.storage.manifest import Cell, Study

# The labels of a cell, and its overrides on top of those that its data set has.
Variation = tuple[dict[str, Any], list[str]]

_BASE_BLOCK = 2  # b of the ablations with fresh negatives


def _table1(dataset: DatasetPlan) -> Iterator[Variation]:
    yield {"method": "supervised"}, ["objective=supervised"]
    yield {"method": "unsupervised"}, []


def _table2(dataset: DatasetPlan) -> Iterator[Variation]:
    for method in dataset.methods:
        objective = ["objective=quick_thoughts"] if method == "QT" else []
        for size in dataset.blocks:
            yield (
                {"method": method, "block_size": size},
                [*dataset.grid, *objective, f"objective.block_size={size}"],
            )


def _negatives_and_data(dataset: DatasetPlan) -> Iterator[Variation]:
    """Figures 2a and 2b."""
    for negatives in dataset.negatives:
        for fraction in dataset.fractions:
            varied = [f"objective.negatives={negatives}", f"dataset.train_fraction={fraction:g}"]
            yield {"negatives": negatives, "fraction": fraction}, [*dataset.grid, *varied]


def _fig2c(dataset: DatasetPlan) -> Iterator[Variation]:
    yield {}, []


def _labels(dataset: DatasetPlan) -> Iterator[Variation]:
    yield {"method": "unsupervised", "classifier": "mean10pct"}, []
    for classifier in ("mean10pct", "linear10pct"):
        yield (
            {"method": "supervised", "classifier": classifier},
            ["objective=supervised", "dataset.train_fraction=0.1"],
        )


def _collisions(dataset: DatasetPlan) -> Iterator[Variation]:
    for negatives in dataset.fresh_negatives[1:]:
        for collisions in ("allowed", "removed"):
            yield (
                {"collisions": collisions, "negatives": negatives},
                [
                    *_fresh(negatives),
                    f"objective.collisions={str(collisions == 'allowed').lower()}",
                ],
            )


def _budget(dataset: DatasetPlan) -> Iterator[Variation]:
    """Larger blocks (pooled) and more negatives (fresh), at equal tuples and at equal points.

    A tuple has 1 + b encoded points with pooled negatives, 1 + b + k b with fresh ones.
    """
    pooled = [*dataset.grid, "objective.negative_source=pooled"]
    blocks = {
        size: ([*pooled, f"objective.block_size={size}"], 1 + size) for size in dataset.blocks
    }
    negatives = {k: (_fresh(k), 1 + _BASE_BLOCK * (1 + k)) for k in dataset.fresh_negatives}
    for axis, values in (("block_size", blocks), ("negatives", negatives)):
        first, *others = values
        steps = _compose((*dataset.base, *values[first][0])).training.steps
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


def plan(
    scale: str,
    only: Sequence[str],
    seeds: int,
    extra: Mapping[str, Sequence[str]],
    common: Sequence[str],
) -> tuple[list[Study], list[RunSpec]]:
    """Return the studies of a scale, and their runs, each once, the longest first.

    ``only``: names of studies and of data sets that the plan is confined to. ``extra``: more
    overrides for a data set; ``common``: overrides of every run. What a study varies wins over
    both. Raises ConfigError for an unknown name and for settings that do not compose.
    """
    if scale not in SCALES:
        raise ConfigError(f"scale: no choice {scale!r}; choose one of {', '.join(SCALES)}")
    datasets = {planned.dataset: planned for planned in SCALES[scale]}
    names = [*STUDIES, *datasets]
    for name in only:
        if name not in names:
            raise ConfigError(
                f"only: no study or data set {name!r} at scale={scale}; "
                f"choose of {', '.join(names)}"
            )
    studies: list[Study] = []
    runs: dict[Path, RunSpec] = {}
    for name in _chosen(datasets, only):
        dataset = datasets[name]
        base = (*dataset.base, *extra.get(name, ()), *common)
        for study in _chosen(dataset.studies, only, STUDIES):
            cells = []
            for labels, variation in STUDIES[study](replace(dataset, base=base)):
                seeded = _runs([*base, *variation], seeds)
                cells.append(Cell(labels, tuple(run.folder for run in seeded)))
                runs |= {run.folder: run for run in seeded}
            studies.append(Study(study, name, tuple(cells)))
    if not studies:
        raise ConfigError(f"only: no study of {', '.join(only)} at scale={scale}")
    return studies, sorted(runs.values(), key=lambda run: (-run.points, run.title))


def _chosen(
    names: Iterable[str], only: Sequence[str], known: Iterable[str] | None = None
) -> list[str]:
    """The names that ``only`` holds, or all if it holds none of the known ones (default: names)."""
    names = list(names)
    confined = not set(names if known is None else known).isdisjoint(only)
    return [name for name in names if name in only or not confined]


def _runs(overrides: list[str], seeds: int) -> list[RunSpec]:
    config = _compose(tuple(overrides))
    runs = []
    for seed in range(seeds):
        config.seed = seed  # no other option depends on the seed
        runs.append(RunSpec.of(config, (*overrides, f"seed={seed}")))
    return runs


@cache
def _compose(overrides: tuple[str, ...]) -> Config:
    """The configuration, composed once: the studies share many."""
    return compose_config(overrides)
