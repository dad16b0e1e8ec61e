"""Configurations in print: options that matter, options that differ, a description."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from crl.experiments.config.identity import flat_options
from crl.experiments.config.schema import GROUPS, SECTIONS, Config
from crl.experiments.storage.results import Run

# All options that change no result, and the seed.
_SCHEMAS = [
    *((group, choice.options) for group, kinds in GROUPS.items() for choice in kinds.values()),
    *SECTIONS.items(),
]
_WITHOUT_EFFECT = {spec.name for spec in fields(Config)} | {
    f"{group}.{spec.name}"
    for group, schema in _SCHEMAS
    for spec in fields(schema)
    if not spec.metadata.get("changes_result", True)
}


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one configuration, ordered by seed; ``labels``: their place in a study."""

    labels: dict[str, Any]
    runs: tuple[Run, ...]


def one_per_seed(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return the first run of each seed, ordered by seed."""
    # Of two runs with one seed the later entry stays, which is the first run of the reversed list.
    by_seed = {run.seed: run for run in reversed([*runs])}
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def result_options(config: dict[str, Any]) -> dict[str, Any]:
    """Return ``group.option`` -> value of every option that can change the result, but the seed."""
    return {
        name: value for name, value in flat_options(config).items() if name not in _WITHOUT_EFFECT
    }


def differing(groups: Sequence[SeedGroup]) -> list[str]:
    """Return the names of the options in which these configurations differ."""
    configurations = [result_options(group.runs[0].config) for group in groups]
    return [
        name
        for name in dict.fromkeys(name for options in configurations for name in options)
        if len({str(options.get(name)) for options in configurations}) > 1
    ]


def reads_text(run: Run) -> bool:
    """Return whether the points of a run are sentences; otherwise they are images."""
    return "embedding" in run.config["encoder"]


def configuration_names(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return the names of the runs' configurations, each once."""
    return tuple(dict.fromkeys(run.name for run in runs))


def short(name: str) -> str:
    """Return the hash at the end of a configuration's name."""
    return name.rpartition("-")[2]


def describe(run: Run) -> str:
    """Return a configuration in a few words.

    They name the data set, encoder and objective, b and k, and whatever classes or share of the
    points differ from the default.
    """
    dataset, encoder, objective = (run.config[g] for g in ("dataset", "encoder", "objective"))
    words = [run.dataset, str(encoder.get("model", encoder["name"])), str(objective["name"])]
    if objective["name"] != "supervised":
        words.append(f"b = {objective['block_size']}")
    if objective["name"] == "contrastive":
        words.append(f"k = {objective['negatives']}")
    for name, default in (("class_distribution", "points"), ("class_sizes", "all")):
        if (kind := dataset.get(name, default)) != default:
            ratio = f" {dataset['imbalance']:g}:1" if kind != "uniform" else ""
            words.append(f"{name.replace('_', ' ')} {kind}{ratio}")
    share = dataset.get("train_fraction", 1)
    return ", ".join(words + ([f"{share:.0%} of the points"] if share != 1 else []))
