"""What names a run: the hash of its options, its name, its folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.config.paths import expanded
from experiments.config.schema import schema_of


def config_hash(config: DictConfig) -> str:
    """8 hexadecimal digits over all that can change the result, the seed aside."""
    text = json.dumps(identity(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_name(config: DictConfig) -> str:
    """``<dataset>-<encoder>-<objective>-<hash8>``."""
    return "-".join(
        [config.dataset.name, config.encoder.name, config.objective.name, config_hash(config)]
    )


def run_path(config: DictConfig) -> Path:
    """The run's folder: ``run_dir`` if it is set, else ``<output_dir>/runs/<name>/seed<k>``. Raises
    ConfigError."""
    place = expanded(config.output_dir if config.run_dir is None else config.run_dir)
    return (
        place
        if config.run_dir is not None
        else place / "runs" / run_name(config) / f"seed{config.seed}"
    )


def identity(config: DictConfig) -> dict[str, Any]:
    """The options that can change the result, the seed aside, as plain types."""
    kept: dict[str, Any] = {}
    for spec in fields(schema_of(config)):
        value = config[spec.name]
        if isinstance(value, DictConfig):
            kept[spec.name] = identity(value)
        elif spec.metadata.get("changes_result", True):
            kept[spec.name] = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return kept


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
