"""Configuration files of the user's own: folders beside ``configs/``, and a primary file in one.

``--config-dir FOLDER`` and ``--config-name NAME`` become the overrides ``hydra.searchpath=[...]``
and ``hydra.job.config_name=...``. So every list of overrides carries them, into other processes
too. Imports no torch.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from antlr4.error.Errors import RecognitionException
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from crl import configs
from crl.data.files.untrusted import read_plain_yaml
from crl.experiments.config.identity import flat_options
from crl.experiments.config.paths import expanded
from crl.experiments.config.quoting import quoted
from crl.experiments.config.schema import GROUPS
from crl.experiments.errors import ConfigError

CONFIG_DIR = Path(configs.__file__).parent
INTERNAL = ("rate", "preset", "hydra", "schema", "config")  # groups that users do not choose
PRIMARY = "train"  # the file in configs/ that Hydra begins with
RESERVED = {*GROUPS, *INTERNAL, PRIMARY}  # an own file or folder of such a name is not read
SCHEME = "folder"  # of own folders on Hydra's search path

_FOLDERS, _NAME = "hydra.searchpath", "hydra.job.config_name"


def is_place(override: str) -> bool:
    """Return whether the override says where configuration files are, or which one is primary."""
    return override.lstrip("+~").partition("=")[0] in (_FOLDERS, _NAME)


class OwnFiles(NamedTuple):
    """``folders``: those that are searched after ``configs/``, the first one first.

    ``primary``: the file that Hydra begins with, without its ending.
    """

    folders: tuple[Path, ...] = ()
    primary: str = PRIMARY

    @classmethod
    def of(
        cls, overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None
    ) -> "OwnFiles":
        """What overrides and the two flags name. Raises ConfigError for what is not there."""
        folders = [] if config_dir is None else [_folder("--config-dir", config_dir)]
        flag = "--config-name"
        for override in filter(is_place, overrides):
            name, value = _read(override)
            if name == _FOLDERS:
                folders += [_folder(name, text) for text in value]
            elif config_name is None:
                flag, config_name = name, value
        own = cls(tuple(dict.fromkeys(folders)))
        if config_name is None:
            return own
        return own._replace(primary=own._checked(flag, config_name.removesuffix(".yaml")))

    def _checked(self, flag: str, name: str) -> str:
        """Return the name of a primary file that is there, and that no file of crl's has."""
        file = self.file(name)
        if name == PRIMARY and file is None:
            return name
        if ".." in Path(name).parts or Path(name).is_absolute() or not name:
            raise ConfigError(
                f"{flag}: {name!r} is no name; write --config-dir FOLDER --config-name NAME"
            )
        if file is None:
            where = " or ".join(map(str, self.folders))
            raise ConfigError(
                f"{flag}: there is no {name}.yaml in {where}"
                if where
                else f"{flag}: {name}.yaml is looked for in --config-dir FOLDER; give that too"
            )
        if Path(name).parts[0] in RESERVED:
            raise ConfigError(f"{file}: crl uses the name {Path(name).parts[0]} itself; rename it")
        return name

    def overrides(self) -> list[str]:
        """The overrides that say the same in any working directory."""
        places = (
            QuotedString(f"file://{folder}", Quote.single).with_quotes() for folder in self.folders
        )
        found = [f"{_FOLDERS}=[{','.join(places)}]"] if self.folders else []
        return found + ([f"{_NAME}={quoted(self.primary)}"] if self.primary != PRIMARY else [])

    def names(self, group: str) -> Iterator[str]:
        """The choices that files of the user's add to a group."""
        for folder in self.folders:
            for file in sorted((folder / group).rglob("*.yaml")):
                name = file.relative_to(folder / group).with_suffix("")
                if is_file(file) and not any(part.startswith(".") for part in name.parts):
                    yield name.as_posix()

    def file(self, name: str) -> Path | None:
        """The user's file of a configuration such as ``experiment/mine``, if there is one."""
        return next((f for d in self.folders if is_file(f := d / f"{name}.yaml")), None)

    def check_choice(self, group: str, name: str) -> None:
        """Raise ConfigError for a choice that a file of the user's claims but cannot decide."""
        file, ours = self.file(f"{group}/{name}"), CONFIG_DIR / group / f"{name}.yaml"
        if file is None:
            if group not in GROUPS and not ours.exists():
                self._check_place(group, name)
            return
        if group in GROUPS:
            raise ConfigError(
                f"{file}: a file of your own is an experiment; put it into the folder experiment/ "
                f"and choose experiment={file.stem}"
            )
        if ours.exists():
            raise ConfigError(f"{file}: crl has {group}={name} already; rename the file")

    def _check_place(self, group: str, name: str) -> None:
        """Raise ConfigError for a file beside the folder of its group, or that ends in .yml."""
        for folder in self.folders:
            for file in (folder / f"{name}.yaml", folder / group / f"{name}.yml"):
                if is_file(file):
                    raise ConfigError(f"{file}: name it {folder / group / name}.yaml")


NO_FILES = OwnFiles()


def _read(override: str) -> tuple[str, Any]:
    """(name, value) of an override of where configuration files are. Raises ConfigError."""
    name = override.partition("=")[0]
    form = f"{_FOLDERS}=[FOLDER,...]" if _FOLDERS in name else f"{_NAME}=NAME"
    try:
        parsed = OverridesParser.create().parse_override(override)
        value = None if parsed.is_sweep_override() else parsed.value()
    except (HydraException, RecognitionException, ValueError):  # such as letters without quotes
        value = None
    if not isinstance(value, list if name == _FOLDERS else str):
        flag = "--config-dir FOLDER" if _FOLDERS in name else "--config-name NAME"
        raise ConfigError(f"{override}: write {form}, or {flag}")
    return name, value


def _folder(name: str, text: object) -> Path:
    """The folder that a text such as ``file://FOLDER`` names. Raises ConfigError."""
    scheme, _, place = str(text).rpartition("://")
    if scheme not in ("", "file", SCHEME):
        raise ConfigError(f"{name}: {text}: only folders are searched, as FOLDER or file://FOLDER")
    try:
        folder = expanded(place)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    if not folder.is_dir():
        fault = "this is no folder" if is_file(folder) else "there is no such folder"
        raise ConfigError(f"{name}: {place}: {fault}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{name}: {place}: you may not read this folder")
    if "${" in str(folder):
        raise ConfigError(f"{name}: {place}: no path may hold ${{, so rename the folder")
    return Path(os.path.abspath(folder))  # noqa: PTH100 (keeps links, and drops ..)


def is_file(path: Path) -> bool:
    """Return whether there is such a file; no name is too odd to ask."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def options_of(file: Path) -> dict[str, Any]:
    """Full name -> value of what a file of the user's sets, and the groups that it chooses from.

    Empty if it is not readable.
    """
    try:
        options = read_plain_yaml(file, references=True)
    except (OSError, ValueError):
        return {}
    groups = (name.split("/")[-1] for name in defaults_of(options))
    return dict.fromkeys(groups) | flat_options(options)


def defaults_of(options: dict[str, Any]) -> list[str]:
    """The entries of a file's defaults list, without the choices: ``override /dataset``."""
    defaults = options.get("defaults")
    entries = defaults if isinstance(defaults, list) else []
    return [str(next(iter(e), "") if isinstance(e, dict) else e) for e in entries]
