"""The one way in which tests wait for what a process does."""

import subprocess
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest


class Watched(Protocol):
    """A process that is waited for, and how to read what it has printed."""

    def poll(self) -> int | None: ...
    def printed(self) -> str: ...


def until(
    condition: Callable[[], Any],
    process: "Watched | subprocess.Popen[str] | None" = None,
    seconds: float = 120,
) -> None:
    """Wait until the condition holds.

    Fail if it does not in time, or once the process has ended; show what the process has printed.
    A ``Popen`` is killed for this, and shows the streams that are pipes.
    """
    end = time.monotonic() + seconds
    while True:
        over = process is not None and process.poll() is not None
        if condition():
            return
        if over:
            pytest.fail(f"the process ended before; it printed:\n{_printed(process)}")
        if time.monotonic() > end:
            pytest.fail(f"nothing after {seconds:.0f} s; the process printed:\n{_printed(process)}")
        time.sleep(0.01)


def _printed(process: "Watched | subprocess.Popen[str] | None") -> str:
    if process is None:
        return "(no process is watched)"
    if isinstance(process, subprocess.Popen):
        process.kill()
        return "".join(filter(None, process.communicate()))
    return process.printed()
