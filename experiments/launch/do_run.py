"""Doing one of many runs, in whatever process: an error is an answer. Free of torch until then."""

import traceback
from collections.abc import Sequence

from data.errors import DataError
from experiments.errors import ConfigError, RunError, one_line
from experiments.runtime.console import Say
from experiments.runtime.signals import Interrupted


def do_run(overrides: Sequence[str], say: Say, progress: bool = False) -> str | None:
    """Do the run that ``crl train`` would do; return why it failed, in one line, or None.

    ``progress``: whether it may show a progress bar of its own. A signal raises Interrupted.
    """
    from experiments.config.compose import compose_config
    from experiments.run import run

    try:
        config = compose_config(overrides)
        config.runtime.progress = config.runtime.progress and progress
        run(config, ["crl", "train", *overrides], say)
    except Exception as error:
        if not isinstance(error, ConfigError | DataError | RunError):  # a bug: the other runs go on
            say(traceback.format_exc())
        return one_line(error)
    return None


def do_run_for_launcher(overrides: Sequence[str], say: Say) -> str | None:
    """As :func:`do_run`, but a signal is an answer too, which the launcher hands on."""
    try:
        return do_run(overrides, say)
    except Interrupted as error:
        return f"ended by {error}"


def say_nothing(line: str) -> None:
    """For runs whose messages would mix with those of others."""
