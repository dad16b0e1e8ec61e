"""Large blocks of memory that are freed and wanted again every step."""

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep what it frees, where the C library is glibc; elsewhere nothing happens.

    A step on a CPU frees some hundred MB of activations and wants them again in the next. Blocks
    above 32 MB go back to the system each time and are filled with zeros when they return, which
    takes up to a third of a step.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
