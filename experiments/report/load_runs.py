"""The data of a report: finished runs, sorted into the studies that manifests name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crl.experiments.errors import ConfigError
from crl.experiments.report.configurations import SeedGroup, one_per_seed
from crl.experiments.storage.manifest import Cell, Study, find_manifests, read_manifest
from crl.experiments.storage.results import (
    Run,
    evaluation_in,
    find_runs,
    read_run,
    run_folders,
    why_unfinished,
)

_SWEEP = "sweep"  # the study of a sweep: it has no claim, only a table of its own


@dataclass
class DatasetStudies:
    """The studies on one data set: study name -> its cells.

    ``title``: the manifest's. ``label``: their name in the report; it differs from ``dataset`` if
    two manifests hold the same study on one data set.
    """

    label: str
    dataset: str
    title: str = ""
    cells: dict[str, list[SeedGroup]] = field(default_factory=dict)

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

    def _matching(self, study: str, labels: dict[str, Any]) -> Iterable[SeedGroup]:
        return (cell for cell in self.cells.get(study, ()) if labels.items() <= cell.labels.items())


@dataclass
class ReportData:
    """All that a report is made from.

    - ``home``: the first folder given; paths inside it are printed relative to it
    - ``sweeps``: (title, cells) of every sweep
    - ``other_runs``: configurations that no manifest names
    - ``configurations``: every configuration by name
    - ``notes``: runs that are missing or counted once, a line each
    """

    home: Path
    datasets: list[DatasetStudies] = field(default_factory=list)
    sweeps: list[tuple[str, list[SeedGroup]]] = field(default_factory=list)
    other_runs: list[SeedGroup] = field(default_factory=list)
    configurations: dict[str, SeedGroup] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def printed(self, path: Path) -> str:
        """Return a path as the report prints it."""
        return str(path.relative_to(self.home)) if path.is_relative_to(self.home) else str(path)


def load_report_data(folders: Sequence[Path]) -> ReportData:
    """Read all runs and manifests under the folders.

    Raises ConfigError for a path that is no folder, a damaged run or manifest, or no finished run.
    """
    runs = {run.path: run for run in find_runs(folders)}
    report_data = ReportData(folders[0].resolve())
    in_studies: set[Path] = set()
    for path in find_manifests(folders):
        manifest = read_manifest(path)
        by_dataset: dict[str, dict[str, list[SeedGroup]]] = {}
        for study in manifest.studies:
            cells = _read_cells(report_data, study, runs, in_studies)
            if study.name == _SWEEP:
                report_data.sweeps.append((f"{manifest.title}, {study.dataset}", cells))
            else:
                by_dataset.setdefault(study.dataset, {}).setdefault(study.name, []).extend(cells)
        for dataset, studies in by_dataset.items():
            _studies_on(report_data, dataset, manifest.title, studies).cells.update(studies)
    if not runs:
        raise ConfigError(
            f"no finished run under {', '.join(map(str, folders))}; crl train makes one"
        )
    report_data.notes += [
        f"{report_data.printed(path)}: {why_unfinished(path)}"
        for path in run_folders(folders)
        if path not in runs and path not in in_studies
    ]
    _group_by_configuration(report_data, runs.values())
    _add_runs_without_manifest(report_data, [r for r in runs.values() if r.path not in in_studies])
    return report_data


def _read_cells(
    report_data: ReportData, study: Study, runs: dict[Path, Run], in_studies: set[Path]
) -> list[SeedGroup]:
    """Return the study's cells with their runs; note each unfinished run once.

    Runs outside the report's folders are added to ``runs``, every path to ``in_studies``.
    """
    cells = []
    for cell in study.cells:
        finished = []
        for path in cell.runs:
            if run := _in_cell(runs.get(path) or read_run(path), cell):
                runs.setdefault(path, run)
                finished.append(run)
            elif path not in in_studies:
                labels = (f"{name} = {value}" for name, value in cell.labels.items())
                report_data.notes.append(
                    f"{report_data.printed(path)}: {why_unfinished(path)} "
                    f"({', '.join([study.name, study.dataset, *labels])})"
                )
            in_studies.add(path)
        cells.append(SeedGroup(cell.labels, one_per_seed(finished)))
    return cells


def _in_cell(run: Run | None, cell: Cell) -> Run | None:
    """Return the run with the evaluation that the cell shows."""
    if run is None or cell.evaluation in (None, evaluation_in(run.path, run.result)):
        return run
    return read_run(run.path, cell.evaluation)


def _studies_on(
    report_data: ReportData, dataset: str, title: str, names: Iterable[str]
) -> DatasetStudies:
    """Return the studies that the named ones join: same title, and none of these names yet.

    If there are none, new ones are added: manifests with other titles have other settings.
    """
    present = [studies for studies in report_data.datasets if studies.dataset == dataset]
    for studies in present:
        if studies.title == title and not studies.cells.keys() & set(names):
            return studies
    label = dataset if not present else f"{dataset} ({title})"
    if label in {studies.label for studies in present}:
        label = f"{label}, {len(present) + 1}"
    report_data.datasets.append(DatasetStudies(label, dataset, title))
    return report_data.datasets[-1]


def _group_by_configuration(report_data: ReportData, runs: Iterable[Run]) -> None:
    """Fill ``configurations``; note runs that lie there twice and seeds made on different data."""
    by_name: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.name, run.seed, str(run.path))):
        by_name.setdefault(run.name, []).append(run)
    for name, copies in by_name.items():
        counted = one_per_seed(copies)
        report_data.configurations[name] = SeedGroup({}, counted)
        if len({str(run.result["dataset"].get("fingerprint")) for run in counted}) > 1:
            report_data.notes.append(
                f"{name}: its seeds saw different data (fingerprints differ); "
                "run them again with force=true"
            )
        report_data.notes += [
            f"{report_data.printed(run.path)}: the same configuration and seed as another folder; "
            "counted once"
            for run in copies
            if run not in counted
        ]


def _add_runs_without_manifest(report_data: ReportData, runs: list[Run]) -> None:
    """Fill ``other_runs``, and add runs of no study to each data set as the study "other".

    Thus claims about every run are tested on them too.
    """
    configurations = report_data.configurations
    names = {run.name for run in runs}
    report_data.other_runs = [group for name, group in configurations.items() if name in names]
    in_studies = {run.name for studies in report_data.datasets for run in studies.every_run()}
    rest = [group for name, group in configurations.items() if name not in in_studies]
    for dataset in sorted({group.runs[0].dataset for group in rest}):
        groups = [group for group in rest if group.runs[0].dataset == dataset]
        studies = next((s for s in report_data.datasets if s.dataset == dataset), None)
        if studies is None:
            cells = _implied_table_1([g for g in groups if g in report_data.other_runs])
            studies = DatasetStudies(dataset, dataset, cells={"table1": cells} if cells else {})
            report_data.datasets.append(studies)
        studies.cells["other"] = groups


def _implied_table_1(groups: list[SeedGroup]) -> list[SeedGroup]:
    """Return cells of Table 1 for runs of no study, if there is only one way to choose them.

    A method takes part if it has one configuration only; both must share data set and encoder.
    """
    cells = []
    for method, objective in (("supervised", "supervised"), ("unsupervised", "contrastive")):
        matching = [g for g in groups if g.runs[0].config["objective"]["name"] == objective]
        if len(matching) == 1:
            cells.append(SeedGroup({"method": method}, matching[0].runs))
    settings = {str([cell.runs[0].config[g] for g in ("dataset", "encoder")]) for cell in cells}
    return cells if len(settings) == 1 else []
