"""The state of each run in some folders: complete, running, failed, interrupted, waiting.

Imports no torch.
"""

import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from crl.data.files.untrusted import read_plain_json, read_plain_yaml
from crl.experiments.errors import ConfigError
from crl.experiments.runtime.time_left import (
    duration,
    last_line,
    measured,
    seconds_in_all,
    seconds_taken,
    seconds_until_all_end,
)
from crl.experiments.storage.lock import is_locked
from crl.experiments.storage.manifest import (
    Cell,
    Manifest,
    Study,
    read_manifests,
    unlike_titles,
)
from crl.experiments.storage.results import read_run, run_folders

STATES = ("complete", "running", "failed", "interrupted", "waiting")


@dataclass(frozen=True)
class RunStatus:
    """A run's folder and state; ``note`` says how far it is, or why it failed.

    ``share``: of its steps that are done. ``seconds``: how long all of it takes, measured if it is
    complete, else at its speed so far; None if unknown. ``evaluation``: the hash of the evaluation
    that it is to have; None for any.
    """

    path: Path
    state: str
    note: str = ""
    share: float = 0.0
    seconds: float | None = None
    evaluation: str | None = None


@dataclass(frozen=True)
class CellStatus:
    """Runs that differ only in their seed.

    ``title`` says where they are: in a study the labels of their cell, else their folder.
    ``command``: the study's; in no study, each run has its own.
    """

    study: str
    title: str
    runs: tuple[RunStatus, ...]
    command: tuple[str, ...] = ()

    def commands(self, *states: str) -> list[str]:
        """Return the commands that start the runs in these states again, as a shell takes them."""
        runs = [run for run in self.runs if run.state in states]
        commands = (self.command or _own_command(run.path) for run in runs)
        return list(dict.fromkeys(shlex.join(command) for command in commands if command))


@dataclass
class Overview:
    """All cells, study by study; ``damaged``: a line for each manifest that cannot be read."""

    cells: list[CellStatus] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[RunStatus]:
        """All runs, each once, even if it belongs to several studies."""
        runs = (run for cell in self.cells for run in cell.runs)
        return list({(run.path, run.evaluation): run for run in runs}.values())

    def studies(self) -> dict[str, list[CellStatus]]:
        """The cells of each study, in order."""
        by_study: dict[str, list[CellStatus]] = {}
        for cell in self.cells:
            by_study.setdefault(cell.study, []).append(cell)
        return by_study

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs that have not failed are complete; None if unknown.

        As many runs go on side by side as do now. A run whose speed is unknown takes the mean time
        of its study's runs, or else of all.
        """
        usual = _mean_seconds(self.runs)
        if usual is None:
            return None
        left: dict[Path, float] = {}
        for cells in self.studies().values():
            runs = [run for cell in cells for run in cell.runs]
            of_study = _mean_seconds(runs) or usual
            left |= {
                run.path: (1 - run.share) * (run.seconds or of_study)
                for run in runs
                if run.state in ("running", "interrupted", "waiting") and run.path not in left
            }
        running = [left[run.path] for run in self.runs if run.state == "running"]
        return seconds_until_all_end(left.values(), running, len(running))


def overview(folders: Sequence[Path]) -> Overview:
    """Return the status of the runs that manifests name, then of all other runs in the folders.

    Raises ConfigError if there are no runs.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: no such folder; "
                "crl status takes those that hold runs, sweeps or reproductions"
            )
    report = Overview()
    status_of = cache(run_status)  # a run can belong to several studies
    manifests, report.damaged = read_manifests(folders)
    for manifest in manifests:
        for study in manifest.studies:
            report.cells += [
                CellStatus(
                    _study_title(study, manifest, manifests),
                    _cell_title(cell),
                    tuple(status_of(run, cell.evaluation) for run in cell.runs),
                    study.command or manifest.command,
                )
                for cell in study.cells
            ]
    in_studies = {run.path for run in report.runs}
    others: dict[str, list[RunStatus]] = {}
    for path in run_folders(folders):
        if path not in in_studies:
            others.setdefault(_short(path.parent), []).append(status_of(path))
    title = "runs of no study" if report.cells else "runs"
    report.cells += [CellStatus(title, parent, tuple(runs)) for parent, runs in others.items()]
    if not report.runs and not report.damaged:
        raise ConfigError(
            f"{', '.join(map(str, folders))}: no runs there; crl train and crl reproduce make them"
        )
    return report


