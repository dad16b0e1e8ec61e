"""The memory that work takes beyond its data, measured in a process of its own.

It is the peak, from :func:`in_own_process`, minus :func:`resident_gb` once the data exist. It is
too high if an earlier peak was higher, and too low if much freed memory was still resident, which
the work can reuse.
"""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def in_own_process(work: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
    """Return what ``work(*arguments)`` returns and the peak resident memory of its process in GB.

    The memory includes the interpreter.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, work, arguments).result()


def _measured(work: Callable[..., Any], arguments: tuple[object, ...]) -> tuple[Any, float]:
    # VmHWM, because ru_maxrss on Linux includes the parent's memory at the start of this process.
    return work(*arguments), _memory_gb("VmHWM")


def resident_gb() -> float:
    """Return the resident memory of this process in GB; outside Linux, its peak so far."""
    return _memory_gb("VmRSS")


def _memory_gb(field: str) -> float:
    """Return a field of /proc/self/status in GB; outside Linux, the peak resident memory."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text("utf-8").splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
