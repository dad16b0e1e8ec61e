"""Composing a configuration with Hydra, and reading a stored one."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from antlr4.error.Errors import RecognitionException
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from crl.data.files.untrusted import read_plain_yaml
from crl.experiments.config.checks import (
    check_complete,
    check_config,
    check_installed,
    check_options,
    check_paths,
)
from crl.experiments.config.installed import check_offered, check_own, register_installed
from crl.experiments.config.messages import (
    check_importing,
    check_override,
    check_single,
    check_values,
    explain,
)
from crl.experiments.config.own_files import (
    CONFIG_DIR,
    NO_FILES,
    OwnFiles,
    is_place,
    options_of,
)
from crl.experiments.config.own_folder import OwnFolder, OwnSearchPath
from crl.experiments.config.precision import choose_precision
from crl.experiments.config.presets import presets, rates
from crl.experiments.config.quoting import as_yaml, for_hydra, with_quoted_paths
from crl.experiments.config.schema import GROUPS, Config
from crl.experiments.config.sweepers import register_sweepers
from crl.experiments.config.tasks import check_tasks_early, mark_defaults
from crl.experiments.errors import ConfigError

# Errors of Hydra and OmegaConf for values and combinations that they do not expect.
_UNEXPECTED = (AssertionError, AttributeError, KeyError, TypeError)
# What OmegaConf raises for ${...}, without the name of the option.
_REFERENCE = (InterpolationResolutionError, GrammarParseError)
# What Hydra raises for lists of defaults that do not fit together.
_DEFAULTS = (ConfigCompositionException, RecursionError)


@contextmanager
def hydra_started(overrides: Sequence[str], own: OwnFiles = NO_FILES) -> Iterator[ConfigLoader]:
    """Start Hydra with the schema and with crl's files and the user's own; give its loader.

    Raises ConfigError if Hydra rejects an override.
    """
    for override in overrides:
        check_importing(override)
    _register()
    try:
        OwnSearchPath.folders = own.folders
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            register_installed(loader, overrides, own.primary)
            yield loader
    except RecursionError as error:
        raise ConfigError(
            "an option is nested too deeply, or a list of defaults leads back to itself"
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError, RecognitionException) as error:
        raise ConfigError(explain(error, overrides, own)) from error


def _register() -> None:
    """Tell Hydra the schema, the options of every choice, presets, and how to read own files."""
    for plugin in (OwnFolder, OwnSearchPath):
        Plugins.instance().register(plugin)
    _store("", "schema", Config)
    for group, choices in GROUPS.items():
        for name, choice in choices.own.items():
            # A file in configs/ takes the options from the group of schemas and adds to them.
            has_file = (CONFIG_DIR / group / f"{name}.yaml").exists()
            _store(f"schema/{group}" if has_file else group, name, choice.options)
    for group, table in (("rate", rates()), ("preset", presets())):
        for name, options in table.items():
            ConfigStore.instance().store(name, options, group, package="_global_")
    register_sweepers()


@cache
def _store(group: str, name: str, options: type) -> None:
    """Give Hydra a dataclass, once: it takes a while to read one."""
    node = options(name=name) if group else options
    ConfigStore.instance().store(name, node, group or None)


class Start(NamedTuple):
    """What Hydra composes: ``overrides`` are as it can read them. ``parsed``: what they say."""

    own: OwnFiles
    overrides: list[str]
    parsed: list[Override]

    def composed(self) -> DictConfig:
        """Compose the configuration. Raises ConfigError if a primary file leaves out the schema."""
        config = compose(self.own.primary, self.overrides)
        if OmegaConf.get_type(config) is not Config:
            file = self.own.file(self.own.primary)
            raise ConfigError(f"{file}: train is missing in it; write defaults: [train, _self_]")
        return config

    def named(self, error: ConfigError) -> ConfigError:
        """The error, with the file of the user's that has set the option that it is about."""
        option = str(error).partition(":")[0]
        if any(option.startswith(f"{folder}/") for folder in self.own.folders):
            return error
        chosen = {o.key_or_group: o.value() for o in self.parsed if not o.is_sweep_override()}
        names = chosen.get("experiment")
        experiments = [f"experiment/{n}" for n in (names if isinstance(names, list) else [names])]
        for file in filter(None, map(self.own.file, [*reversed(experiments), self.own.primary])):
            found = options_of(file)
            is_reference = isinstance(error.__cause__, _REFERENCE) and "${" in str(found)
            is_defaults = isinstance(error.__cause__, _DEFAULTS) and not any(
                override.partition("=")[0] in str(error) for override in self.overrides
            )
            if (option in found and option not in chosen) or is_reference or is_defaults:
                return ConfigError(f"{file}: {error}")
        return error


