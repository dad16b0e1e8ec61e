"""Peak memory of a piece of work, alone in a process of its own."""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def in_own_process(work: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
    """(what work(*arguments) returns, peak resident memory in GB of the process started for it,
    interpreter and all)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, arguments).result()


def _measured(work: Callable[..., Any], arguments: tuple[object, ...]) -> tuple[Any, float]:
    # Not ru_maxrss where it can be helped: on Linux that counts what the parent held when it
    # started us.
    return work(*arguments), memory_gb("VmHWM")


def memory_gb(field: str) -> float:
    """A field of /proc/self/status in GB; where there is none, off Linux, the peak resident memory
    of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        found = next(text for text in status.read_text().splitlines() if text.startswith(field))
        return int(found.split()[1]) * 1024 / 1e9
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 1e9
    )
