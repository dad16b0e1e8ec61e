"""The commands that give the runs and the studies of a report again."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from crl.experiments.config.compose import compose_config, load_config
from crl.experiments.config.identity import flat_options, identity
from crl.experiments.config.messages import CONFIG_DIR, choices
from crl.experiments.config.precision import AUTO, OPTION
from crl.experiments.config.quoting import quoted
from crl.experiments.config.schema import GROUPS, Config, EvaluationConfig
from crl.experiments.errors import ConfigError
from crl.experiments.report.configurations import SeedGroup
from crl.experiments.storage.results import Run

# Paths that are part of a command, though some of them are not part of a run's identity.
_READ = ("dataset.root", "encoder.glove_path", "encoder.weights")
# The options of `crl reproduce` for some data sets only.
_ONLY_FOR = {
    "cifar100": ("cifar100",),
    "wiki3029": ("wiki3029",),
    "imdb": ("imdb",),
    "glove": ("wiki3029", "imdb"),
}


class TrainCommand(NamedTuple):
    """``overrides``: of one run, without its seed; ``why``: the reason if there is no command."""

    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return f"no command: {self.why}"
        several = ["-m"] if len(self.seeds) > 1 else []
        seeds = f"seed={','.join(map(str, self.seeds))}"
        return shlex.join(["crl", "train", *several, *self.overrides, seeds])


def train_command(group: SeedGroup) -> TrainCommand:
    """Return the shortest `crl train` that composes to the configuration of these runs."""
    seeds = tuple(run.seed for run in group.runs)
    try:
        return TrainCommand(_shortest(_stored(group.runs[0])), seeds)
    except ConfigError as error:
        return TrainCommand(why=" ".join(str(error).split()))


def _stored(run: Run) -> Config:
    """Return a run's configuration with the evaluation of its result. Raises ConfigError."""
    config = load_config(run.path / "config.yaml")
    try:
        return replace(config, evaluation=EvaluationConfig(**run.config["evaluation"]))
    except TypeError as error:
        raise ConfigError(f"evaluation: {error}") from error


def _shortest(config: Config) -> tuple[str, ...]:
    """Return the fewest overrides that compose to the configuration. Raises ConfigError."""
    found = sorted(_candidates(config), key=lambda overrides: (len(overrides), overrides))
    for overrides in found:
        composed = _composed(overrides)
        if isinstance(composed, Config) and identity(composed) == identity(config):
            return overrides
    failed = _composed(found[0])
    if isinstance(failed, ConfigError):
        raise failed
    raise ConfigError("today's options do not compose to its configuration")


def _candidates(config: Config) -> Iterator[tuple[str, ...]]:
    """Yield overrides: a data set or an experiment, the other choices, the options that differ."""
    paths = tuple(
        f"{name}={quoted(value)}"
        for name in _READ
        if (value := flat_options(config).get(name)) is not None and value != _default(config, name)
    )
    data = config.dataset.name
    for start in ((f"dataset={data}",), *_experiments_on(config)):
        base = _composed(start)
        if not isinstance(base, Config):  # an experiment may need one of the paths
            base = _composed((*start, *paths))
        if isinstance(base, Config) and base.dataset.name != data:
            continue
        different = _other_choices(config, base)
        overrides = (*start, *different, *paths)
        base = _composed(overrides)
        if isinstance(base, Config):
            yield (*overrides, *_differences(_identity_options(base), config))
        elif start == (f"dataset={data}",):
            yield (*overrides, *_differences({}, config))


def _experiments_on(config: Config) -> Iterator[tuple[str, ...]]:
    """Yield the experiments whose name or file names the data set.

    One that leaves the precision to the machine has the run's beside it.
    """
    data = config.dataset.name
    for name in choices("experiment"):
        text = (CONFIG_DIR / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
        if data in name or f"/dataset: {data}\n" in text:
            fixed = [f"{OPTION}={config.runtime.precision}"] * (f"precision: {AUTO}" in text)
            yield (f"experiment={name}", *fixed)


def _default(config: Config, name: str) -> Any:
    group, _, option = name.partition(".")
    return getattr(type(getattr(config, group)), option, None)


def _other_choices(config: Config, base: "Config | ConfigError") -> tuple[str, ...]:
    """Return the choices of the other groups that the base lacks."""
    chosen = []
    for group in GROUPS:
        options = getattr(config, group)
        wanted = options.name
        if group == "dataset" or (isinstance(base, Config) and getattr(base, group).name == wanted):
            continue
        if wanted in ("torchvision", "installed") and group == "encoder":
            wanted = f"{wanted}:{options.model}"
        chosen.append(f"{group}={wanted}")
    return tuple(chosen)


def _differences(old: Mapping[str, Any], config: Config) -> Iterator[str]:
    """Yield an override for each option that can change the result and is not as in ``old``."""
    new, every = _identity_options(config), flat_options(config)
    for name in (*new, *sorted(old.keys() - new.keys())):  # the latter: options at their default
        given = name.endswith(".name") or name in _READ
        if not given and (name not in old or old[name] != every[name]):
            yield f"{name}={_typed(every[name])}"


def _identity_options(config: Config) -> dict[str, Any]:
    return flat_options(identity(config))


def _typed(value: Any) -> str:
    """Return a value as an override has it."""
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return quoted(value) if isinstance(value, str) else repr(value)


@cache
def _composed(overrides: tuple[str, ...]) -> "Config | ConfigError":
    """Compose once: many configurations share their start."""
    try:
        return compose_config(overrides)
    except ConfigError as error:
        return error


def train_commands(configurations: Mapping[str, SeedGroup]) -> dict[str, TrainCommand]:
    """Return the command of every configuration by its name."""
    return {name: train_command(group) for name, group in configurations.items()}


def study_command(planned: Mapping[str, Sequence[str]], dataset: str) -> str:
    """Return what does studies on one data set again: ``planned`` has the command of each.

    Of `crl reproduce` it does these studies alone. Several commands are joined by ``&&``.
    """
    studies: dict[tuple[str, ...], list[str]] = {}
    for study, recorded in planned.items():
        studies.setdefault(_for_any_study(recorded, dataset), []).append(study)
    return " && ".join(
        shlex.join([*words, f"only={','.join([*names, dataset])}"] if _reproduces(words) else words)
        for words, names in studies.items()
    )


def _reproduces(words: Sequence[str]) -> bool:
    return [*words[:2]] == ["crl", "reproduce"]


def _for_any_study(words: Sequence[str], dataset: str) -> tuple[str, ...]:
    """Return `crl reproduce` without what chooses studies or is for other data sets."""
    if not _reproduces(words):
        return tuple(words)
    names = ((word.partition("=")[0], word) for word in words)
    return tuple(
        word
        for name, word in names
        if name != "only" and dataset in _ONLY_FOR.get(name, (dataset,))
    )
