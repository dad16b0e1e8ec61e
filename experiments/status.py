"""What of the runs under some folders is complete, running, failed, broken off or still to come.
Free of torch."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data.files.plain import read_plain_json, read_plain_yaml
from experiments.errors import ConfigError
from experiments.runtime.time_left import last_line, spoken
from experiments.storage.manifest import Study, find_manifests, read_manifest
from experiments.storage.results import Run, read_run, run_folders

STATES = ("complete", "running", "failed", "interrupted", "waiting")


@dataclass(frozen=True)
class RunStatus:
    """A run's folder and state; ``note``: how far it is, or why it failed.

    ``seconds``: of a complete run, what it took; of others, what the whole of it would take at its
    speed so far, None where that is not known. ``share``: of its steps that are done.
    """

    path: Path
    state: str
    note: str = ""
    share: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class CellStatus:
    """Runs that differ in their seed: where they stand in a study, or for those of no study, the
    folder they lie in."""

    study: str
    title: str
    runs: tuple[RunStatus, ...]


@dataclass
class Overview:
    """All cells, study by study; ``damaged``: a line for each manifest that cannot be read."""

    cells: list[CellStatus] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @cached_property
    def runs(self) -> list[RunStatus]:
        """Each once, however many studies it belongs to."""
        return list({run.path: run for cell in self.cells for run in cell.runs}.values())

    def studies(self) -> dict[str, list[CellStatus]]:
        """Cells by study, in order."""
        found: dict[str, list[CellStatus]] = {}
        for cell in self.cells:
            found.setdefault(cell.study, []).append(cell)
        return found

    def seconds_left(self) -> float | None:
        """Until all but the failed are complete, as many side by side as run now; None where no run
        tells how long one is.

        A run that has not begun takes what those of its study took, complete or under way, or those
        of all.
        """
        usual = _mean_seconds(self.runs)
        if usual is None:
            return None
        left: dict[Path, float] = {}
        for cells in self.studies().values():
            runs = [run for cell in cells for run in cell.runs]
            of_study = _mean_seconds(runs) or usual
            for run in runs:
                if run.state in ("running", "interrupted", "waiting"):
                    left.setdefault(run.path, (1 - run.share) * (run.seconds or of_study))
        running = [left[run.path] for run in self.runs if run.state == "running"]
        return max([sum(left.values()) / max(1, len(running)), *running])


def overview(folders: Sequence[Path]) -> Overview:
    """What manifests under the folders name, then every other run under them. Raises ConfigError
    where there is neither."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: no such folder; crl status takes those that hold runs, sweeps or reproductions"
            )
    found = Overview()
    seen: dict[Path, RunStatus] = {}

    def look(path: Path) -> RunStatus:
        if path not in seen:
            seen[path] = run_status(path)
        return seen[path]

    for place in find_manifests(folders):
        try:
            manifest = read_manifest(place)
        except ConfigError as error:
            found.damaged.append(str(error))
            continue
        for study in manifest.studies:
            title = _title(study, manifest.title)
            for cell in study.cells:
                labels = [f"{name}={value}" for name, value in cell.labels.items()]
                labels = labels or sorted({path.parent.name for path in cell.runs})
                found.cells.append(
                    CellStatus(title, " ".join(labels), tuple(look(path) for path in cell.runs))
                )
    others: dict[str, list[RunStatus]] = {}
    for path in run_folders(folders):
        if path not in seen:
            others.setdefault(_shown(path.parent), []).append(look(path))
    title = "runs of no study" if found.cells else "runs"
    found.cells += [CellStatus(title, place, tuple(runs)) for place, runs in others.items()]
    if not found.runs and not found.damaged:
        raise ConfigError(
            f"{', '.join(map(str, folders))}: no runs there; crl train and crl reproduce make them"
        )
    return found


def run_status(folder: Path) -> RunStatus:
    """The state of one run; nothing is written there, and what is damaged is named in the note."""
    try:
        run = read_run(folder)
    except ConfigError as error:
        return RunStatus(folder, "failed", str(error))
    if run is not None:
        return RunStatus(folder, "complete", share=1.0, seconds=_taken(run))
    if not any((folder / name).exists() for name in ("config.yaml", "checkpoint.pt")):
        return RunStatus(folder, "waiting")
    state = "running" if _is_held(folder / ".lock") else "interrupted"
    if state != "running" and (reason := _failure(folder / "failed.json")):
        return RunStatus(folder, "failed", reason)
    try:
        steps = int(read_plain_yaml(folder / "config.yaml")["training"]["steps"])
        assert steps > 0
    except (OSError, ValueError, KeyError, TypeError, OverflowError, AssertionError) as error:
        kind = type(error).__name__
        return RunStatus(
            folder,
            "failed",
            f"{folder / 'config.yaml'} is damaged ({kind}); delete the run and start it again",
        )
    return _progress(folder, state, steps)


def _taken(run: Run) -> float | None:
    timing = run.result.get("timing")
    parts = timing.items() if isinstance(timing, dict) else ()
    return sum(_measured(value) or 0 for name, value in parts if name.endswith("_seconds")) or None


def _measured(value: Any) -> float | None:
    """A number of seconds or of points per second; None for what no clock has said (NaN,
    infinity)."""
    return value if isinstance(value, int | float) and 0 <= value < 1e12 else None


def _progress(folder: Path, state: str, steps: int) -> RunStatus:
    line = last_line(folder)
    step = max(0, min(line.get("step", 0), steps))
    taken = _measured(line.get("seconds"))
    seconds = taken * steps / step if step and taken is not None else None
    parts = [f"step {step}/{steps}"]
    if state == "running":
        if (speed := _measured(line.get("points_per_second"))) is not None:
            parts.append(f"{speed:.0f} points/s")
        if step == steps:
            parts.append("evaluating")
        elif seconds is not None:
            parts.append(f"about {spoken(seconds * (1 - step / steps))} left")
    return RunStatus(folder, state, ", ".join(parts), step / steps, seconds)


def _is_held(lock: Path) -> bool:
    """Whether a process holds a run's lock; made out by taking it for an instant, for which a
    starting run waits."""
    if not lock.exists():
        return False
    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # another user's folder: it may be running, and nothing says so
        return False
    probe.release()
    return False


def _failure(path: Path) -> str:
    """Why and when the run failed; empty where it did not."""
    try:
        found = read_plain_json(path)
        return f"{found['reason']} ({found['time']})"
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} is damaged ({type(error).__name__})"


def _title(study: Study, manifest: str) -> str:
    return f"{manifest if study.name == 'sweep' else study.name} on {study.dataset}"


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _mean_seconds(runs: Sequence[RunStatus]) -> float | None:
    known = [run.seconds for run in runs if run.seconds]
    return statistics.fmean(known) if known else None


def counts(runs: Iterable[RunStatus]) -> dict[str, int]:
    """State -> how many runs are in it, in the order of ``STATES``, those of none left out but for
    the complete."""
    counted = Counter(run.state for run in runs)
    return {state: counted[state] for state in STATES if counted[state] or state == "complete"}
