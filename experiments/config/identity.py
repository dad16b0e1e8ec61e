"""What names a run: the hash of its options, its name, its folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from experiments.config.paths import expanded
from experiments.config.schema import Config


def identity(options: Any) -> dict[str, Any]:
    """Return the options that can change the result, the seed aside, as plain types."""
    kept: dict[str, Any] = {}
    for spec in fields(options):
        value = getattr(options, spec.name)
        if is_dataclass(value):
            kept[spec.name] = identity(value)
        elif spec.metadata.get("changes_result", True):
            kept[spec.name] = value
    return kept


def config_hash(config: Config) -> str:
    """Return 8 hexadecimal digits over all that can change the result, the seed aside."""
    text = json.dumps(identity(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_name(config: Config) -> str:
    """Return ``<dataset>-<encoder>-<objective>-<hash8>``."""
    names = (config.dataset.name, config.encoder.name, config.objective.name)
    return "-".join([*names, config_hash(config)])


def run_path(config: Config) -> Path:
    """Return the run's folder. Raises ConfigError.

    It is ``run_dir`` if that is set, else ``<output_dir>/runs/<name>/seed<k>``.
    """
    if config.run_dir is not None:
        return expanded(config.run_dir)
    return expanded(config.output_dir) / "runs" / run_name(config) / f"seed{config.seed}"


def option_value(config: Config, name: str, default: Any = None) -> Any:
    """Return the value of an option by its full name, such as ``optimizer.lr``."""
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part, default)
    return value


def is_same_run(stored: Config, config: Config) -> bool:
    """Whether both configurations describe one run, seed included."""
    return config_hash(stored) == config_hash(config) and stored.seed == config.seed


def first_difference(stored: Config, config: Config) -> str:
    """Name the first option that differs and can change the result; empty if none does."""
    old, new = ({"seed": options.seed, **identity(options)} for options in (stored, config))
    return next(_differences(old, new), "")


def _differences(stored: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, new in wanted.items():
        old = stored.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            yield from _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name} is {old} there, {new} here"


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
