"""Runs side by side in local processes; each process does one run after another.

A process that dies fails its run alone and is replaced.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path

from crl.experiments.errors import ConfigError
from crl.experiments.launch.launch import Outcome, do_run
from crl.experiments.launch.own_modules import started, starting
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.runtime.signals import Interrupted, deaf_to_ctrl_c

# A forked torch would inherit locks and, on CUDA, a broken device.
_CONTEXT = multiprocessing.get_context("spawn")


class _Worker:
    """A process that trains, the pipe to it, and the number of the run that it has."""

    def __init__(self, threads: int, log: Path) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_work, args=(theirs, threads, str(log)), daemon=True)
        with starting(), deaf_to_ctrl_c():
            self.process.start()
        theirs.close()
        self.number: int | None = None

    def give(self, number: int, run: RunSpec) -> None:
        """Let the process do a run; if it is dead, :meth:`take` reports it."""
        self.number = number
        with contextlib.suppress(OSError):
            self.pipe.send(run.overrides)

    def take(self) -> Outcome:
        """Return how the run ended, or that the process died. Call it once the pipe is ready."""
        assert self.number is not None
        number, self.number = self.number, None
        try:
            return number, self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return number, f"its process {how_it_died(self.process.exitcode)}"


def how_it_died(code: int | None) -> str:
    """Say how a process with this exit code ended that should not have."""
    if code is None or code >= 0:
        return f"died (exit code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "of unknown name"
    why = "; the system does so when memory runs out" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({name}{why})"


class WorkerPool:
    """The launcher that does ``workers`` runs at a time, each with an equal share of the cores.

    What runs write to the console goes to ``log``.
    """

    def __init__(self, workers: int, log: Path) -> None:
        self.side_by_side: int | None = workers
        self.log = log

    def outcomes(self, runs: Sequence[RunSpec]) -> Generator[Outcome]:
        """Do the runs. However this ends, no process is left behind.

        If the caller stops early, each process saves a checkpoint first. Raises ConfigError where
        the log cannot be written.
        """
        try:
            self.log.open("a", encoding="utf-8").close()
        except OSError as error:
            raise ConfigError(
                f"{self.log} cannot be written ({error.strerror}); give another output_dir"
            ) from error
        workers = min(self.side_by_side or 1, len(runs))
        threads = runs[0].threads or max(1, usable_cores() // workers)
        waiting = enumerate(run.with_threads(threads) for run in runs)
        crew: list[_Worker] = []
        try:
            for _ in range(workers):  # one by one: an interruption finds each in the crew
                crew.append(_Worker(threads, self.log))
            while True:
                for place, worker in enumerate(crew):
                    if worker.number is None and (job := next(waiting, None)) is not None:
                        if not worker.process.is_alive():
                            crew[place] = _Worker(threads, self.log)
                        crew[place].give(*job)
                busy = [worker for worker in crew if worker.number is not None]
                if not busy:
                    return
                ready = wait([worker.pipe for worker in busy])
                yield from (worker.take() for worker in busy if worker.pipe in ready)
        finally:
            _dismiss(crew)


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use.

    joblib could tell it too, but would load NumPy before a worker has set its threads.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def usual_workers(runs: Sequence[RunSpec]) -> int:
    """Return how many runs are best done at a time: one a core, or one on a CUDA device.

    Small encoders gain more from runs side by side than from threads; a device would be shared.
    """
    if all("runtime.device=cpu" in run.overrides for run in runs):
        return usable_cores()
    import torch

    return 1 if torch.cuda.is_available() else usable_cores()


def _dismiss(crew: list[_Worker]) -> None:
    """End the processes; one that trains saves a checkpoint first.

    A second Ctrl-C raises here and does not wait for the checkpoints.
    """
    try:
        for worker in crew:
            if worker.number is not None:
                worker.process.terminate()
            worker.pipe.close()  # an idle process ends when its pipe does
        for worker in crew:
            worker.process.join()
    finally:
        for worker in crew:
            worker.process.kill()


def _work(pipe: Connection, threads: int, log: str) -> None:
    """Do the runs that come through the pipe, until the pipe or the parent ends."""
    started()
    end_with_parent()
    # It stays open as long as the process lives.
    stream = open(log, "a", buffering=1, encoding="utf-8")  # noqa: SIM115, PTH123
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    try:
        while True:
            pipe.send(do_run(pipe.recv(), lambda line: print(line, file=sys.stderr)))
    except EOFError:
        return
    except Interrupted as error:  # the parent ended this, and there is a checkpoint
        sys.exit(128 + error.signum)


@cache
def end_with_parent() -> None:
    """End this child process when its parent ends, by a thread that is started once.

    Nobody would read the outcome of an orphan, and its lock would keep others out of the run.
    """
    known = multiprocessing.parent_process()  # None in joblib's processes
    parent = os.getppid() if known is None else known.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
