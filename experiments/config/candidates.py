"""What a word of ``crl train``'s command line can become, for the completion of a shell."""

from collections.abc import Iterator, Sequence
from dataclasses import Field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from crl.experiments.config.compose import composing, hydra_started
from crl.experiments.config.identity import flat_options
from crl.experiments.config.messages import choices, is_of_sweep
from crl.experiments.config.own_files import OwnFiles, is_place
from crl.experiments.config.quoting import PATHS
from crl.experiments.config.schema import GROUPS, options_by_name
from crl.experiments.errors import ConfigError

_OF_SWEEP = ("hydra/launcher", "hydra/sweeper")


def candidates(word: str, before: Sequence[str], sweeps: bool = False) -> list[str]:
    """Return what ``word`` can become, sorted. An unfinished one ends in ``=`` or ``.``.

    ``before``: the overrides before it. ``sweeps``: whether the runs of a sweep are described, so
    that values may follow each other with commas.
    """
    found = _values(word, before, sweeps) if "=" in word else _names(word, before, sweeps)
    return sorted(text for text in set(found) if text.startswith(word))


def _names(word: str, before: Sequence[str], sweeps: bool) -> Iterator[str]:
    yield from (f"{group}=" for group in (*GROUPS, "experiment"))
    if sweeps:
        yield from (f"{group}=" for group in _OF_SWEEP)
    for name in _current(before, sweeps):
        section, dot, _ = name.partition(".")
        if not name.endswith(".name"):
            yield f"{section}." if dot and not word.startswith(f"{section}.") else f"{name}="


def _values(word: str, before: Sequence[str], sweeps: bool) -> Iterator[str]:
    name, _, value = word.partition("=")
    head, comma, _ = value.rpartition(",") if sweeps else ("", "", "")
    yield from (f"{name}={head}{comma}{text}" for text in _values_of(name, before, sweeps))


def _values_of(name: str, before: Sequence[str], sweeps: bool) -> list[str]:
    if name in GROUPS or name == "experiment":
        return choices(name, _own(before))
    if sweeps and name in _OF_SWEEP:
        with hydra_started([]) as loader:
            return list(loader.get_group_options(name))
    options = options_by_name()
    if name not in options or name in PATHS:  # the shell completes paths
        return []
    spec: Field[Any] = options[name][0]
    if "bool" in str(spec.type):
        return ["false", "true"]
    if spec.metadata.get("choices"):
        return list(spec.metadata["choices"])
    value = _current(before, sweeps).get(name)
    return ["null" if value is None else str(value).replace(" ", "")]


def _current(before: Sequence[str], sweeps: bool) -> dict[str, Any]:
    """The options of the chosen groups, and their values; all options if these do not compose."""
    single = [o for o in before if not (sweeps and ("," in o or is_of_sweep(o)))]
    for overrides in (single, [o for o in single if o.startswith("dataset=") or is_place(o)], []):
        try:
            with composing(overrides) as start:
                config: DictConfig = start.composed()
                return flat_options(OmegaConf.to_container(config))
        except ConfigError:
            continue
    return dict.fromkeys(options_by_name())


def _own(before: Sequence[str]) -> OwnFiles:
    try:
        return OwnFiles.of(before)
    except ConfigError:
        return OwnFiles()
