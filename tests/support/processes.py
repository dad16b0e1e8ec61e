"""Commands as processes that can be killed by the hundred, and the result of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crl.experiments.storage.results import read_run

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = ["training.steps=12", "training.log_every=3", "training.dev_every=4",
        "training.batch_size=8", "training.checkpoint_seconds=0", "evaluation.linear_steps=5",
        "evaluation.ks=[2]", "evaluation.tops=[1]", "runtime.device=cpu",
        "runtime.progress=false"]  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9: killed), and what it printed on both streams."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def last(self) -> str:
        return self.text.strip().splitlines()[-1] if self.text.strip() else ""


class Process:
    """A command in progress."""

    def __init__(self, server: "ForkServer", pid: int, log: Path) -> None:
        self.server, self.pid, self.log = server, pid, log

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def kill(self) -> Ended:
        self.signal(signal.SIGKILL)
        return self.wait()

    def kill_after(self, seconds: float) -> Ended:
        time.sleep(seconds)
        return self.kill()

    def poll(self) -> int | None:
        """Return the exit code, None before the end."""
        return self.server.ask({"poll": self.pid})

    def wait(self) -> Ended:
        code = self.server.ask({"wait": self.pid})
        return Ended(code, *(path.read_text() for path in streams(self.log)))

    def printed(self) -> str:
        return "".join(path.read_text() for path in streams(self.log))


def streams(log: Path) -> tuple[Path, Path]:
    """Where standard output and standard error of a process go."""
    return log.with_suffix(".out"), log.with_suffix(".err")


class ForkServer:
    """See ``fork_server.py``."""

    def __init__(self, logs: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.logs, self.count = logs, 0
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, request: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._answer()

    def start(
        self,
        *arguments: str,
        cache: Path | None = None,
        die_at: tuple[str, int] | None = None,
        largest_file: int | None = None,
        powerless: bool = False,
    ) -> Process:
        self.count += 1
        log = self.logs / str(self.count)
        for path in streams(log):
            path.touch()  # a process that is killed at once never opens it
        faults = {"die_at": die_at, "largest_file": largest_file, "powerless": powerless}
        environment = {} if cache is None else {"CRL_DATA": str(cache)}
        request = {
            "arguments": arguments,
            "streams": [str(path) for path in streams(log)],
            "environment": environment,
            **faults,
        }
        return Process(self, self.ask(request), log)

    def run(self, *arguments: str, cache: Path | None = None, **faults: Any) -> Ended:
        return self.start(*arguments, cache=cache, **faults).wait()


@dataclass(frozen=True)
class Undisturbed:
    """A command (without ``run_dir``), its undisturbed numbers, and how long it takes."""

    command: tuple[str, ...]
    metrics: dict[str, float]
    theory: dict[str, Any]
    log: list[dict[str, float]]
    seconds: float
    folder: Path
    cache: Path


def log_of(run: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl, without the values that depend on time."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        {
            name: value
            for name, value in line.items()
            if name not in ("points_per_second", "seconds")
        }
        for line in lines
    ]


def same(run: Path, undisturbed: Undisturbed) -> bool:
    """Return whether a run has the undisturbed numbers; assert that all its files are whole."""
    complete = read_run(run)
    assert complete is not None, f"{run} is not complete"
    leftovers = [
        path for path in run.rglob("*") if path.suffix == ".tmp" or path.name == "replaced"
    ]
    assert not leftovers
    return (complete.metrics, complete.result["theory"], log_of(run)) == (
        undisturbed.metrics, undisturbed.theory, undisturbed.log,
    )  # fmt: skip


def undisturbed(crl: ForkServer, place: Path, *options: str) -> Undisturbed:
    """Run a command twice, and assert that both times give the same numbers.

    Its time is that of the faster one, whose code was loaded already.
    """
    command = ("train", *options, *TINY)
    seconds = []
    for number in range(2):
        started = time.monotonic()
        ended = crl.run(*command, f"run_dir={place}/run{number}", cache=place / f"cache{number}")
        seconds.append(time.monotonic() - started)
        assert ended.code == 0, ended.text
    result = json.loads((place / "run0" / "result.json").read_text())
    found = Undisturbed(
        command,
        result["metrics"],
        result["theory"],
        log_of(place / "run0"),
        min(seconds),
        place / "run0",
        place / "cache0",
    )
    assert same(place / "run1", found)
    return found
