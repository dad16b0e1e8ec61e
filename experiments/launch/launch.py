"""The one way to do many runs: ``launch(runs, launcher, ...)``. Imports no torch.

A launcher is one of these: :class:`OneByOne` here, the pool of local processes (``worker_pool``),
jobs on a cluster (``slurm``), or any other launcher that Hydra has (``hydra_launchers``).
"""

import traceback
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Protocol

from crl.data.errors import DataError
from crl.experiments.errors import ConfigError, RunError, is_out_of_memory, one_line
from crl.experiments.launch.progress_bar import ProgressBar
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.signals import Interrupted

# How a run ended: its number in the list, and why it failed, in one line (None: it is complete).
Outcome = tuple[int, str | None]


class Launcher(Protocol):
    """A way to start runs. ``side_by_side``: how many at a time, None if others decide."""

    side_by_side: int | None

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs; yield one outcome for each, in any order.

        Raises ConfigError if it cannot begin, and any other error if it cannot go on.
        """


class OneByOne:
    """The launcher that does one run after another, in this process."""

    side_by_side: int | None = 1

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs; each shows its own progress bar."""
        for number, run in enumerate(runs):
            yield (
                number,
                do_run(run.with_threads(self._threads).overrides, lambda line: None, progress=True),
            )


def launch(
    runs: Sequence[RunSpec],
    launcher: Launcher,
    say: Say,
    complete: int = 0,
    bar: bool = True,
    later: int = 0,
) -> dict[str, str]:
    """Do the runs; return {title: why it failed, in one line}, empty if all are complete.

    ``complete``: how many others were complete before; they count as done. ``later``: how many
    others follow. ``bar``: whether a terminal shows one bar over all runs instead of a line for
    each run that ends.
    """
    if not runs:
        return {}
    failures = {}
    bar = bar and not isinstance(launcher, OneByOne)
    with (
        ProgressBar(runs, complete, launcher.side_by_side, say, bar, later) as progress,
        closing(_outcomes(launcher, runs, progress)) as outcomes,
    ):
        for number, error in outcomes:
            progress.ended(number, error)
            if error is not None:
                failures[runs[number].title] = error
    return failures


def _outcomes(
    launcher: Launcher, runs: Sequence[RunSpec], progress: ProgressBar
) -> Generator[Outcome]:
    """Yield the launcher's outcomes; if it raises, the runs not complete by then have failed."""
    try:
        yield from launcher.outcomes(runs)
    except ConfigError:  # the user can correct it
        raise
    except Exception as error:
        progress.look()
        for number in sorted(progress.left):
            yield number, f"the launcher gave up: {one_line(error)}"


def do_run(overrides: Sequence[str], say: Say, progress: bool = False) -> str | None:
    """Do the run that ``crl train`` would do; return why it failed, in one line, or None.

    ``progress``: whether the run may show its own progress bar. A signal raises Interrupted.
    """
    from crl.experiments.config.compose import compose_config
    from crl.experiments.run import run

    try:
        config = compose_config(overrides)
        config.runtime.progress = config.runtime.progress and progress
        run(config, ["crl", "train", *overrides], say)
    except Exception as error:
        ours = isinstance(error, ConfigError | DataError | RunError | OSError)
        if not ours and not is_out_of_memory(error):
            traceback.print_exc()  # a bug; the other runs go on
        return one_line(error)
    return None


def do_run_for_launcher(
    overrides: Sequence[str], say: Say, signals: AbstractContextManager[None] | None = None
) -> str | None:
    """Do :func:`do_run`; if a signal ends the run, return that as the reason.

    ``signals``: a context that handles them.
    """
    try:
        with signals or nullcontext():
            return do_run(overrides, say)
    except Interrupted as error:
        return f"ended by {error}"
