"""Signals that ask the process to end.

While a run trains, they wait until a step has ended and a checkpoint is saved; elsewhere they act
at once. SIGINT is Ctrl-C; ``kill`` and schedulers send SIGTERM; a terminal that closes sends
SIGHUP; SLURM can send SIGUSR1 or SIGUSR2 before the time is up.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

_NAMES = {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"}
_SIGNALS: list[int] = [signum for signum in signal.Signals if signum.name in _NAMES]
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class Interrupted(KeyboardInterrupt):
    """A signal, ``signum``, asks the process to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


def interrupt(signum: int, frame: FrameType | None = None) -> None:
    """Raise Interrupted: a signal handler."""
    raise Interrupted(signum)


@contextmanager
def ending() -> Iterator[None]:
    """Let signals that would kill the process raise Interrupted.

    A signal that has a handler, or is ignored, stays as it is.
    """
    with _handling(interrupt, _by_default()):
        yield


def ignore_signals() -> None:
    """Ignore all these signals in this process from now on."""
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


class DeferredSignals:
    """A context in which signals wait for :meth:`deliver`. Only a second Ctrl-C acts at once.

    A signal then goes to the handler that it had before the context. This is :func:`ending`'s, or a
    cluster launcher's, which puts the job back into its queue. Ignored signals stay ignored.
    Outside of the main thread, which alone receives signals, the context does nothing.
    """

    def __init__(self) -> None:
        self._received: list[int] = []

    def __enter__(self) -> "DeferredSignals":
        self._before = _handlers()
        self._context = _handling(self._note, self._before)
        self._context.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        self._context.__exit__(None, None, None)
        if kind is None:
            self.deliver()

    def __bool__(self) -> bool:
        """Return whether a signal is waiting."""
        return bool(self._received)

    def deliver(self) -> None:
        """Hand the waiting signals to their handlers. Raises Interrupted or what those raise."""
        while self._received:
            signum = self._received.pop(0)
            before = self._before[signum]
            (interrupt if before in _DEFAULTS else before)(signum, None)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and signum in self._received:
            raise Interrupted(signum)
        self._received.append(signum)


class WorkerSignals:
    """A context for each task of a process that does one task after another.

    A signal raises Interrupted in the task and in every later one. Between tasks a signal only
    waits: if the process ended then, joblib would take this for a crash.
    """

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
def deaf_to_ctrl_c() -> Iterator[None]:
    """A context whose new processes never receive SIGINT, not even as they start.

    A terminal sends SIGINT to them too, but it is meant for this process alone.
    """
    resource_tracker.ensure_running()  # its start would unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def passed_on() -> Iterator[None]:
    """Pass signals on to the child processes as SIGTERM, and raise Interrupted at the end.

    Interrupted is raised even if the context ends with an error. A second Ctrl-C raises Interrupted
    at once.
    """
    received: list[int] = []

    def pass_on(signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and signum in received:
            raise Interrupted(signum)
        received.append(signum)
        for child in multiprocessing.active_children():
            child.terminate()

    try:
        with _handling(pass_on, _handlers()):
            yield
    finally:
        if received:  # a child that SIGTERM killed may have made the launcher raise
            raise Interrupted(received[0])


def _handlers() -> dict[int, Any]:
    """The handler of each signal that is not ignored; {} outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    return {s: handler for s, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}


def _by_default() -> list[int]:
    """The signals that would kill the process."""
    return [signum for signum, handler in _handlers().items() if handler in _DEFAULTS]


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None], signals: Iterable[int]
) -> Iterator[None]:
    before = {signum: signal.signal(signum, handler) for signum in signals}
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)
