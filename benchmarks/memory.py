"""Resident memory now, as a baseline for what a piece of work takes on top of its data.

The peak comes from :func:`benchmarks.process.in_own_process`. Peak minus the resident memory at the moment when the data
existed says what the work took, as long as no earlier peak was higher (then it overstates) and little that had been freed
was still resident (the work can use that again unseen).
"""

import resource
import sys
from pathlib import Path


def resident_gb() -> float:
    """Resident memory of this process in GB; off Linux its peak so far, which only growth beyond it exceeds."""
    status = Path("/proc/self/status")
    if status.exists():
        now = next(text for text in status.read_text().splitlines() if text.startswith("VmRSS"))
        return int(now.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
