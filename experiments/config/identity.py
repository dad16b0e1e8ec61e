"""The identity of a run: the hash of what its training depends on, its name and its folder.

What its evaluation depends on has a hash of its own: a changed evaluation scores the same encoder
again.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from crl.experiments.config.hash8 import hash8
from crl.experiments.config.paths import expanded
from crl.experiments.config.schema import Config


def identity(options: Any) -> dict[str, Any]:
    """Return the options that can change the result, the seed aside, as plain types.

    A new option is left out while it has its default, so that older runs keep their names.
    """
    return {
        spec.name: identity(value) if is_dataclass(value := getattr(options, spec.name)) else value
        for spec in fields(options)
        if spec.metadata.get("changes_result", True)
        and not (spec.metadata.get("new") and getattr(options, spec.name) == spec.default)
    }


def training_identity(config: Config) -> dict[str, Any]:
    """Return the options that can change the trained encoder, the seed aside, as plain types."""
    return {name: value for name, value in identity(config).items() if name != "evaluation"}


def config_hash(config: Config) -> str:
    """Return 8 hexadecimal digits over all that can change the encoder, the seed aside."""
    return hash8(training_identity(config))


def evaluation_of(config: Config) -> str:
    """Return 8 hexadecimal digits over all that can change the scores of a trained encoder."""
    return hash8(identity(config.evaluation))


def run_name(config: Config) -> str:
    """Return ``<dataset>-<encoder>-<objective>-<hash8>``."""
    return _named(config, config_hash(config))


def _named(config: Config, digits: str) -> str:
    names = (config.dataset.name, config.encoder.name, config.objective.name)
    return "-".join([*names, digits])


def run_path(config: Config) -> Path:
    """Return the run's folder. Raises ConfigError.

    It is ``run_dir`` if that is set, else ``<output_dir>/runs/<name>/seed<k>``. A folder that an
    earlier crl named, with a hash over evaluation too, is used where it is.
    """
    if config.run_dir is not None:
        return expanded(config.run_dir)
    runs, seed = expanded(config.output_dir) / "runs", f"seed{config.seed}"
    earlier = runs / _named(config, earlier_hash(config)) / seed
    return earlier if earlier.is_dir() else runs / run_name(config) / seed


def earlier_hash(config: Config) -> str:
    """Return the hash of crl before evaluation had one of its own, to find the runs of then."""
    options = identity(config)
    if config.dataset.name in ("imdb", "wiki3029"):
        options["dataset"]["root"] = getattr(config.dataset, "root", None)
    return hash8(options)


def is_same_run(stored: Config, config: Config) -> bool:
    """Return whether both configurations train one run, seed included."""
    return not first_difference(stored, config)


def first_difference(stored: Config, config: Config) -> str:
    """Name the first option that differs and can change the encoder; empty if none does."""
    old, new = (
        {"seed": options.seed, **flat_options(training_identity(options))}
        for options in (stored, config)
    )
    there, here = flat_options(stored), flat_options(config)  # with the new options at defaults
    different = (name for name in new | old if old.get(name) != new.get(name))
    return next(
        (f"{name} is {there.get(name)} there, {here.get(name)} here" for name in different), ""
    )


def flat_options(config: Any) -> dict[str, Any]:
    """Return ``{"optimizer": {"lr": 0.1}}`` as ``{"optimizer.lr": 0.1}``.

    ``config`` is a nested mapping, or the dataclass of a configuration.
    """
    options = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": item for inner, item in flat_options(value).items()}
        else:
            flat[name] = value
    return flat
