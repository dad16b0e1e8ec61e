"""How the process treats memory."""

import platform
import subprocess
import sys

import pytest

_KEEPS = """
import sys
from pathlib import Path
from crl.experiments.runtime.devices import keep_freed_memory

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if "VmRSS" in line).split()[1])

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resident()
block = bytearray(b"x") * 200_000_000
held = resident() - before
del block
print((resident() - before) / held)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc gives freed memory back in this way"
)
def test_freed_memory_is_kept() -> None:
    share = {
        mode: float(
            subprocess.run(
                [sys.executable, "-c", _KEEPS, mode], capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("keep", "leave")
    }
    assert share["keep"] > 0.9
    assert share["leave"] < 0.1
