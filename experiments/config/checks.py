"""Every check of a configuration, before anything is read or trained."""

import math
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING, DictConfig, OmegaConf

from crl.experiments.config.datasets import DATASETS, DatasetConfig
from crl.experiments.config.encoders import ENCODERS, SentenceEncoderConfig
from crl.experiments.config.installed import check_answers
from crl.experiments.config.messages import choices
from crl.experiments.config.option import bounds_in_words, is_within
from crl.experiments.config.paths import expanded
from crl.experiments.config.quoting import PATHS
from crl.experiments.config.schema import GROUPS, SECTIONS, Config
from crl.experiments.config.tasks import check_tasks
from crl.experiments.errors import ConfigError

if TYPE_CHECKING:
    from crl.data.dataset import Dataset

DEVICES_OF_A_SWEEP = (
    "runtime.devices: each run of a sweep takes one; only a crl train by itself takes several"
)


def check_complete(config: DictConfig, prefix: str = "") -> None:
    """Raise ConfigError for an option that is missing or unknown."""
    schema = OmegaConf.get_type(config)
    assert schema is not None and is_dataclass(schema)
    names = [spec.name for spec in fields(schema)]
    if unknown := set(config) - set(names):
        raise ConfigError(f"{prefix}{min(map(str, unknown))}: no such option; see crl train --help")
    for name in names:
        full = f"{prefix}{name}"
        if name not in config or OmegaConf.is_missing(config, name):
            raise ConfigError(f"{full}: missing; give it as {full}=VALUE")
        value = config[name]
        if isinstance(value, DictConfig):
            check_complete(value, f"{full}.")
        elif OmegaConf.is_list(value) and any(
            OmegaConf.is_missing(value, place) for place in range(len(value))
        ):
            raise ConfigError(f"{full}: ??? stands for a missing value; give a value")


def check_config(config: Config) -> None:
    """Raise ConfigError for an option out of bounds, or for options that do not fit together."""
    for name, value, spec in _options_of(config):
        _check_bounds(name, value, spec)
    for group in GROUPS:
        options = getattr(config, group)
        _check_name(group, options.name, type(options))
    check_answers(config)
    _check_points(config)
    _check_imbalance(config.dataset)
    _check_objective(config)
    encoder = config.encoder
    if (
        isinstance(encoder, SentenceEncoderConfig)
        and encoder.embedding == "glove"
        and encoder.glove_path is None
    ):
        raise ConfigError(
            "encoder.glove_path: missing; encoder.embedding=glove needs the path of a GloVe text "
            "file (crl reproduce: glove=FILE)"
        )


def _options_of(options: Any, prefix: str = "") -> "Iterator[tuple[str, Any, Field[Any]]]":
    """(full name, value, field) of every option, group by group."""
    for spec in fields(options):
        value = getattr(options, spec.name)
        if is_dataclass(value):
            yield from _options_of(value, f"{prefix}{spec.name}.")
        elif spec.metadata:
            yield f"{prefix}{spec.name}", value, spec


def check_options(config: DictConfig) -> None:
    """Raise ConfigError for an option out of bounds, or a name that was set by hand.

    Options may be missing, or not fit together.
    """
    for group in GROUPS:
        _check_name(group, config[group].name, OmegaConf.get_type(config, group))
    for name, value, spec in composed_options(config):
        if value != MISSING:
            _check_bounds(name, value, spec)


def composed_options(
    config: DictConfig, prefix: str = ""
) -> "Iterator[tuple[str, Any, Field[Any]]]":
    """(full name, value, field) of every option of a composed configuration, or of a group in it.

    The value of one that is missing is "???". The names of the choices are left out.
    """
    schema, values = OmegaConf.get_type(config), OmegaConf.to_container(config)
    assert schema is not None and is_dataclass(schema) and isinstance(values, dict)
    for spec in fields(schema):
        if not prefix and spec.name in (*GROUPS, *SECTIONS):
            yield from composed_options(config[spec.name], f"{spec.name}.")
        elif spec.name != "name":
            yield f"{prefix}{spec.name}", values.get(spec.name, MISSING), spec


def _check_bounds(name: str, value: Any, spec: "Field[Any]") -> None:
    """Raise ConfigError unless the value keeps the bounds of the option, and is one of its choices.

    Of a list every item must.
    """
    if isinstance(value, list):
        if not value:
            raise ConfigError(f"{name}: an empty list; give at least one value, like {name}=[2]")
        for item in value:
            if isinstance(item, list | dict):
                raise ConfigError(f"{name}: {item} is not a single value")
            _check_bounds(name, item, spec)
        return
    if value is None:
        return
    allowed = spec.metadata.get("choices")
    if allowed is not None and value not in allowed:
        raise ConfigError(f"{name}: no choice {value!r}; choose one of {', '.join(allowed)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name}: {value} is not a finite number")
    if not is_within(value, spec.metadata):
        raise ConfigError(
            f"{name}: {value} is out of bounds; it must be {bounds_in_words(spec.metadata)}"
        )


def _check_name(group: str, name: str, options: type | None) -> None:
    """Refuse a name that was set by hand instead of choosing the group."""
    entry = GROUPS[group].get(name)
    if entry is None or entry.options is not options:
        raise ConfigError(
            f"{group}.name: {name!r} cannot be set; choose one with "
            f"{group}={'|'.join(choices(group))}"
        )


