"""The choices of a group: crl's own, and those that installed packages offer. Imports no torch.

A package offers one as an entry point: ``[project.entry-points."crl.datasets"] rings =
"my_package:RINGS"``. The names come from the packages' metadata. A package is imported when its
choice is looked up, so a broken one is in nobody's way who does not choose it.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from inspect import get_annotations
from itertools import chain
from typing import Any, NamedTuple, cast

from omegaconf import OmegaConf

from crl.encoders.failures import first_line
from crl.experiments.config.option import Choice
from crl.experiments.errors import ConfigError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # a part of folder names and of overrides


class ChoiceError(ConfigError):
    """A choice of an installed package that is missing or cannot be used."""


class _Offer(NamedTuple):
    """An entry point; ``package``: the name and version of the distribution that has it."""

    package: str
    point: EntryPoint


_Offers = dict[str, tuple[_Offer, ...]]  # by the name of the choice


class Choices(Mapping[str, Choice]):
    """The choices of a group by their names on the command line.

    ``own``: crl's, which need no package. ``bases``: what a choice may hold or read -> the class
    that its options derive from. ``entry_points``: the group of entry points that offers others.
    Names, length and ``in`` import no package; a look-up imports the one that offers the choice.
    """

    def __init__(
        self, group: str, bases: Mapping[str, type], own: dict[str, Choice], entry_points: str = ""
    ) -> None:
        self.group, self.bases, self.own = group, bases, own
        self._entry_points = entry_points
        self._read: dict[tuple[_Offer, ...], Choice | str] = {}

    def __getitem__(self, name: str) -> Choice:
        """Raise KeyError for a name that nobody offers, ChoiceError for a faulty choice."""
        if name in self.own:
            return self.own[name]
        choice = self._choice(name, self._offers()[name])
        if isinstance(choice, str):
            raise ChoiceError(f"{self.group}={name}: {choice}")
        return choice

    def __iter__(self) -> Iterator[str]:
        return iter({**self.own, **self._offers()})

    def __len__(self) -> int:
        return len({**self.own, **self._offers()})

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._offers()

    def known(self) -> dict[str, Choice]:
        """crl's choices, and the others that were looked up by now; imports no package."""
        read = {name: self._read.get(offers) for name, offers in self._offers().items()}
        others = {name: choice for name, choice in read.items() if isinstance(choice, Choice)}
        return {**self.own, **others, **self.own}  # crl's first

    def options_of(self, name: str) -> type | None:
        """Return the class of a choice's options; None where its package is gone or broken."""
        try:
            return self[name].options
        except (KeyError, ChoiceError):
            return None

    def package(self, name: str) -> str:
        """Return the name and version of the package that offers a choice; "" for crl's own."""
        return "" if name in self.own else self._offers()[name][0].package

    def check_own(self, name: str) -> None:
        """Raise ChoiceError if a package offers another choice by the name of one of crl's own.

        An encoder without options may have such a name: it is chosen as ``installed:NAME``.
        """
        offers = self._offers().get(name, ()) if name in self.own else ()
        if offers and (self.group != "encoder" or isinstance(self._choice(name, offers), Choice)):
            raise ChoiceError(
                f"{self.group}={name}: crl has its own, and {_packages(offers)} offers another by "
                "that name; uninstall it, or let it choose another name"
            )

    def _offers(self) -> _Offers:
        return _offered(tuple(sys.path)).get(self._entry_points, {})

    def _choice(self, name: str, offers: tuple[_Offer, ...]) -> Choice | str:
        """Return the choice, or what is wrong with it. A package is imported once."""
        if offers not in self._read:
            self._read[offers] = self._loaded(name, offers)
        return self._read[offers]

    def _loaded(self, name: str, offers: tuple[_Offer, ...]) -> Choice | str:
        if len(offers) > 1:
            return f"{len(offers)} packages offer it ({_packages(offers)}); uninstall all but one"
        ((package, point),) = offers
        try:
            target = point.load()
        except (Exception, SystemExit) as error:  # a module may do anything when it is imported
            fault = f"which cannot be imported ({first_line(error)})"
        else:
            fault = next(_faults(name, target, self), "")
            if not fault:
                return cast(Choice, target)
        return f"{package} offers it as {point.value}, {fault}"


def _packages(offers: tuple[_Offer, ...]) -> str:
    return ", ".join(sorted(offer.package for offer in offers))


@lru_cache(maxsize=1)
def _offered(path: tuple[str, ...]) -> dict[str, _Offers]:
    """Return what the packages on ``sys.path`` offer, by group of entry points."""
    packages: dict[str, list[_Offer]] = {}  # of several copies of one, the first counts
    for distribution in distributions():
        with suppress(Exception):  # metadata that cannot be read
            if "[crl." in (distribution.read_text("entry_points.txt") or ""):
                name = distribution.metadata["Name"]
                package = f"{name} {distribution.version}"
                offers = [_Offer(package, point) for point in distribution.entry_points]
                packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), offers)
    offered: dict[str, _Offers] = {}
    for offer in chain(*packages.values()):
        group = offered.setdefault(offer.point.group, {})
        group[offer.point.name] = (*group.get(offer.point.name, ()), offer)
    return offered


def _faults(name: str, choice: Any, choices: Choices) -> Iterator[str]:
    """Say what is wrong with what an entry point holds. Only the first is right: the next builds
    on what the one before has checked."""
    if choices.group == "encoder" and callable(choice) and not isinstance(choice, Choice):
        yield f"which is no Choice with options; choose encoder=installed:{name}"
    if not isinstance(choice, Choice):
        yield f"which is a {type(choice).__name__}; a Choice of crl.extending is wanted"
    if not _NAME.fullmatch(name):
        yield "whose name may have letters, digits, _ and - alone, and begins with a letter"
    if choice.points not in choices.bases:
        kinds = ", ".join(map(repr, choices.bases))
        yield f"whose points are {choice.points!r}; one of {kinds} is wanted"
    target = choice.target
    if not callable(target) and not re.fullmatch(r"[\w.]+:\w+", str(target)):
        yield f"whose target is {target!r}; a function, a class or its 'module:name' is wanted"
    if choice.defaults and choices.group != "dataset":
        yield "which has defaults; only a data set may change other groups"
    yield from _faults_of_options(choice.options, choices.bases[choice.points])


def _faults_of_options(options: Any, base: type) -> Iterator[str]:
    if not (isinstance(options, type) and issubclass(options, base)):
        yield f"whose options are {options!r}; a dataclass derived from {base.__name__} is wanted"
    if not is_dataclass(options) or any(isinstance(v, Field) for v in vars(options).values()):
        yield f"whose {options.__name__} lacks its @dataclass"
    theirs = {
        option
        for parent in options.__mro__
        if not parent.__module__.startswith("crl.")
        for option in get_annotations(parent)
    }
    for spec in fields(options):
        if spec.name in theirs and "changes_result" not in spec.metadata:
            yield f"whose {options.__name__}.{spec.name} is not made by option(...)"
    try:
        OmegaConf.structured(options(name="name"))
    except Exception as error:  # a type that OmegaConf does not know, a field without a default
        yield f"whose {options.__name__} cannot be used ({first_line(error)})"
