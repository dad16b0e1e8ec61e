"""What a report is about: the finished runs under some folders, sorted into the studies that their
manifests name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from experiments.config.schema import GROUPS, SECTIONS, Config
from experiments.errors import ConfigError
from experiments.storage.manifest import Study, find_manifests, read_manifest
from experiments.storage.results import Run, find_runs, read_run, run_folders, why_unfinished

_FREE = ("sweep",)  # studies that are shown as they are, however many there are


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in their seed alone, in its order; ``labels``: where they stand in a
    study."""

    labels: dict[str, Any]
    runs: tuple[Run, ...]


@dataclass
class DatasetStudies:
    """A data set and the studies made on it, by name; ``label`` tells two sets of studies on one
    data set apart."""

    label: str
    dataset: str
    title: str = ""
    studies: dict[str, list[SeedGroup]] = field(default_factory=dict)

    def runs(self, study: str, **labels: Any) -> tuple[Run, ...]:
        """The runs of the first cell that has these labels; none where there is no such cell."""
        cells = (
            cell for cell in self.studies.get(study, ()) if labels.items() <= cell.labels.items()
        )
        return next((cell.runs for cell in cells), ())

    def values(self, study: str, label: str, **labels: Any) -> list[Any]:
        """What a label takes in the cells that have these others, in order."""
        cells = (
            cell.labels
            for cell in self.studies.get(study, ())
            if labels.items() <= cell.labels.items()
        )
        return sorted({cell[label] for cell in cells if label in cell})

    def every_run(self) -> list[Run]:
        """All runs of all studies, each once."""
        found = {
            run.path: run for cells in self.studies.values() for cell in cells for run in cell.runs
        }
        return list(found.values())


@dataclass
class ReportData:
    """``configurations``: every run, by the name that its seeds share; ``notes``: what is missing
    or counted once."""

    home: Path
    subjects: list[DatasetStudies]
    sweeps: list[tuple[str, list[SeedGroup]]]
    others: list[SeedGroup]
    configurations: dict[str, SeedGroup]
    notes: list[str]

    def place(self, path: Path) -> str:
        """A folder as the report prints it: from the first folder that was given, where it lies
        inside."""
        return str(path.relative_to(self.home)) if path.is_relative_to(self.home) else str(path)


def collect(folders: Sequence[Path]) -> ReportData:
    """Read run folders and manifests. Raises ConfigError for no folder, a damaged run, or nothing
    to report."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not a folder; crl report takes folders that hold runs (crl train makes them)"
            )
    material = ReportData(folders[0].resolve(), [], [], [], {}, [])
    runs = {run.path: run for run in find_runs(folders)}
    told: set[Path] = set()
    for path in find_manifests(folders):
        manifest = read_manifest(path)
        by_dataset: dict[str, dict[str, list[SeedGroup]]] = {}
        for study in manifest.studies:
            cells = _resolve(material, study, runs, told)
            if study.name in _FREE:
                material.sweeps.append((f"{manifest.title}, {study.dataset}", cells))
            else:
                by_dataset.setdefault(study.dataset, {}).setdefault(study.name, []).extend(cells)
        for dataset, studies in by_dataset.items():
            _subject(material, dataset, manifest.title, studies).studies.update(studies)
    if not runs:
        where = ", ".join(map(str, folders))
        raise ConfigError(
            f"no finished run under {where}; crl train makes one, crl report takes the folder that holds it"
        )
    for folder in folders:
        begun = sorted(run_folders([folder]))
        material.notes += [
            f"{material.place(p)}: {why_unfinished(p)}"
            for p in begun
            if p not in runs and p not in told
        ]
    _group_configurations(material, runs.values())
    _without_manifest(material, [run for run in runs.values() if run.path not in told])
    return material


def _resolve(
    material: ReportData, study: Study, runs: dict[Path, Run], told: set[Path]
) -> list[SeedGroup]:
    """A study's cells with their runs read; what is not finished is noted once."""
    cells = []
    for cell in study.cells:
        found = []
        for path in cell.runs:
            run = runs.get(path) or read_run(path)
            if run is not None:
                runs[path] = run
                found.append(run)
            elif path not in told:
                where = ", ".join(
                    [study.name, study.dataset, *(f"{k} = {v}" for k, v in cell.labels.items())]
                )
                material.notes.append(f"{material.place(path)}: {why_unfinished(path)} ({where})")
            told.add(path)
        cells.append(SeedGroup(cell.labels, one_per_seed(found)))
    return cells