def _check_points(config: Config) -> None:
    reads, holds = ENCODERS[config.encoder.name].points, DATASETS[config.dataset.name].points
    if reads != holds:
        fitting = ", ".join(n for n, entry in ENCODERS.known().items() if entry.points == holds)
        raise ConfigError(
            f"encoder={config.encoder.name} reads {reads}, but dataset={config.dataset.name} holds "
            f"{holds}; choose encoder={fitting}"
        )


def _check_imbalance(dataset: DatasetConfig) -> None:
    """Refuse an option of imbalance that has no effect."""
    kinds = {dataset.class_distribution, dataset.class_sizes}
    for name, needed in (("imbalance", {"longtail", "step"}), ("minority_share", {"step"})):
        value = getattr(dataset, name)
        if value != getattr(DatasetConfig, name) and not kinds & needed:
            raise ConfigError(
                f"dataset.{name}: {value:g} has no effect; it needs dataset.class_distribution or "
                f"dataset.class_sizes to be {' or '.join(sorted(needed))}"
            )


def _check_objective(config: Config) -> None:
    objective, tuples = config.objective, config.training.batch_size
    if objective.trains and config.encoder.name == "identity":
        raise ConfigError(
            f"objective={objective.name}: encoder=identity has nothing to train; use "
            "objective=frozen"
        )
    if objective.reads_labels and config.encoder.dimension == 0:
        raise ConfigError(
            f"encoder.dimension: objective={objective.name} puts a layer on the features, so "
            "it needs their number; set encoder.dimension"
        )
    if objective.reads_labels and config.dataset.points_are_means:
        raise ConfigError(
            f"objective={objective.name}: needs dataset.review=whole; with dataset.review=mean a "
            "labelled document is a mean of features, which no encoder reads"
        )
    pooled = objective.minimises_unsupervised_loss and objective.negative_source == "pooled"
    if pooled and objective.negatives >= tuples:
        raise ConfigError(
            f"objective.negatives: {objective.negatives} is too large: with "
            f"negative_source=pooled it must be below training.batch_size={tuples} (or use "
            "negative_source=fresh)"
        )
    if pooled and not objective.collisions:
        raise ConfigError("objective.collisions: false needs objective.negative_source=fresh")


def check_paths(config: Config) -> None:
    """Raise ConfigError for a path that no file can have, such as one below ``~nosuchuser``."""
    for name in PATHS:
        group, _, option = name.rpartition(".")
        value = getattr(getattr(config, group) if group else config, option, None)
        if value is not None:
            try:
                expanded(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from error


def check_installed(config: Config) -> None:
    """Raise ConfigError for a tracker whose package is not installed."""
    for name, value, spec in _options_of(config):
        package = spec.metadata.get("package")
        if value and package is not None and not _is_installed(package):
            raise ConfigError(f"{name}: not installed; pip install 'crl[{package}]'")


def check_machine(config: Config, processes: int = 1, takes_several: bool = False) -> None:
    """Raise ConfigError if this machine, or what started the run, cannot do it.

    ``processes`` train the run together; ``takes_several``: whether there may be several.
    """
    if config.runtime.devices > 1 and not takes_several:
        raise ConfigError(DEVICES_OF_A_SWEEP)
    if processes > 1 and not config.objective.trains:
        raise ConfigError(
            f"objective={config.objective.name}: nothing is trained; start one process, on one "
            "device"
        )
    if config.runtime.compile:
        _check_compiler(os.environ.get("CXX", "g++"))
    check_map(config)


def _check_compiler(command: str) -> None:
    """Raise ConfigError unless the command, such as ``ccache g++``, begins with a program."""
    try:
        words = shlex.split(command)
    except ValueError as error:  # a quote without its pair
        raise ConfigError(f"runtime.compile: CXX={command} is no command ({error})") from error
    if not words:
        raise ConfigError("runtime.compile: CXX is empty; unset it, or let it name a C++ compiler")
    if shutil.which(words[0]) is None:
        raise ConfigError(
            f"runtime.compile: no C++ compiler is there ({words[0]}: g++, or what CXX names); use "
            "runtime.compile=false"
        )


def check_map(config: Config) -> None:
    """Raise ConfigError if ``evaluation.map`` needs a package that cannot be used."""
    if config.evaluation.map == "umap":
        try:
            import umap  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "evaluation.map: umap is not installed; pip install umap-learn, or use tsne or pca"
            ) from error


def _is_installed(package: str) -> bool:
    """Return whether the package is installed.

    A folder of that name, such as W&B's own ./wandb, has no origin and does not count.
    """
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def check_data(config: Config, dataset: "Dataset") -> None:
    """Raise ConfigError if the data set is too small for this training or evaluation."""
    options = config.evaluation
    check_tasks(options, len(dataset.classes), dataset.name)
    smallest = int(dataset.train.sizes.min())
    if options.shots > smallest:
        raise ConfigError(
            f"evaluation.shots: {options.shots} labelled points per class are needed, but the "
            f"smallest class of {dataset.name} has {smallest} training points"
        )
    if not config.objective.minimises_unsupervised_loss or dataset.unlabelled_train is not None:
        return  # blocks of short unlabelled documents repeat sentences
    smallest = int(dataset.train.fraction(config.dataset.train_fraction).sizes.min())
    if config.objective.block_size > smallest:
        raise ConfigError(
            f"objective.block_size: {config.objective.block_size} exceeds the {smallest} training "
            f"points of the smallest class of {dataset.name}; choose at most {smallest}"
        )
