"""Resident memory now, as a baseline for what a piece of work takes on top of its data.

The peak comes from :func:`benchmarks.process.in_own_process`. Peak minus the resident memory at the
moment when the data existed says what the work took, as long as no earlier peak was higher (then it
overstates) and little that had been freed was still resident (the work can use that again unseen).
"""

from benchmarks.process import memory_gb


def resident_gb() -> float:
    """Resident memory of this process in GB; off Linux its peak so far, which only growth beyond it
    exceeds."""
    return memory_gb("VmRSS")
