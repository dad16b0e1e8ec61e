"""The data of a report: what :mod:`load_runs` reads, and every other part takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from crl.experiments.report.commands import study_command
from crl.experiments.report.configurations import SeedGroup
from crl.experiments.storage.results import Run


@dataclass
class DatasetStudies:
    """The studies on one data set: study name -> its cells.

    ``dataset``: its kind. ``subject``: what the report calls it. ``title``: the manifest's.
    ``label``: the studies' name in the report; it differs from ``subject`` if two manifests hold
    the same study on one data set. ``commands``: study name -> the command that planned it, for
    studies of a manifest.
    """

    label: str
    dataset: str
    subject: str
    title: str = ""
    cells: dict[str, list[SeedGroup]] = field(default_factory=dict)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def runs(self, study: str, **labels: Any) -> tuple[Run, ...]:
        """Return the runs of the study's first cell with these labels; () if there is none."""
        return next((cell.runs for cell in self._matching(study, labels)), ())

    def values(self, study: str, label: str, **labels: Any) -> list[Any]:
        """Return the sorted values of one label among the study's cells with these labels."""
        return sorted(
            {cell.labels[label] for cell in self._matching(study, labels) if label in cell.labels}
        )

    def runs_by(self, label: str, study: str, **labels: Any) -> dict[Any, tuple[Run, ...]]:
        """Return value of one label -> runs, in the order of the values."""
        return {
            value: self.runs(study, **labels, **{label: value})
            for value in self.values(study, label, **labels)
        }

    def every_run(self) -> list[Run]:
        """Return all runs of all studies, each once."""
        every = {
            run.path: run for cells in self.cells.values() for cell in cells for run in cell.runs
        }
        return [*every.values()]

    def again(self, *studies: str) -> str:
        """Return the command that does these studies again; empty without a manifest's."""
        planned = {study: self.commands[study] for study in studies if study in self.commands}
        return study_command(planned, self.dataset)

    def _matching(self, study: str, labels: dict[str, Any]) -> Iterable[SeedGroup]:
        return (cell for cell in self.cells.get(study, ()) if labels.items() <= cell.labels.items())


class Sweep(NamedTuple):
    """The runs of a sweep; ``command``: what planned it."""

    title: str
    cells: list[SeedGroup]
    command: tuple[str, ...]


@dataclass
class ReportData:
    """All that a report is made from.

    - ``home``: the first folder given; paths inside it are printed relative to it
    - ``other_runs``: configurations that no manifest names
    - ``configurations``: every configuration by name; ``descriptions``: each in a few words
    - ``damaged``: runs that are left out because they cannot be read, a line each
    - ``notes``: runs that are missing or counted once, a line each
    """

    home: Path
    datasets: list[DatasetStudies] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    other_runs: list[SeedGroup] = field(default_factory=list)
    configurations: dict[str, SeedGroup] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def printed(self, path: Path) -> str:
        """Return a path as the report prints it."""
        return str(path.relative_to(self.home)) if path.is_relative_to(self.home) else str(path)
