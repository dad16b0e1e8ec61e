"""The values that Optuna chooses from: a distribution for each swept option. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from crl.experiments.config.compose import hydra_started, plain
from crl.experiments.config.messages import check_single, check_values
from crl.experiments.config.own_files import OwnFiles, is_place
from crl.experiments.config.quoting import with_quoted_paths
from crl.experiments.config.schema import options_by_name
from crl.experiments.errors import ConfigError

_MOST = 100_000  # combinations of a grid, which are kept in memory


@dataclass(frozen=True)
class Axis:
    """A swept option. ``key``: as typed; ``name``: without ``+``.

    ``edges``: values that together show whether all can be run, as an override holds them: every
    choice, or the lowest and the highest number.
    """

    key: str
    distribution: BaseDistribution
    edges: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.key.lstrip("+")

    def override(self, text: str) -> str:
        """The override with one value."""
        return f"{self.key}={text}"


@dataclass(frozen=True)
class SearchSpace:
    """Overrides in the order given: those with one value as they are, the others as axes."""

    parts: tuple[str | Axis, ...]

    @property
    def axes(self) -> list[Axis]:
        return [part for part in self.parts if isinstance(part, Axis)]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {axis.name: axis.distribution for axis in self.axes}

    @property
    def plain(self) -> list[str]:
        """The names and distributions as text, the same for the same space."""
        return [f"{axis.name}: {distribution_to_json(axis.distribution)}" for axis in self.axes]

    def overrides(self, values: Mapping[str, object]) -> list[str]:
        """The arguments of the run with these values (name of the axis -> value)."""
        return [
            part if isinstance(part, str) else part.override(str(values[part.name]))
            for part in self.parts
        ]

    def edges(self) -> list[dict[str, str]]:
        """Values with every axis at its first edge, then with one axis at another edge."""
        first = {axis.name: axis.edges[0] for axis in self.axes}
        others = ({axis.name: edge} for axis in self.axes for edge in axis.edges[1:])
        return [first, *(first | other for other in others)]

    def grid(self) -> dict[str, list[str] | list[int]]:
        """The values of every axis. Raises ConfigError for endless values, and for too many."""
        values: dict[str, list[str] | list[int]] = {}
        combinations = 1
        for axis in self.axes:
            spread = axis.distribution
            if isinstance(spread, FloatDistribution):
                raise ConfigError(
                    f"{axis.name}: hydra/sweeper/sampler=grid takes lists, like a,b,c; "
                    "an interval has endless values"
                )
            numbers = (
                range(spread.low, spread.high + 1, spread.step)
                if isinstance(spread, IntDistribution)
                else axis.edges
            )
            combinations *= len(numbers)
            if combinations > _MOST:
                raise ConfigError(
                    f"{axis.name}: hydra/sweeper/sampler=grid takes at most {_MOST} combinations, "
                    f"and these are {combinations}; give fewer values"
                )
            values[axis.name] = [*numbers]
        return values


def search_space(overrides: Sequence[str], params: Mapping[str, object]) -> SearchSpace:
    """Read the overrides of a command line, and the ``params`` that it does not name.

    Raises ConfigError for an override that no run takes, if a distribution has no value, and if
    nothing is swept.
    """
    named = {override.lstrip("+~").partition("=")[0] for override in overrides}
    added = [f"{name}={value}" for name, value in params.items() if name not in named]
    given = [*added, *overrides]
    for override in given:
        check_single(override)
    own = OwnFiles.of(given)
    given = list(with_quoted_paths([override for override in given if not is_place(override)]))
    with hydra_started(given, own) as loader:
        parts = [
            _axis(parsed) if parsed.is_sweep_override() else str(parsed.input_line)
            for parsed in OverridesParser.create(loader).parse_overrides(given)
        ]
    space = SearchSpace((*own.overrides(), *parts))
    if not space.axes:
        raise ConfigError(
            "hydra/sweeper=optuna: no option has several values to choose from; "
            "give some, like 'optimizer.lr=interval(0.001,0.1)' encoder.width=8,16"
        )
    return space


def _axis(parsed: Override) -> Axis:
    """The axis of an override that sweeps. Raises ConfigError if there is nothing in it."""
    value = parsed.value()
    if isinstance(value, IntervalSweep):
        return _interval(parsed, value)
    check_values(parsed)
    if isinstance(value, ChoiceSweep | RangeSweep):
        value.shuffle = False  # a sampler knows no order, and the sweep's name must not change
    numbers = value.range() if isinstance(value, RangeSweep) else None
    if isinstance(numbers, range) and numbers.step > 0 and len(numbers):
        low, high = numbers[0], numbers[-1]
        return _numbers(parsed, IntDistribution(low, high, step=numbers.step))
    key = parsed.get_key_element()
    overrides = (plain(f"{key}={text}") for text in parsed.sweep_string_iterator())
    texts = tuple(dict.fromkeys(override.partition("=")[2] for override in overrides))
    if not texts:
        raise ConfigError(f"{parsed.input_line}: there is no value in it")
    return Axis(key, CategoricalDistribution(texts), texts)


def _interval(parsed: Override, interval: IntervalSweep) -> Axis:
    low, high, log = interval.start, interval.end, "log" in interval.tags
    assert low is not None and high is not None
    if isinstance(low, float) and _is_whole(parsed.key_or_group):
        name, _, text = str(parsed.input_line).partition("=")
        raise ConfigError(f"{name}={text}: whole numbers alone; write {name}='int({text})'")
    try:
        if isinstance(low, int) and isinstance(high, int):
            return _numbers(parsed, IntDistribution(low, high, log=log))
        return _numbers(parsed, FloatDistribution(low, high, log=log))
    except ValueError as error:
        right = "from low to high" + (", low above 0" if log else "")
        raise ConfigError(f"{parsed.input_line}: an interval goes {right}") from error


def _is_whole(name: str) -> bool:
    """Return whether the option is a whole number."""
    options = options_by_name()
    kind = str(options[name][0].type) if name in options else ""
    return "int" in kind and "list" not in kind


def _numbers(parsed: Override, distribution: IntDistribution | FloatDistribution) -> Axis:
    edges = dict.fromkeys((str(distribution.low), str(distribution.high)))
    return Axis(parsed.get_key_element(), distribution, tuple(edges))
