"""What ``crl train`` prints for a flag such as ``--cfg``, instead of training."""

from importlib.metadata import version

from crl.cli.console import say
from crl.cli.hydra_flags import TrainArguments, flag_parser
from crl.cli.shell_completion import complete
from crl.experiments.errors import ConfigError


def answer(arguments: TrainArguments) -> bool:
    """Print what a flag asks for instead of a run; return whether one does. Raises ConfigError."""
    flags = arguments.flags
    if flags.version:
        print(f"crl {version('crl')}, Hydra {version('hydra-core')}")
    elif flags.shell_completion:
        complete(arguments.overrides)
    elif flags.hydra_help:
        from crl.experiments.config.show import hydra_help_text

        print(hydra_help_text(flag_parser()), end="")
    elif flags.cfg:
        _show_config(arguments)
    elif flags.info:
        from crl.experiments.config.show import info_text

        runs = runs_of(arguments)
        print(info_text(runs[0], flags.info), end="")
        if len(runs) > 1:
            say(f"--info {flags.info}: that is the first of {len(runs)} runs")
    else:
        return False
    return True


def _show_config(arguments: TrainArguments) -> None:
    """Print the configuration of each run; say it if a run would be refused."""
    from crl.experiments.config.compose import compose_config
    from crl.experiments.config.messages import is_of_sweep
    from crl.experiments.config.show import config_text

    flags = arguments.flags
    of_sweep = list(filter(is_of_sweep, arguments.overrides))
    runs = runs_of(arguments)
    texts = [config_text(run, flags.cfg, flags.package, flags.resolve, of_sweep) for run in runs]
    print("---\n".join(texts), end="")
    for run in runs:
        try:
            compose_config(run)
        except ConfigError as error:
            say(f"crl train refuses this configuration: {error}")


def runs_of(arguments: TrainArguments) -> list[list[str]]:
    """The overrides of every run; where Optuna chooses them, of one that it could choose."""
    if not arguments.multirun:
        return [arguments.overrides]
    from crl.experiments.config.compose import combinations
    from crl.experiments.launch.hydra_sweepers import choose_sweeper
    from crl.experiments.launch.sweep import launcher_options

    sweeper = choose_sweeper(arguments.overrides)
    overrides = launcher_options(sweeper.arguments)[1]
    if sweeper.optuna is None:
        return combinations(overrides)[1]
    from crl.experiments.launch.search_space import search_space

    space = search_space(overrides, sweeper.optuna.params or {})
    return [space.overrides(space.edges()[0])]
