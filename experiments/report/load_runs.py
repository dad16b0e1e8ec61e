"""The data of a report: finished runs, sorted into the studies that manifests name."""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from crl.experiments.errors import ConfigError
from crl.experiments.report.configurations import SeedGroup, descriptions, one_per_seed
from crl.experiments.report.report_data import DatasetStudies, ReportData, Sweep
from crl.experiments.report.table_formats import slug
from crl.experiments.storage.manifest import (
    Manifest,
    Study,
    find_manifests,
    read_manifest,
    titles,
    unlike_titles,
)
from crl.experiments.storage.results import (
    Run,
    find_runs,
    read_run,
    run_folders,
    why_unfinished,
    with_evaluation,
)
from crl.experiments.storage.subjects import told_apart

_SWEEP = "sweep"  # the study of a sweep: it has no claim, only a table of its own


def load_report_data(folders: Sequence[Path]) -> ReportData:
    """Read all runs and manifests under the folders.

    Raises ConfigError for a path that is no folder, a damaged manifest, which would put the runs
    into other tables, or if there is no finished run.
    """
    found = find_runs(folders)
    runs = {run.path: run for run in found.runs}
    manifests = [read_manifest(path) for path in find_manifests(folders)]
    damaged = dict(found.damaged)
    for path in _runs_of(manifests):
        if path not in runs and path not in damaged:
            try:
                runs |= {path: run} if (run := read_run(path)) else {}
            except ConfigError as error:
                damaged[path] = str(error)
    report_data = ReportData(folders[0].resolve())
    report_data.damaged = [f"left out: {why}" for why in damaged.values()]
    if not runs:
        raise ConfigError(
            "; ".join(damaged.values())
            or f"no finished run under {', '.join(map(str, folders))}; crl train makes one"
        )
    runs = told_apart(runs, slug)
    in_studies = set(_runs_of(manifests))
    _add_studies(report_data, manifests, runs, damaged)
    report_data.notes += [
        f"{report_data.printed(path)}: {why_unfinished(path)}"
        for path in run_folders(folders)
        if path not in runs and path not in in_studies and path not in damaged
    ]
    _group_by_configuration(report_data, runs.values())
    _add_runs_without_manifest(report_data, [r for r in runs.values() if r.path not in in_studies])
    return report_data


def _runs_of(manifests: Iterable[Manifest]) -> Iterator[Path]:
    """Yield every run folder that the manifests name."""
    for manifest in manifests:
        for study in manifest.studies:
            for cell in study.cells:
                yield from cell.runs


def _add_studies(
    report_data: ReportData,
    manifests: Sequence[Manifest],
    runs: dict[Path, Run],
    damaged: Container[Path],
) -> None:
    """Fill ``datasets`` and ``sweeps``; note each unfinished run once."""
    noted: set[Path] = set()
    sweeps: list[tuple[str, Manifest, list[SeedGroup]]] = []
    for manifest, title in zip(manifests, titles(manifests), strict=True):
        by_subject: dict[tuple[str, str], dict[str, list[SeedGroup]]] = {}
        for study in manifest.studies:
            cells, unfinished = _read_cells(study, runs)
            for path, where in unfinished.items():
                if path not in noted and path not in damaged:
                    report_data.notes.append(
                        f"{report_data.printed(path)}: {why_unfinished(path)} ({where})"
                    )
                noted.add(path)
            subjects = _subjects_of(cells) or [study.dataset]
            if study.name == _SWEEP:
                name = subjects[0] if len(subjects) == 1 else study.dataset
                sweeps.append((name, manifest, cells))
                continue
            for subject in subjects:
                own = [cell for cell in cells if _subjects_of([cell]) in ([], [subject])]
                by_subject.setdefault((subject, study.dataset), {})[study.name] = own
        commands = {(s.name, s.dataset): s.command or manifest.command for s in manifest.studies}
        for (subject, dataset), cells_of in by_subject.items():
            kind = DatasetStudies(subject, dataset, subject, manifest.title)
            studies = _studies_on(report_data, kind, title, cells_of)
            studies.cells.update(cells_of)
            studies.commands.update({name: commands[name, dataset] for name in cells_of})
    for name, manifest, cells in sweeps:
        alike = [other for same, other, _ in sweeps if same == name]
        place = next(place for place, other in enumerate(alike) if other is manifest)
        title = f"{unlike_titles(alike)[place]}, {name}"
        report_data.sweeps.append(Sweep(title, cells, manifest.command))


