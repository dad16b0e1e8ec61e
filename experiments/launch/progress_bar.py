"""The progress of many runs and the time they still take. Imports no torch.

Most launchers report nothing before the end, so progress comes from the run folders.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from threading import Event, RLock, Thread
from typing import Any

from tqdm import tqdm

from crl.experiments.errors import ConfigError
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.metric_names import classifier_title
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.time_left import (
    duration,
    last_line,
    seconds_in_all,
    seconds_taken,
    seconds_until_all_end,
)
from crl.experiments.storage.results import read_run

_EVALUATION = 0.1  # the share of a run that stands for what comes after its last step


class ProgressBar:
    """A context with one bar over all runs, or a line for each run that ends.

    The time left is what the remaining runs take at the speed (seconds a point) of the runs of
    their kind that are complete or in progress.
    """

    def __init__(
        self,
        runs: Sequence[RunSpec],
        complete: int,
        side_by_side: int | None,
        say: Say,
        bar: bool,
        later: int = 0,
    ) -> None:
        self._runs, self._side_by_side, self._say = runs, side_by_side, say
        self._later, self._total = later, complete + len(runs) + later
        self.left = set(range(len(runs)))
        # A folder may hold what an earlier start left; only what changes from here on counts.
        self._stamps = {
            path: _stamp(path)
            for run in runs
            for path in (run.folder / "result.json", run.folder / "metrics.jsonl")
        }
        self._taken: list[tuple[str, int, float]] = []  # (kind, points, seconds) of complete runs
        self._lock = RLock()
        self._bar = tqdm(
            total=self._total,
            initial=complete,
            bar_format="{percentage:3.0f}%|{bar}| {n:.1f}/{total} runs [{elapsed}{postfix}]",
            disable=not (bar and sys.stderr.isatty()),
        )
        self._over, self._watcher = Event(), Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProgressBar":
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._watcher.join()
        self._bar.close()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.look()
        self.look()  # so that the last runs are counted

    def look(self) -> None:
        """Note every run whose result has come, and show how far the others are."""
        with self._lock:
            for number in sorted(self.left):
                if self._is_new(self._runs[number].folder / "result.json"):
                    self.ended(number, None)
            if not self._bar.disable:
                shares = self._shares()
                self._bar.n = self._done() + sum(shares.values())
                seconds = self.seconds_left()
                left = "" if seconds is None else f"about {duration(seconds)} left"
                self._bar.set_postfix_str(left, refresh=True)

    def ended(self, number: int, error: str | None) -> None:
        """Count a run that is complete or has failed, and say so; the second time, do nothing."""
        with self._lock:
            if number not in self.left:
                return
            self.left.discard(number)
            spec, outcome = self._runs[number], f"failed: {error}"
            if error is None:
                outcome = "complete"
                with suppress(ConfigError):  # a damaged result: its next reader reports it
                    if (run := read_run(spec.folder, spec.evaluation)) is not None:
                        outcome = _score(run.result)
                        if (seconds := seconds_taken(run.result)) is not None:
                            self._taken.append((spec.kind, spec.points, seconds))
            if self._bar.disable:
                self._say(f"[{self._done()}/{self._total}] {spec.title}: {outcome}")

    def _done(self) -> int:
        return self._total - self._later - len(self.left)

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs are complete, None before any speed is known."""
        shares = self._shares()
        seen = self._taken + [
            (run.kind, run.points, seconds)
            for run in (self._runs[number] for number in shares)
            if (seconds := seconds_in_all(last_line(run.folder), run.steps)) is not None
        ]
        if not seen:
            return None
        speeds = {
            kind: sum(seconds for same, _, seconds in seen if same == kind)
            / sum(points for same, points, _ in seen if same == kind)
            for kind, _, _ in seen
        }
        usual = fmean(speeds.values())
        left = {
            number: (1 - shares.get(number, 0))
            * self._runs[number].points
            * speeds.get(self._runs[number].kind, usual)
            for number in self.left
        }
        running = [left[number] for number in shares]
        return seconds_until_all_end(left.values(), running, self._side_by_side or len(running))

    def _shares(self) -> dict[int, float]:
        """The share that is done of each run in progress."""
        return {
            number: min(last_line(run.folder).get("step", 0) / run.steps, 1 - _EVALUATION)
            for number, run in enumerate(self._runs)
            if number in self.left and self._is_new(run.folder / "metrics.jsonl")
        }

    def _is_new(self, path: Path) -> bool:
        """Return whether the file has come or changed since the start."""
        return _stamp(path) not in (None, self._stamps[path])


def _stamp(path: Path) -> int | None:
    """The time of a file's last change, None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _score(result: dict[str, Any]) -> str:
    """The mean classifier's first accuracy, the training time, the number of warnings."""
    metrics, warnings = result["metrics"], result["warnings"]
    name = next(name for name in metrics if name.startswith("test.mean."))
    score = f"{classifier_title(name)} {100 * metrics[name]:.1f} %"
    doubts = f", {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else ""
    return f"{score}, trained in {result['timing']['train_seconds']:.0f} s{doubts}"
