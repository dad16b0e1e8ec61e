"""The runs of a scale: a study of the paper has cells, a cell has `crl train`'s overrides.

Imports no torch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from crl.experiments.config.checks import DEVICES_OF_A_SWEEP
from crl.experiments.config.compose import compose_config
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.metric_names import metric_title
from crl.experiments.report.paper_numbers import FIGURE_METRICS
from crl.experiments.reproduction.scales import SCALES, DatasetPlan
from crl.experiments.storage.manifest import Cell, Study

# The labels of a cell, and its overrides on top of those that its data set has.
Variation = tuple[dict[str, Any], list[str]]

_BASE_BLOCK = 2  # b of the ablations with fresh negatives
_LABELS = 0.1  # the share of the labels in the study "labels"


def _table1(dataset: DatasetPlan) -> list[Variation]:
    return [
        ({"method": "supervised"}, ["objective=supervised"]),
        ({"method": "unsupervised"}, []),
    ]


def _table2(dataset: DatasetPlan) -> list[Variation]:
    objectives = {"CURL": [], "QT": ["objective=quick_thoughts"]}
    return [
        (
            {"method": method, "block_size": size},
            [*dataset.grid, *objectives[method], f"objective.block_size={size}"],
        )
        for method in dataset.methods
        for size in dataset.blocks
    ]


def _negatives_and_data(dataset: DatasetPlan) -> list[Variation]:
    """Figures 2a and 2b."""
    return [
        (
            {"negatives": negatives, "fraction": fraction},
            [
                *dataset.grid,
                f"objective.negatives={negatives}",
                f"dataset.train_fraction={fraction:g}",
            ],
        )
        for negatives in dataset.negatives
        for fraction in dataset.fractions
    ]


def _fig2c(dataset: DatasetPlan) -> list[Variation]:
    return [({}, [])]


def _labels(dataset: DatasetPlan) -> list[Variation]:
    supervised = ["objective=supervised", f"dataset.train_fraction={_LABELS}"]
    return [
        ({"method": "unsupervised", "classifier": "mean10pct"}, []),
        ({"method": "supervised", "classifier": "mean10pct"}, supervised),
        ({"method": "supervised", "classifier": "linear10pct"}, supervised),
    ]


def _collisions(dataset: DatasetPlan) -> list[Variation]:
    return [
        (
            {"collisions": collisions, "negatives": negatives},
            [*_fresh(negatives), f"objective.collisions={allowed}"],
        )
        for negatives in dataset.fresh_negatives[1:]
        for collisions, allowed in (("allowed", "true"), ("removed", "false"))
    ]


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
        first_overrides, first_points = next(iter(values.values()))
        steps = _compose((*dataset.base, *first_overrides)).training.steps
        for value, (overrides, _) in values.items():
            yield {"axis": axis, "value": value, "equal": "tuples"}, overrides
        for value, (overrides, points) in values.items():
            fewer = max(1, round(steps * first_points / points))
            shorter = [f"training.steps={fewer}"] if points != first_points else []
            yield {"axis": axis, "value": value, "equal": "points"}, [*overrides, *shorter]


def _fresh(negatives: int) -> list[str]:
    return [
        "objective.negative_source=fresh",
        f"objective.block_size={_BASE_BLOCK}",
        f"objective.negatives={negatives}",
    ]


STUDIES: dict[str, Callable[[DatasetPlan], Iterable[Variation]]] = {
    "table1": _table1,
    "table2": _table2,
    "fig2a": _negatives_and_data,
    "fig2b": _negatives_and_data,
    "fig2c": _fig2c,
    "labels": _labels,
    "collisions": _collisions,
    "budget": _budget,
}


# The metrics that the cells of a study are compared by.
_METRICS = {
    "table1": ("avg2",),
    "table2": ("avg2",),
    "fig2a": (FIGURE_METRICS["fig2a"],),
    "fig2b": (FIGURE_METRICS["fig2b"],),
    "labels": ("avg2", "top1"),
    "collisions": ("avg2",),
    "budget": ("avg2",),
}


def _check_measured(study: str, config: Config) -> None:
    """Raise ConfigError if a run of the study will not have what its cells are compared by."""
    options, advice = config.evaluation, "or choose other studies with only="
    if options.attentive:
        raise ConfigError("evaluation.attentive: no encoder of crl reproduce has tokens")
    if config.runtime.devices > 1:
        raise ConfigError(DEVICES_OF_A_SWEEP)
    for metric in _METRICS.get(study, ()):
        name, values = ("ks", options.ks) if metric[:3] == "avg" else ("tops", options.tops)
        if int(metric[3:]) not in values:
            raise ConfigError(
                f"evaluation.{name}: {values} lacks {metric[3:]}, but study {study} compares "
                f"{metric_title(metric)}; add it, {advice}"
            )
    if study == "labels" and options.label_fraction != _LABELS:
        raise ConfigError(
            f"evaluation.label_fraction: {options.label_fraction} does not fit study labels, which "
            f"compares classifiers on {_LABELS:.0%} of the labels; leave it at {_LABELS}, {advice}"
        )
    if study == "fig2c" and config.training.curve_every is None:
        raise ConfigError(
            "training.curve_every: null does not fit study fig2c, which draws these curves; give a "
            f"number of steps, {advice}"
        )


def plan(
    scale: str,
    only: Sequence[str],
    seeds: int,
    extra: Mapping[str, Sequence[str]],
    common: Sequence[str],
) -> tuple[list[Study], list[RunSpec]]:
    """Return the studies of a scale, and their runs, each once, the longest first.

    ``only``: plan only these studies and data sets. ``extra``: more overrides for a data set;
    ``common``: overrides of every run. What a study varies wins over both. Raises ConfigError for
    a name that is unknown or selects nothing, for settings that do not compose, and for those that
    leave a study nothing to compare.
    """
    if scale not in SCALES:
        raise ConfigError(f"scale: no choice {scale!r}; choose one of {', '.join(SCALES)}")
    datasets = {planned.dataset: planned for planned in SCALES[scale]}
    names = [*STUDIES, *datasets]
    if unknown := [name for name in only if name not in names]:
        raise ConfigError(
            f"only: no study or data set {unknown[0]!r} at scale={scale}; "
            f"choose from {', '.join(names)}"
        )
    studies: list[Study] = []
    runs: dict[object, RunSpec] = {}
    for name in _chosen(datasets, only):
        dataset = datasets[name]
        base = (*dataset.base, *extra.get(name, ()), *common)
        for study in _chosen(dataset.studies, only, STUDIES):
            cells = []
            for labels, variation in STUDIES[study](replace(dataset, base=base)):
                _check_measured(study, _compose((*base, *variation)))
                seeded = _runs([*base, *variation], seeds)
                folders = tuple(run.folder for run in seeded)
                cells.append(Cell(labels, folders, seeded[0].evaluation))
                runs |= {run.key: run for run in seeded}
            studies.append(Study(study, name, tuple(cells)))
    if not studies:
        raise ConfigError(f"only: no study of {', '.join(only)} at scale={scale}")
    chosen = {name for study in studies for name in (study.name, study.dataset)}
    if unused := [name for name in only if name not in chosen]:
        raise ConfigError(
            f"only: {unused[0]} selects nothing beside {', '.join(n for n in only if n in chosen)} "
            f"at scale={scale}; leave it out"
        )
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
    return [  # no other option depends on the seed
        RunSpec.of(replace(config, seed=seed), (*overrides, f"seed={seed}"))
        for seed in range(seeds)
    ]


@cache
def _compose(overrides: tuple[str, ...]) -> Config:
    """The configuration, composed once: the studies share many."""
    return compose_config(overrides)
