"""The sweepers of Hydra: ``hydra/sweeper=NAME`` and ``hydra.sweeper.OPTION=VALUE``.

``basic`` runs all combinations (:mod:`crl.experiments.launch.sweep`); with ``optuna``, Optuna
chooses the values (:mod:`crl.experiments.launch.search`). Imports neither torch nor Optuna.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from crl.experiments.config.compose import Start, hydra_started
from crl.experiments.config.own_files import NO_FILES, OwnFiles
from crl.experiments.config.sweepers import (
    BASIC,
    OPTUNA,
    PACKAGES,
    SAMPLERS,
    OptunaOptions,
    is_sweeper_option,
)
from crl.experiments.errors import ConfigError
from crl.experiments.metric_names import DEV_LOSS, is_dev_accuracy

_SWEEPER, _SAMPLER = "hydra/sweeper", "hydra/sweeper/sampler"
_OF_FILES = ("experiment",)  # whose files may have options of a sweeper
_DIRECTIONS = ("minimize", "maximize")


class Sweeper(NamedTuple):
    """``optuna``: its options, None for the basic sweeper. ``sampler``: a key of ``SAMPLERS``.

    ``arguments``: the others of the command line.
    """

    optuna: OptunaOptions | None
    sampler: str
    arguments: list[str]


def choose_sweeper(arguments: Sequence[str]) -> Sweeper:
    """Return the sweeper that the arguments choose and set up.

    Raises ConfigError for a sweeper or sampler that is unknown or not installed, and for options
    that it does not take.
    """
    own = [argument for argument in arguments if is_sweeper_option(_name(argument))]
    rest = [argument for argument in arguments if argument not in own]
    own = [argument.lstrip("+") for argument in own]  # no option can be added
    files = [argument for argument in rest if _name(argument) in _OF_FILES]
    basic, start = Sweeper(None, "", rest), Start(OwnFiles.of(rest), files, [])
    if not own and not files and start.own == NO_FILES:
        return basic
    try:
        found = _configured(own, start)
    except ConfigError as error:
        raise start.named(error) from error
    if found is None:
        return basic
    if any(find_spec(package) is None for package in PACKAGES):
        raise ConfigError(f"{_SWEEPER}={OPTUNA}: not installed; pip install {' '.join(PACKAGES)}")
    return found._replace(arguments=rest)


def _configured(own: Sequence[str], start: Start) -> Sweeper | None:
    """The sweeper that its overrides ``own`` and the user's files set up; None: the basic one."""
    files = start.overrides
    with hydra_started([*own, *files], start.own) as loader:
        start.parsed.extend(OverridesParser.create(loader).parse_overrides([*own, *files]))
        for override in start.parsed:
            line = str(override.input_line)
            if override.is_sweep_override() and line in own:
                raise ConfigError(f"{line}: a sweeper and its options cannot be swept")
            if override.is_sweep_override():
                files.remove(line)
        if _chosen(own, bool(files) or start.own != NO_FILES) == BASIC:
            return None
        config = loader.load_configuration(start.own.primary, [*files, *own], RunMode.MULTIRUN)
        name, sampler = (config.hydra.runtime.choices.get(key) for key in (_SWEEPER, _SAMPLER))
        if name == BASIC:
            return None
        options = OmegaConf.to_object(config.hydra.sweeper)
    # A configuration file may choose what no command line may.
    _check_choice(_SWEEPER, (BASIC, OPTUNA), [f"{_SWEEPER}={name}"])
    _check_choice(_SAMPLER, tuple(SAMPLERS), [f"{_SAMPLER}={sampler}"])
    assert isinstance(options, OptunaOptions)
    _check(options)
    return Sweeper(options, sampler, [])


def _name(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0]


def _chosen(own: Sequence[str], files: bool) -> str:
    """Return the sweeper that the command line names; "" if only its files can.

    Raises ConfigError for a choice that there is not, and for an option of a sweeper not chosen.
    """
    for group, names in ((_SWEEPER, (BASIC, OPTUNA)), (_SAMPLER, tuple(SAMPLERS))):
        _check_choice(group, names, own)
    given = [argument.partition("=")[2] for argument in own if _name(argument) == _SWEEPER]
    others = [argument for argument in own if _name(argument) != _SWEEPER]
    chosen = given[-1] if given else "" if files else BASIC
    if others and chosen == BASIC:
        raise ConfigError(f"{others[0]}: choose its sweeper with {_SWEEPER}={OPTUNA}")
    for argument in others:
        if _name(argument) == "hydra.sweeper.sampler":
            raise ConfigError(f"{argument}: choose a sampler with {_SAMPLER}=NAME")
    return chosen


def _check_choice(group: str, names: Sequence[str], arguments: Sequence[str]) -> None:
    for argument in arguments:
        key, _, value = argument.lstrip("+~").partition("=")
        if key == group and value not in names:
            raise ConfigError(
                f"{argument}: no such {group.rpartition('/')[2]}; choose one of {', '.join(names)}"
            )


def _check(options: OptunaOptions) -> None:
    for name in ("n_trials", "n_jobs"):
        if getattr(options, name) < 1:
            raise ConfigError(f"hydra.sweeper.{name}: {getattr(options, name)} is below 1")
    metric, direction = options.metric, options.direction
    if not isinstance(options.params, dict | None) or any(
        isinstance(value, dict) for value in (options.params or {}).values()
    ):
        raise ConfigError(
            "hydra.sweeper.params: give the values of each option, "
            "like {optimizer.lr: 'interval(0.001,0.1)'}"
        )
    if metric.startswith("test."):
        raise ConfigError(
            f"hydra.sweeper.metric={metric}: no label of the test points may choose anything; "
            f"choose {DEV_LOSS}, or an accuracy on the dev points, such as dev.linear.top1"
        )
    if metric != DEV_LOSS and not is_dev_accuracy(metric):
        raise ConfigError(
            f"hydra.sweeper.metric={metric}: no metric that can choose a trial; "
            f"choose {DEV_LOSS}, or an accuracy on the dev points, such as dev.linear.top1"
        )
    if direction not in (*_DIRECTIONS, None):
        raise ConfigError(
            f"hydra.sweeper.direction={direction}: choose one of {', '.join(_DIRECTIONS)}"
        )