def _subjects_of(cells: Iterable[SeedGroup]) -> list[str]:
    """Return the subjects of the cells' runs, each once."""
    return list(dict.fromkeys(run.subject for cell in cells for run in cell.runs))


def _read_cells(study: Study, runs: dict[Path, Run]) -> tuple[list[SeedGroup], dict[Path, str]]:
    """Return the study's cells with their runs, and the cell of every run that is not complete.

    A cell whose runs read different files becomes several, with one more label, ``files``.
    """
    cells, unfinished = [], {}
    for cell in study.cells:
        alike: dict[str, list[Run]] = {}
        for path in cell.runs:
            run = runs.get(path)
            if run := run and with_evaluation(run, cell.evaluation):
                alike.setdefault(run.variant, []).append(run)
            else:
                where = (f"{name} = {value}" for name, value in cell.labels.items())
                unfinished[path] = ", ".join([study.name, study.dataset, *where])
        for variant, finished in (
            alike.items() if len(alike) > 1 else [("", [*chain(*alike.values())])]
        ):
            labels = cell.labels | ({"files": variant[1:]} if variant else {})
            cells.append(SeedGroup(labels, one_per_seed(finished)))
    return cells, unfinished


def _studies_on(
    report_data: ReportData, new: DatasetStudies, title: str, names: Iterable[str]
) -> DatasetStudies:
    """Return the studies that the named ones join: same title, and none of these names yet.

    If there are none, ``new`` is added: manifests with other titles have other settings. It is
    labelled with ``title`` if its data set has studies already.
    """
    present = [studies for studies in report_data.datasets if studies.subject == new.subject]
    for studies in present:
        if studies.title == new.title and not studies.cells.keys() & set(names):
            return studies
    if present:
        new.label = f"{new.subject} ({title})"
    if slug(new.label) in {slug(studies.label) for studies in report_data.datasets}:
        new.label = f"{new.label}, {len(present) + 1}"
    report_data.datasets.append(new)
    return new


def _group_by_configuration(report_data: ReportData, runs: Iterable[Run]) -> None:
    """Fill ``configurations``; note runs that lie there twice and seeds made on different data."""
    by_name: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.name, run.seed, str(run.path))):
        by_name.setdefault(run.name, []).append(run)
    for name, copies in by_name.items():
        counted = one_per_seed(copies)
        report_data.configurations[name] = SeedGroup({}, counted)
        report_data.notes += [
            f"{report_data.printed(run.path)}: the same configuration and seed as another folder; "
            "counted once"
            for run in copies
            if run not in counted
        ]
    report_data.notes += [
        f"{name}: its seeds saw different data (fingerprints differ) and are not put together; "
        "run them again with force=true"
        for name in dict.fromkeys(
            run.name.removesuffix(run.variant)
            for group in report_data.configurations.values()
            for run in group.runs
            if run.variant
        )
    ]
    report_data.descriptions = descriptions(report_data.configurations)


def _add_runs_without_manifest(report_data: ReportData, runs: list[Run]) -> None:
    """Fill ``other_runs``, and add runs of no study to each data set as the study "other".

    Thus claims about every run are tested on them too.
    """
    configurations = report_data.configurations
    names = {run.name for run in runs}
    report_data.other_runs = [group for name, group in configurations.items() if name in names]
    in_studies = {run.name for studies in report_data.datasets for run in studies.every_run()}
    rest = [group for name, group in configurations.items() if name not in in_studies]
    for subject in sorted(_subjects_of(rest)):
        groups = [group for group in rest if group.runs[0].subject == subject]
        studies = next((s for s in report_data.datasets if s.subject == subject), None)
        if studies is None:
            cells = _implied_table_1([g for g in groups if g in report_data.other_runs])
            cells = cells or _implied_table_1(groups)  # a sweep's runs are as good
            dataset = groups[0].runs[0].dataset
            studies = DatasetStudies(
                subject, dataset, subject, cells={"table1": cells} if cells else {}
            )
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
    # The runs are of one subject, so another root is the same data.
    settings = {
        str([run.config["dataset"] | {"root": None}, run.config["encoder"]])
        for run in (cell.runs[0] for cell in cells)
    }
    return cells if len(settings) == 1 else []
