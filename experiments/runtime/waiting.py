"""How OpenMP's threads wait for each other. Imports no torch, which would load OpenMP."""

import os
from collections.abc import MutableMapping
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# Turns of the waiting loop, by the maker of the CPU: a turn takes several times as long on Intel's.
# Both were measured (results/README.md): few turns that slow no encoder on an idle machine.
_SPINS, _SPINS_ON_AMD = "10000", "2000"
# The variables by which users choose for themselves.
_CHOSEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads soon give up their core, in this process and those that it starts.

    GNU OpenMP, which torch loads on Linux, lets a thread that waits for another one turn in a loop
    300,000 times before it sleeps. On a busy machine that loop takes the core from the very thread
    that is waited for, and a run takes ten times as long. Does nothing where the user has chosen,
    and has no effect after torch is imported.
    """
    if not any(name in environment for name in _CHOSEN):
        environment["GOMP_SPINCOUNT"] = _SPINS_ON_AMD if _is_amd() else _SPINS


def _is_amd() -> bool:
    try:
        return "AuthenticAMD" in _CPUINFO.read_text()
    except OSError:
        return False
