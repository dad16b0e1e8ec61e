"""Runs side by side in processes of their own: each started once, fed one run at a time, replaced
when it dies."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path

from data.errors import DataError
from experiments.errors import ConfigError, RunError, one_line
from experiments.runtime.signals import Interrupted

_CONTEXT = multiprocessing.get_context(
    "spawn"
)  # a forked torch would inherit locks and, on CUDA, a broken device


@dataclass(frozen=True)
class Outcome:
    """``error`` is one line, None for a run that is complete now."""

    key: int
    error: str | None


class _Worker:
    """A process that trains, and the pipe to it."""

    def __init__(self, threads: int, log: Path) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_work, args=(theirs, threads, str(log)), daemon=True)
        self.process.start()
        theirs.close()
        self.key: int | None = None
        self.dead = False

    def give(self, key: int, overrides: tuple[str, ...]) -> None:
        self.key = key
        with contextlib.suppress(OSError):  # of a dead process: take() will find out
            self.pipe.send(overrides)

    def take(self) -> Outcome:
        """What became of the run that was given; of a process that died, that."""
        assert self.key is not None
        key, self.key = self.key, None
        try:
            return Outcome(key, self.pipe.recv())
        except (EOFError, OSError):
            self.dead = True
            self.process.join()
            return Outcome(
                key, f"its process died (exit code {self.process.exitcode}; out of memory?)"
            )


def run_side_by_side(
    jobs: Iterable[tuple[int, tuple[str, ...]]],
    workers: int,
    threads: int,
    log: Path,
    idle: Callable[[set[int]], None],
) -> Iterator[Outcome]:
    """Outcomes of the jobs (key, overrides of `crl train`), as they come; ``threads`` CPU threads a
    worker.

    ``idle`` is called about twice a second with the keys of the runs in progress. What runs write
    to the console goes to ``log``. However this ends, no process is left behind; where it is broken
    off, each saves a checkpoint first. Raises ConfigError where the log cannot be written.
    """
    try:
        log.open("a").close()
    except OSError as error:
        raise ConfigError(
            f"{log} cannot be written ({error.strerror}); give another output_dir"
        ) from error
    waiting = iter(jobs)
    crew: list[_Worker] = []
    try:
        while True:
            _hand_out(waiting, crew, workers, lambda: _Worker(threads, log))
            busy = [worker for worker in crew if worker.key is not None]
            if not busy:
                return
            ready = wait([worker.pipe for worker in busy], timeout=0.5)
            idle({worker.key for worker in busy if worker.key is not None})
            for worker in busy:
                if worker.pipe in ready:
                    yield worker.take()
                    if worker.dead:
                        crew.remove(worker)
    finally:
        _dismiss(crew)


def _dismiss(crew: list[_Worker]) -> None:
    """End the processes; one that trains saves a checkpoint first, which a second Ctrl-C does not
    wait for."""
    try:
        for worker in crew:
            if worker.key is not None:
                worker.process.terminate()
            worker.pipe.close()  # an idle one ends by itself
        for worker in crew:
            worker.process.join()
    finally:
        for worker in crew:
            worker.process.kill()


def _hand_out(
    waiting: Iterator[tuple[int, tuple[str, ...]]],
    crew: list[_Worker],
    workers: int,
    hire: Callable[[], _Worker],
) -> None:
    """A job for everyone who has none, as long as there are jobs; the crew grows to its full size
    with the jobs."""
    free = [worker for worker in crew if worker.key is None]
    while free or len(crew) < workers:
        job = next(waiting, None)
        if job is None:
            return
        if not free:
            crew.append(hire())
            free.append(crew[-1])
        free.pop().give(*job)


def _work(pipe: Connection, threads: int, log: str) -> None:
    """The process: runs what comes through the pipe until the pipe or the parent ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the parent, which ends its workers
    end_with_parent()
    stream = open(log, "a", buffering=1)  # noqa: SIM115, PTH123 (open as long as the process lives)
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    try:
        while True:
            pipe.send(_one(pipe.recv()))
    except EOFError:
        return
    except Interrupted as error:  # by the parent, and there is a checkpoint
        sys.exit(128 + error.signum)


def _one(overrides: tuple[str, ...]) -> str | None:
    from experiments.config.compose import compose_config
    from experiments.run import run

    try:
        run(
            compose_config(overrides),
            ["crl", "train", *overrides],
            lambda line: print(line, file=sys.stderr),
        )
    except Exception as error:
        if not isinstance(error, ConfigError | DataError | RunError):  # a bug: the other runs go on
            traceback.print_exc()
        return one_line(error)
    return None


@cache
def end_with_parent() -> None:
    """For a child process, once: nobody would read the outcome of an orphan, and its lock would
    keep others out."""
    known = multiprocessing.parent_process()  # joblib's processes know none
    parent = os.getppid() if known is None else known.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
