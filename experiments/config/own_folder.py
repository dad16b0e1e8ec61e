"""How Hydra reads a folder of configuration files of the user's own. Imports no torch."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from crl.data.files.untrusted import read_plain_text, read_plain_yaml
from crl.experiments.config.own_files import RESERVED, SCHEME, defaults_of, is_file
from crl.experiments.config.schema import GROUPS, SECTIONS
from crl.experiments.errors import ConfigError

# What belongs to Hydra in a defaults list, or as a package or key.
_HYDRA = re.compile(r"((override|optional)\s+)*/?hydra(?![/.]sweeper\b)([/.@]|$)")
# What follows from the choices of a run, in a defaults list.
_FOLLOWS = re.compile(r"((override|optional)\s+)*/?(rate|preset)([/@]|$)")


class OwnSearchPath(SearchPathPlugin):
    """Adds the user's folders to Hydra's search path.

    ``hydra.searchpath`` itself would not do: Hydra looks for the primary file before it reads that.
    """

    folders: ClassVar[tuple[Path, ...]] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders, behind ``configs/``."""
        for folder in self.folders:
            search_path.append("command-line", f"{SCHEME}://{folder}")


class OwnFolder(ConfigSource):
    """How Hydra reads a folder of the user's.

    A file there is plain YAML of options. It imports nothing, sets up nothing of Hydra's, and takes
    no name of crl's.
    """

    @staticmethod
    def scheme() -> str:
        """The beginning of such a place on Hydra's search path."""
        return SCHEME

    def _place(self, config_path: str) -> Path | None:
        first = config_path.partition("/")[0]
        return None if first in RESERVED else Path(self.path) / config_path

    def available(self) -> bool:
        """Return whether the folder is there."""
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        """Return whether the folder has this group."""
        place = self._place(config_path)
        return place is not None and place.is_dir()

    def is_config(self, config_path: str) -> bool:
        """Return whether the folder has this file."""
        place = self._place(config_path.removesuffix(".yaml"))
        return place is not None and is_file(place.with_name(f"{place.name}.yaml"))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The names of files and groups in a group."""
        found: list[str] = []
        for entry in sorted((Path(self.path) / config_path).iterdir()):
            path = f"{config_path}/{entry.name}".removeprefix("/")
            self._list_add_result(found, path, entry.name, results_filter)
        return found

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file. Raises ConfigError that names it."""
        file = Path(self.path) / self._normalize_file_name(config_path)
        try:
            config = OwnFolder._options(file)
            header = self._get_header_dict(read_plain_text(file).removeprefix("\ufeff")[:512])
            _check(config, header["package"], config_path)
        except ConfigError as error:
            raise ConfigError(f"{file}: {error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: not UTF-8; save it as UTF-8") from error
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from error
        except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{file}: {' '.join(str(error).split())}") from error
        return ConfigResult(self.provider, f"{SCHEME}://{self.path}", config, header)

    @staticmethod
    def _options(file: Path) -> DictConfig:
        read_plain_yaml(file, references=True)  # else a few lines could fill the memory
        config = OmegaConf.load(file)  # which reads 1e-3 as a number
        assert isinstance(config, DictConfig)
        return config


def _check(config: DictConfig, package: str | None, config_path: str) -> None:
    """Raise ConfigError for what a file of the user's may not hold."""
    options: Any = OmegaConf.to_container(config)
    if any(str(key).rpartition(".")[2] == "_target_" for key in _keys(options)):
        raise ConfigError("_target_: no such option; nothing is imported by name")
    entries = options.get("defaults", [])
    if not isinstance(entries, list) or not all(
        isinstance(entry, str) or (isinstance(entry, dict) and len(entry) == 1) for entry in entries
    ):
        raise ConfigError("defaults: a list is expected, like [override /encoder: gru]")
    of_hydra = options.get("hydra", {})
    names = [f"hydra.{key}" for key in of_hydra] if isinstance(of_hydra, dict) else ["hydra"]
    names += [str(key) for key in options if key != "hydra"]
    names += [package or "", *defaults_of(options)]
    if any(_HYDRA.match(name) for name in names):
        raise ConfigError(
            "hydra: a file may hold hydra.sweeper; what else belongs to Hydra is set on the "
            "command line"
        )
    if follows := next(filter(_FOLLOWS.match, defaults_of(options)), ""):
        raise ConfigError(
            f"defaults: {follows}: it follows from the data set, the encoder and the optimiser; "
            "choose those"
        )
    for name in map(str, options):
        if "." in name and package in (None, "_global_"):
            nested = name.replace(".", ": {") + ": value" + "}" * name.count(".")
            raise ConfigError(f"{name}: write {nested}")
        if "/" in name:
            raise ConfigError(f"{name}: a choice is written defaults: [override /{name}: NAME]")
    for group in (*GROUPS, *SECTIONS):
        if not isinstance(options.get(group, {}), dict) and package in (None, "_global_"):
            choose = f"; a choice is written defaults: [override /{group}: {options[group]}]"
            raise ConfigError(
                f"{group}: options are expected, like {group}: {{name: value}}"
                + choose * (group in GROUPS)
            )
    if package is None and config_path.startswith("experiment/"):
        raise ConfigError("its first line must be # @package _global_")


def _keys(options: Any) -> Iterator[object]:
    """Every key of a nested mapping."""
    if isinstance(options, dict):
        yield from options
        options = list(options.values())
    if isinstance(options, list):
        for item in options:
            yield from _keys(item)
