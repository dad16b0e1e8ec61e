"""Configurations in print: options that matter, options that differ, a description."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crl.experiments.storage.results import Run
from crl.experiments.storage.subjects import result_options


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
    model = str(encoder.get("model", encoder["name"]))
    words = [run.subject or run.dataset, model, str(objective["name"])]
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


def descriptions(groups: Mapping[str, SeedGroup]) -> dict[str, str]:
    """Return a description for each name; no two are alike.

    Those that would be alike also name the options in which they differ.
    """
    alike: dict[str, list[str]] = {}
    for name, group in groups.items():
        alike.setdefault(describe(group.runs[0]), []).append(name)
    told = {}
    for description, names in alike.items():
        different = differing([groups[name] for name in names]) if len(names) > 1 else []
        for name in names:
            run = groups[name].runs[0]
            options = result_options(run.config)
            words = [f"{o.rpartition('.')[2]} = {options[o]}" for o in different if o in options]
            read = [f"files {run.variant[1:]}"] if run.variant else []
            told[name] = ", ".join([description, *words, *read])
    return told
