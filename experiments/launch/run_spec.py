"""A run to do, as every way of starting runs takes it. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crl.experiments.config.identity import evaluation_of, run_path
from crl.experiments.config.precision import with_precision
from crl.experiments.config.schema import Config

_THREADS = "runtime.threads"


@dataclass(frozen=True)
class RunSpec:
    """One run: ``overrides`` are the arguments of ``crl train`` for it alone.

    ``title`` names it for people. ``points`` is how many points it encodes; runs of one ``kind``
    take about the same time for a point. ``evaluation``: the hash of its evaluation; several runs
    with evaluations of their own may share a folder. ``reads_files``: whether it reads files that
    the user may have changed.
    """

    title: str
    overrides: tuple[str, ...]
    folder: Path
    points: int
    steps: int
    kind: str
    evaluation: str | None = None
    reads_files: bool = False

    @classmethod
    def of(cls, config: Config, overrides: Sequence[str], title: str = "") -> "RunSpec":
        """The run that a configuration describes, by default titled after its folder."""
        folder = run_path(config)
        tuples = config.training.steps * config.training.batch_size
        return cls(
            title=title or f"{folder.parent.name}/{folder.name}",
            overrides=with_precision(overrides, config),
            folder=folder,
            points=tuples * config.objective.points_per_tuple,
            steps=config.training.steps,
            kind=f"{config.dataset.name}/{config.encoder.name}",
            evaluation=evaluation_of(config),
            reads_files=config.dataset.files_can_change or bool(config.encoder.files()),
        )

    @property
    def key(self) -> tuple[Path, str | None]:
        """The folder and the evaluation: runs with equal keys are one run."""
        return self.folder, self.evaluation

    @property
    def _asked_threads(self) -> list[str]:
        options = (override.lstrip("+").partition("=") for override in self.overrides)
        return [value for name, _, value in options if name == _THREADS]

    @property
    def threads(self) -> int | None:
        """The number of CPU threads that the overrides ask for, if they name one."""
        values = self._asked_threads
        return int(values[-1]) if values and values[-1].isdecimal() else None

    def with_threads(self, threads: int | None) -> "RunSpec":
        """The run with this number of CPU threads, unless its overrides have the option."""
        if threads is None or self._asked_threads:
            return self
        return replace(self, overrides=(*self.overrides, f"{_THREADS}={threads}"))
