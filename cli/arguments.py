"""The command line of verbs with options of their own: ``NAME=VALUE``, flags, folders.

A verb declares its options once, as :class:`Option` or with :func:`count` and :func:`path`, and
asks :func:`parse` for their values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

from crl.experiments.config.paths import expanded
from crl.experiments.errors import ConfigError

Value = TypeVar("Value")

_PATH = ("/", "./", "../", "~")  # the beginnings of an argument that can only be a path


@dataclass(frozen=True)
class Option(Generic[Value]):
    """``NAME=TEXT``, whose value is ``read(TEXT)``, or a flag such as ``--json`` (no ``read``)."""

    name: str
    default: Value
    read: Callable[[str], Value] | None = None

    @property
    def start(self) -> str:
        """The beginning of an argument that gives this option: ``NAME=``, or a flag's name."""
        return f"{self.name}=" if self.read else self.name


def count(name: str, default: Value, least: int = 0) -> Option[Value | int]:
    """Declare ``NAME=N`` for a whole number N of at least ``least``."""

    def read(value: str) -> int:
        number = int(value) if value.isdecimal() and len(value) < 19 else -1
        if number < least:
            raise ConfigError(f"{name}: {value!r} is not a whole number of at least {least}")
        return number

    return Option(name, default, read)


def path(name: str, default: Value) -> Option[Value | Path]:
    """Declare ``NAME=PATH``; ``~`` stands for the home folder."""

    def read(value: str) -> Path:
        if not value:
            raise ConfigError(f"{name}: a path is missing; write {name}=PATH")
        return expanded(value)

    return Option(name, default, read)


@dataclass(frozen=True)
class Arguments:
    """The user's input: ``arguments[OPTION]`` is the option's value or its default."""

    folders: list[Path]
    overrides: list[str]
    _values: dict[str, Any]

    def __getitem__(self, option: Option[Value]) -> Value:
        return self._values.get(option.name, option.default)


def parse(
    verb: str,
    arguments: Sequence[str],
    options: Sequence[Option[Any]],
    folders: bool = True,
    is_override: Callable[[str], bool] = lambda argument: False,
) -> Arguments:
    """Sort the arguments into options, overrides of ``crl train`` and, if allowed, folders.

    An argument with ``=`` counts as a folder if it exists, or begins as a path does. Raises
    ConfigError for an unknown option, an option that is given twice, and a value that does not fit
    its option.
    """
    parsed = Arguments([], [], {})
    for argument in arguments:
        name, equals, value = argument.partition("=")
        option = next((o for o in options if o.start == name + equals), None)
        if option:
            if option.name in parsed._values:
                raise ConfigError(f"{argument}: {option.start} is given twice; give it once")
            parsed._values[option.name] = option.read(value) if option.read else True
        elif is_override(argument) and not argument.startswith(_PATH):
            parsed.overrides.append(argument)
        elif (
            folders
            and not argument.startswith("-")
            and (not equals or argument.startswith(_PATH) or expanded(argument).exists())
        ):
            parsed.folders.append(expanded(argument))
        else:
            starts = {known.name: known.start for known in options}
            near = get_close_matches(name, starts, 1, 0.5)
            hint = f"did you mean {starts[near[0]]}?" if near else f"see crl {verb} --help"
            raise ConfigError(f"{argument}: no such option of crl {verb}; {hint}")
    return parsed


def parse_runs(verb: str, arguments: Sequence[str], options: Sequence[Option[Any]]) -> Arguments:
    """Parse the command line of a verb that loads finished runs again.

    It takes ``runtime.*`` and ``dataset.root`` too. Raises ConfigError, also without a folder.
    """
    parsed = parse(
        verb,
        arguments,
        options,
        is_override=lambda argument: argument.startswith(("runtime.", "dataset.root=")),
    )
    if not parsed.folders:
        raise ConfigError(f"crl {verb} needs run folders: crl {verb} RUN_DIR [RUN_DIR ...]")
    return parsed
