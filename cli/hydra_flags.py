"""Hydra's flags on the command line of ``crl train``.

Hydra's own parser is not used: it abbreviates flags, answers errors with its usage, takes no
override behind a flag, and has flags that have no meaning here.
"""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from crl.experiments.errors import ConfigError

_CFG = ("job", "hydra", "all")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_INSTEAD = ("cfg", "info", "shell_completion", "hydra_help", "version")  # these start no run
_NO_OPTION = "no such option; options are written OPTION=VALUE (crl train --help)"


class FlagParser(ArgumentParser):
    """A parser that raises ConfigError and knows its ``flags``, in their order."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self.flags: list[Action] = []

    def flag(self, *names: str, **options: Any) -> None:
        """Add a flag, as :meth:`add_argument` does."""
        self.flags.append(self.add_argument(*names, **options))

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError."""
        flag, _, what = message.removeprefix("argument ").partition(": ")
        if what.startswith("ignored explicit argument"):
            raise ConfigError(f"{flag}: it takes no value")
        known = next(
            (f.known for f in self.flags if isinstance(f, _Once) and _names(f) == flag), ()
        )
        one_of = f"; choose one of {', '.join(known)}" if known else ""
        raise ConfigError(f"{flag}: a value is missing{one_of}")


def _names(flag: Action) -> str:
    """The names of a flag as argparse writes them."""
    return "/".join(flag.option_strings)


class _Once(Action):
    """Store the value of a flag that may be given once, and only with a known choice."""

    known: tuple[str, ...] = ()

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None
    ) -> None:
        """Raise ConfigError for a second value, or one that is no choice."""
        if getattr(namespace, self.dest) is not None:
            raise ConfigError(f"{option}: is given twice; give it once")
        if self.known and values not in self.known:
            raise ConfigError(
                f"{option}: no choice {values!r}; choose one of {', '.join(self.known)}"
            )
        setattr(namespace, self.dest, values)


class _Cfg(_Once):
    known = _CFG


class _Info(_Once):
    known = _INFO


def flag_parser() -> FlagParser:
    """The parser of ``crl train``: Hydra's flags, and overrides between them."""
    parser = FlagParser()
    add = parser.flag
    parser.add_argument("overrides", nargs="*", help="GROUP=CHOICE and OPTION=VALUE")
    add("--multirun", "-m", action="store_true", help="all combinations of several values")
    add("--cfg", "-c", action=_Cfg, help=f"print the configuration of a run [{'|'.join(_CFG)}]")
    add("--package", "-p", action=_Once, help="with --cfg: only this part of it")
    add("--resolve", action="store_true", help="with --cfg: without ${...}")
    add(
        "--info", "-i", action=_Info, nargs="?", const="all",
        help=f"print how it is composed [{'|'.join(_INFO)}]",
    )  # fmt: skip
    add("--config-dir", "-cd", action=_Once, help="a folder of your own with experiment/NAME.yaml")
    add("--config-name", "-cn", action=_Once, help="a file there to begin with, instead of train")
    add("--config-path", "-cp", action=_Once, help="not here: crl's own files stay")
    add("--shell-completion", "-sc", action="store_true", help="install=SHELL, uninstall=SHELL")
    add("--run", "-r", action="store_true", help="one run, as without it")
    add("--help", "-h", action="store_true", help="the groups and options of crl train")
    add("--hydra-help", action="store_true", help="Hydra's help")
    add("--version", action="store_true", help="the versions of crl and Hydra")
    return parser


@dataclass(frozen=True)
class TrainArguments:
    """The command line of ``crl train``: its overrides, and its flags.

    ``overrides`` hold what ``--config-dir`` and ``--config-name`` say.
    """

    overrides: list[str]
    flags: Namespace

    @property
    def multirun(self) -> bool:
        """Whether it is a sweep."""
        return bool(self.flags.multirun)


def read_arguments(arguments: Sequence[str]) -> TrainArguments:
    """Sort the arguments into overrides and flags. Raises ConfigError."""
    given = [
        "--info=all" if a in ("--info", "-i") and (not b or "=" in b or b[0] == "-") else a
        for a, b in zip(arguments, [*arguments[1:], ""], strict=False)
    ]
    flags, unknown = flag_parser().parse_known_intermixed_args(given)
    if unknown:
        raise ConfigError(f"{unknown[0]}: {_NO_OPTION}")
    instead = [f"--{name.replace('_', '-')}" for name in _INSTEAD if getattr(flags, name)]
    if len(instead) > 1:
        raise ConfigError(f"{', '.join(instead)}: give one of them")
    if not flags.cfg:
        for name in ("package", "resolve"):
            if getattr(flags, name):
                raise ConfigError(f"--{name}: goes with --cfg {'|'.join(_CFG)}")
    if flags.config_path is not None:
        raise ConfigError("--config-path: crl's own files stay; --config-dir adds a folder to them")
    if flags.run and flags.multirun:
        raise ConfigError("--run, --multirun: give one of them")
    return TrainArguments(_with_own_files(flags), flags)


def _with_own_files(flags: Namespace) -> list[str]:
    """The overrides, with the places of configuration files as one that holds anywhere."""
    overrides: list[str] = flags.overrides
    if flags.shell_completion:
        return overrides
    named = flags.config_dir is not None or flags.config_name is not None
    if not named and not any("hydra." in override for override in overrides):
        return overrides
    from crl.experiments.config.own_files import OwnFiles, is_place

    own = OwnFiles.of(overrides, flags.config_dir, flags.config_name)
    return [*own.overrides(), *(override for override in overrides if not is_place(override))]
