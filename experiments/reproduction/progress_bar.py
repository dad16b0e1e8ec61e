"""How far a plan is and how long it still takes."""

import sys
import time
from collections import defaultdict

from tqdm import tqdm

from experiments.reproduction.studies import Job
from experiments.runtime.time_left import last_line, spoken


class Overall:
    """One bar over all runs, or one line a run where there is no terminal.

    The time left is what the runs that remain would take at the speed (seconds a point) of the runs
    of their kind that are complete or under way, shared among the workers.
    """

    def __init__(self, jobs: list[Job], complete: int, workers: int) -> None:
        self.jobs, self.workers, self.complete = jobs, workers, complete
        self.total = complete + len(jobs)
        self.left = set(range(len(jobs)))
        self.started: dict[
            int, tuple[float, float]
        ] = {}  # when, and how much an earlier start had done
        self.spent: dict[str, list[tuple[float, float]]] = defaultdict(
            list
        )  # kind -> (points, seconds) of runs that ended
        self.bar = tqdm(
            total=self.total,
            initial=complete,
            desc="reproducing",
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} runs [{elapsed}{postfix}]",
            disable=None,
        )

    def tick(self, running: set[int]) -> None:
        """Show where the runs in progress stand."""
        now = time.monotonic()
        for key in running:
            if key not in self.started:
                self.started[key] = now, self._share(key)
        self.bar.n = (
            self.total
            - len(self.left)
            + sum(share for key in running if (share := self._share(key)))
        )
        self.bar.set_postfix_str(self._time_left(running), refresh=True)

    def ended(self, key: int, error: str | None) -> None:
        """Count a run that is complete or has failed."""
        self.left.discard(key)
        job, now = self.jobs[key], time.monotonic()
        since, before = self.started.get(key, (now, 0.0))
        seconds = now - since
        if error is None:
            self.spent[job.kind].append((job.points * (1 - before), seconds))
        if self.bar.disable:
            outcome = f"{seconds:.0f} s" if error is None else f"failed: {error}"
            print(
                f"[{self.total - len(self.left)}/{self.total}] {job.name}: {outcome}",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        self.bar.close()

    def _share(self, key: int) -> float:
        """Of a run in progress; its last tenth stands for the evaluation."""
        job = self.jobs[key]
        return min(last_line(job.folder).get("step", 0) / job.steps, 0.9)

    def _time_left(self, running: set[int]) -> str:
        speeds = {
            kind: sum(s for _, s in spent) / sum(p for p, _ in spent)
            for kind, spent in self.spent.items()
        }
        for key in running:  # a kind of which none has ended yet
            job, (since, before) = self.jobs[key], self.started[key]
            done = self._share(key) - before
            if job.kind not in speeds and done > 0:
                speeds[job.kind] = (time.monotonic() - since) / (done * job.points)
        if not speeds:
            return ""
        usual = sum(speeds.values()) / len(speeds)
        shares = {key: self._share(key) for key in running}
        seconds = sum(
            self.jobs[key].points
            * (1 - shares.get(key, 0))
            * speeds.get(self.jobs[key].kind, usual)
            for key in self.left
        )
        return f"about {spoken(seconds / self.workers)} left"
