"""Current resident memory: the baseline for the memory that work takes beyond its data.

That memory is the peak, from :func:`benchmarks.process.in_own_process`, minus the resident memory
once the data exist. It is too high if an earlier peak was higher, and too low if much freed memory
was still resident, which the work can reuse.
"""

from benchmarks.process import memory_gb


def resident_gb() -> float:
    """Return the resident memory of this process in GB; outside Linux, its peak so far."""
    return memory_gb("VmRSS")
