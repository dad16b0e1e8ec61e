"""Signals that ask the process to end: heard at the end of a training step, after a checkpoint;
elsewhere at once.

SIGINT is Ctrl-C, SIGTERM what ``kill`` and schedulers send, SIGHUP what a terminal sends that is
closed, SIGUSR1 and SIGUSR2 what SLURM can send before time is up.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Interrupted(KeyboardInterrupt):
    """A signal asks the process to end: ``signum``."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


def interrupt(signum: int, frame: FrameType | None = None) -> None:
    """A signal handler that raises Interrupted."""
    raise Interrupted(signum)


@contextmanager
def ending() -> Iterator[None]:
    """The signals that would kill the process raise Interrupted; those that someone else handles or
    ignores stay so."""
    with _handling(interrupt, _by_default()):
        yield


class DeferredSignals:
    """As a context: signals wait until :meth:`deliver` is called; only a second Ctrl-C ends at once.

    What handled them before (see :func:`ending`, or a cluster's launcher that puts the job into its
    queue again) does so then. Signals that are ignored stay so. Outside of the main thread, which
    alone hears signals, this does nothing.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "DeferredSignals":
        self._before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        heard = [
            signum
            for signum, handler in self._before.items()
            if handler not in (signal.SIG_IGN, None)
        ]
        self._context = _handling(self._note, heard)
        self._context.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        self._context.__exit__(None, None, None)
        if kind is None:
            self.deliver()

    def __bool__(self) -> bool:
        """Whether a signal is waiting."""
        return bool(self._received)

    def deliver(self) -> None:
        """Let the signals that came act now. Raises Interrupted, or what the handler of before
        raises."""
        while self._received:
            signum = self._received.pop(0)
            before = self._before[signum]
            handler = interrupt if before in _DEFAULTS else before
            handler(signum, None)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and signum in self._received:
            raise Interrupted(signum)
        self._received.append(signum)


class WorkerSignals:
    """For a process that does one task after another, each in this context: a signal to end raises
    Interrupted in the task and in all that follow. Between tasks the process stays, so that nobody
    takes it for one that died."""

    def __init__(self) -> None:
        self._signum: int | None = None
        self._busy = self._listening = False

    def __enter__(self) -> None:
        if not self._listening:
            self._listening = True
            for signum in _by_default():
                signal.signal(signum, self._hear)
        if self._signum is not None:
            raise Interrupted(self._signum)
        self._busy = True

    def __exit__(self, *error: Any) -> None:
        self._busy = False

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        self._signum = signum
        if self._busy:
            raise Interrupted(signum)


worker_signals = WorkerSignals()


@contextmanager
def passed_on() -> Iterator[None]:
    """Signals to end are passed on to the child processes, as SIGTERM, which the context waits for;
    then Interrupted.

    Only a second Ctrl-C ends at once.
    """
    received: list[int] = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and signum in received:
            raise Interrupted(signum)
        received.append(signum)
        for child in multiprocessing.active_children():
            child.terminate()

    with _handling(
        pass_on, [signum for signum in _SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
    ):
        yield
    if received:
        raise Interrupted(received[0])


def _by_default() -> list[int]:
    """The signals that would kill the process."""
    main = threading.current_thread() is threading.main_thread()
    return [signum for signum in _SIGNALS if signal.getsignal(signum) in _DEFAULTS] if main else []


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None], signals: list[int]
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        signals = []
    before = {signum: signal.signal(signum, handler) for signum in signals}
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)