def _subject(
    material: ReportData, dataset: str, title: str, studies: Iterable[str]
) -> DatasetStudies:
    """The subject of that title that has none of these studies yet, or a new one: other titles are
    other settings."""
    there = [subject for subject in material.subjects if subject.dataset == dataset]
    for subject in there:
        if subject.title == title and not subject.studies.keys() & set(studies):
            return subject
    label = dataset if not there else f"{dataset} ({title})"
    if label in {subject.label for subject in there}:
        label = f"{label}, {len(there) + 1}"
    material.subjects.append(DatasetStudies(label, dataset, title))
    return material.subjects[-1]


def _group_configurations(material: ReportData, runs: Iterable[Run]) -> None:
    by_name: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.name, run.seed, str(run.path))):
        by_name.setdefault(run.name, []).append(run)
    for name, found in by_name.items():
        kept = one_per_seed(found)
        material.configurations[name] = SeedGroup({}, kept)
        if len({str(run.result["dataset"].get("fingerprint")) for run in kept}) > 1:
            material.notes.append(
                f"{name}: its seeds saw different data (fingerprints differ); make them again with force=true"
            )
        material.notes += [
            f"{material.place(run.path)}: the same configuration and seed as another folder; counted once"
            for run in found
            if run not in kept
        ]


def _without_manifest(material: ReportData, runs: list[Run]) -> None:
    """Runs of no study: "other runs". Each data set's first subject gets all runs of no study of a
    subject as ``other``, so that what holds of every run is tested on them too."""
    names = {run.name for run in runs}
    material.others = [group for name, group in material.configurations.items() if name in names]
    shown = {run.name for subject in material.subjects for run in subject.every_run()}
    rest = [group for name, group in material.configurations.items() if name not in shown]
    for dataset in sorted({group.runs[0].dataset for group in rest}):
        groups = [group for group in rest if group.runs[0].dataset == dataset]
        subject = next((s for s in material.subjects if s.dataset == dataset), None)
        if subject is None:
            cells = _implied_table_1([group for group in groups if group in material.others])
            subject = DatasetStudies(dataset, dataset, studies={"table1": cells} if cells else {})
            material.subjects.append(subject)
        subject.studies["other"] = groups


def _implied_table_1(groups: list[SeedGroup]) -> list[SeedGroup]:
    """Its cells for a data set without a study: where a method has one configuration only, and both
    share the encoder."""
    cells = []
    for method, objective in (("supervised", "supervised"), ("unsupervised", "contrastive")):
        found = [
            group for group in groups if group.runs[0].config["objective"]["name"] == objective
        ]
        if len(found) == 1:
            cells.append(SeedGroup({"method": method}, found[0].runs))
    same = {str([cell.runs[0].config[part] for part in ("dataset", "encoder")]) for cell in cells}
    return cells if len(same) == 1 else []


def one_per_seed(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The first run of each seed, in the order of the seeds."""
    by_seed: dict[int, Run] = {}
    for run in runs:
        by_seed.setdefault(run.seed, run)
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def options(config: dict[str, Any]) -> dict[str, Any]:
    """``group.option`` -> value of all that can change a result, the seed aside."""
    found: dict[str, Any] = {}
    for group, value in config.items():
        if not isinstance(value, dict):
            continue
        schemas: list[type] = [c.options for c in GROUPS.get(group, {}).values()]
        schemas += [SECTIONS[group]] if group in SECTIONS else []
        idle = {
            spec.name
            for schema in schemas
            for spec in fields(schema)
            if not spec.metadata.get("changes_result", True)
        }
        found |= {f"{group}.{name}": item for name, item in value.items() if name not in idle}
    top = {spec.name for spec in fields(Config)}
    return found | {
        name: value
        for name, value in config.items()
        if name not in top and not isinstance(value, dict)
    }


def differing(groups: Sequence[SeedGroup]) -> list[str]:
    """Names of the options in which the configurations of these groups are not all alike."""
    given = [options(group.runs[0].config) for group in groups]
    names = dict.fromkeys(name for found in given for name in found)
    return [name for name in names if len({str(found.get(name)) for found in given}) > 1]


def holds_text(run: Run) -> bool:
    """Whether its points are sentences; else they are images."""
    return "embedding" in run.config["encoder"]