@contextmanager
def composing(overrides: Sequence[str]) -> Iterator[Start]:
    """Start Hydra for the command line, whose overrides are checked one by one.

    Raises ConfigError, also in place of what Hydra and OmegaConf raise meanwhile.
    """
    for given in overrides:
        check_single(given)
    own = OwnFiles.of(overrides)
    overrides = list(for_hydra([given for given in overrides if not is_place(given)]))
    start = Start(own, overrides, [])
    try:
        with hydra_started(overrides, own) as loader:
            start.parsed.extend(OverridesParser.create(loader).parse_overrides(overrides))
            for override in start.parsed:
                check_override(override, own)
            yield start
    except ConfigError as error:
        raise start.named(error) from error
    except _UNEXPECTED as error:
        why = str(error).split("\n")[0]
        raise ConfigError(
            f"{' '.join(overrides)}: these options cannot be put together ({why})"
        ) from error


def compose_config(overrides: Sequence[str]) -> Config:
    """Compose the configuration that the command line describes. Raises ConfigError."""
    with composing(overrides) as start:
        config = typed(start.composed())
        check_own(config)
        choose_precision(config)
        check_config(config)
        check_paths(config)
    mark_defaults(config, {override.key_or_group for override in start.parsed})
    check_tasks_early(config)
    check_installed(config)  # a stored configuration is only read, so nothing need be installed
    return config


def compose_for_help(overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration without asking whether it can be run.

    No file is looked for, no package need be installed, and an option may be missing. Raises
    ConfigError for an override of no option, or with a value out of bounds.
    """
    with composing(overrides) as start:
        config = start.composed()
        OmegaConf.resolve(config)
        check_options(config)
    return config


def typed(config: DictConfig) -> Config:
    """Resolve a composed configuration and return its dataclasses.

    Raises ConfigError for an option that is missing or unknown, and what OmegaConf raises.
    """
    OmegaConf.resolve(config)
    check_complete(config)
    options = OmegaConf.to_object(config)
    assert isinstance(options, Config)
    return options


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a run folder's configuration and lay overrides over it. Raises ConfigError."""
    try:
        stored = read_plain_yaml(path)
        check_offered(path.parent, stored)
        config = _stored_config(stored, overrides)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; is {path.parent} a run folder?") from error
    except (OmegaConfBaseException, *_UNEXPECTED, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {explain(error, overrides)}") from error
    choose_precision(config)
    check_config(config)
    return config


def _stored_config(options: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    """Return the dataclasses of a stored configuration, with overrides laid over it.

    Options that it lacks have today's defaults. Raises ValueError for a group without a known name,
    and OmegaConf's own errors for what is no configuration.
    """
    stored = OmegaConf.create(dict(options))
    config = OmegaConf.structured(Config)
    for group, choices in GROUPS.items():
        chosen = options.get(group)
        name = chosen.get("name") if isinstance(chosen, dict) else None
        if not isinstance(name, str) or name not in choices:
            raise ValueError(f"{group}.name: {name} is no choice; there are {', '.join(choices)}")
        config[group] = OmegaConf.structured(choices[name].options)
    OmegaConf.set_struct(config, True)
    config = OmegaConf.merge(config, stored, OmegaConf.from_dotlist([*as_yaml(overrides)]))
    assert isinstance(config, DictConfig)
    return typed(config)


def to_yaml(config: Config) -> str:
    """Return the text of ``config.yaml``."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def combinations(overrides: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the names of the swept options, and the overrides of every combination.

    An override sweeps if its value is ``a,b``, ``range(...)``, ``choice(...)`` or ``glob(...)``.
    The last option named varies fastest, as with Hydra's own sweeper. Raises ConfigError.
    """
    for override in overrides:
        check_single(override)
    own = OwnFiles.of(overrides)
    overrides = list(with_quoted_paths([given for given in overrides if not is_place(given)]))
    with hydra_started(overrides, own) as loader:
        swept: dict[str, None] = {}
        axes: list[list[str]] = [[place] for place in own.overrides()]
        for parsed in OverridesParser.create(loader).parse_overrides(overrides):
            if not parsed.is_sweep_override():
                axes.append([str(parsed.input_line)])
                continue
            if not parsed.is_discrete_sweep():
                raise ConfigError(
                    f"{parsed.input_line}: an interval has endless values; list some, like a,b,c, "
                    "or add hydra/sweeper=optuna"
                )
            check_values(parsed)
            key = parsed.get_key_element()
            swept[key.lstrip("+")] = None
            axes.append([plain(f"{key}={value}") for value in parsed.sweep_string_iterator()])
            if not axes[-1]:
                raise ConfigError(f"{parsed.input_line}: there is no value in it")
    return list(swept), [list(chosen) for chosen in itertools.product(*axes)]


def plain(override: str) -> str:
    """Undo Hydra's escape of the colon in ``encoder=torchvision:resnet18``."""
    return override.replace("\\:", ":") if override.startswith("encoder=") else override