def _study_title(study: Study, manifest: Manifest, manifests: Sequence[Manifest]) -> str:
    """Return the study and its data set, and its manifest's options if others are called alike."""
    is_sweep = study.name == "sweep"
    alike = [
        other
        for other in manifests
        if any((own.name, own.dataset) == (study.name, study.dataset) for own in other.studies)
        and (other.title == manifest.title or not is_sweep)
    ]
    place = next(place for place, other in enumerate(alike) if other is manifest)
    told = unlike_titles(alike)[place]
    if is_sweep:
        return f"{told} on {study.dataset}"
    return f"{study.name} on {study.dataset}{f', {told}' if len(alike) > 1 else ''}"


def _own_command(folder: Path) -> tuple[str, ...]:
    """Return the command that ``environment.json`` records; () if there is none."""
    try:
        return tuple(map(str, read_plain_json(folder / "environment.json")["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def run_status(folder: Path, evaluation: str | None = None) -> RunStatus:
    """Return the state of one run; the note names a damaged file. Nothing is written.

    ``evaluation``: the hash of the evaluation that it is to have (default: any).
    """
    return replace(_state(folder, evaluation), evaluation=evaluation)


def _state(folder: Path, evaluation: str | None) -> RunStatus:
    try:
        run = read_run(folder, evaluation)
        trained = run is not None or read_run(folder) is not None
    except ConfigError as error:
        return RunStatus(folder, "failed", str(error))
    if run is not None:
        return RunStatus(folder, "complete", share=1.0, seconds=seconds_taken(run.result))
    started = any((folder / name).exists() for name in ("config.yaml", "checkpoint.pt"))
    state = "running" if is_locked(folder) else "interrupted"
    if state != "running" and (reason := _failure(folder / "failed.json")):
        return RunStatus(folder, "failed", reason)
    if trained or not started:  # trained: it waits to be scored in this way
        return RunStatus(folder, "waiting")
    path = folder / "config.yaml"
    try:
        steps = int(read_plain_yaml(path)["training"]["steps"])
        assert steps > 0
    except (OSError, ValueError, KeyError, TypeError, OverflowError, AssertionError) as error:
        return RunStatus(
            folder,
            "failed",
            f"{path} is damaged ({type(error).__name__}); delete the run and start it again",
        )
    return _progress(folder, state, steps)


def _progress(folder: Path, state: str, steps: int) -> RunStatus:
    line = last_line(folder)
    step = max(0, min(line.get("step", 0), steps))
    seconds = seconds_in_all(line, steps)
    notes = [f"step {step}/{steps}"]
    if state == "running":
        if (speed := measured(line.get("points_per_second"))) is not None:
            notes.append(f"{speed:.0f} points/s")
        if step == steps:
            notes.append("evaluating")
        elif seconds is not None:
            notes.append(f"about {duration(seconds * (1 - step / steps))} left")
    return RunStatus(folder, state, ", ".join(notes), step / steps, seconds)


def _failure(path: Path) -> str:
    """Return why and when the run failed; "" if it did not."""
    try:
        failure = read_plain_json(path)
        return f"{failure['reason']} ({failure['time']})"
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} is damaged ({type(error).__name__})"


def _cell_title(cell: Cell) -> str:
    """Return the labels of a cell or, if it has none, the folders that hold its runs."""
    labels = [f"{name}={value}" for name, value in cell.labels.items()]
    return " ".join(labels or sorted({path.parent.name for path in cell.runs}))


def _short(folder: Path) -> str:
    """Return the path, relative to the working directory if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _mean_seconds(runs: Sequence[RunStatus]) -> float | None:
    known = [run.seconds for run in runs if run.seconds]
    return statistics.fmean(known) if known else None


def counts(runs: Iterable[RunStatus]) -> dict[str, int]:
    """Return how many runs are in each state, in the order of ``STATES``.

    A state without runs is left out, except for "complete".
    """
    counted = Counter(run.state for run in runs)
    return {state: counted[state] for state in STATES if counted[state] or state == "complete"}
