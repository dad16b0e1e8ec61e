"""The one way to do many runs: ``launch(runs, launcher, ...) -> failures``.

A launcher is one of these: :class:`OneByOne` here, the pool of local processes (``worker_pool``),
jobs on a cluster (``slurm``), or any other launcher that Hydra has (``hydra_launchers``).
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from experiments.launch.do_run import do_run, say_nothing
from experiments.launch.progress_bar import Progress
from experiments.launch.run_spec import RunSpec
from experiments.runtime.console import Say


class Outcome(NamedTuple):
    """How a run ended: its number in the list, and why it failed, in one line (None: complete)."""

    number: int
    error: str | None


class Launcher(Protocol):
    """What starts runs. ``side_by_side`` is how many at a time, None where others decide that."""

    side_by_side: int | None

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs; yield one outcome for each, in any order."""
        ...


class OneByOne:
    """The launcher that does one run after another, in this process."""

    side_by_side: int | None = 1

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs; each shows its own progress bar."""
        for number, run in enumerate(runs):
            yield Outcome(number, do_run(run.overrides, say_nothing, progress=True))


def launch(
    runs: Sequence[RunSpec], launcher: Launcher, say: Say, complete: int = 0, bar: bool = True
) -> dict[str, str]:
    """Do the runs; return {title: why it failed, in one line}, empty if all are complete.

    ``complete``: how many others were complete before; they count as done. ``bar``: whether a
    terminal shows one bar over all runs instead of a line for each run that ends.
    """
    if not runs:
        return {}
    failures = {}
    apart = not isinstance(launcher, OneByOne)  # in other processes, so nothing else is on screen
    progress = Progress(runs, complete, launcher.side_by_side, say, bar=bar and apart)
    with progress.watching(apart), closing(launcher.outcomes(runs)) as outcomes:
        for number, error in outcomes:
            progress.ended(number, error)
            if error is not None:
                failures[runs[number].title] = error
    return failures
