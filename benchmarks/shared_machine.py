"""Two runs at once on one machine, compared with the same two runs one after the other.

Each run is a process of its own, ``crl train`` with a GRU on docstrings, from its start to its end;
it uses all cores. Where two runs share them without loss, both ways take the same time. A GRU is
the hardest case: its threads wait for each other after every word of a sentence.
"""

import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.timing import Ratios, in_turns

_ROW = "shared_machine/two_at_once"
_MOST_REPEATS = 3
_OPTIONS = ("dataset=docstrings", "encoder=gru", "training.steps=30")
_COMMAND = (sys.executable, "-m", "crl.cli.main", "train", *_OPTIONS,
            "runtime.device=cpu", "runtime.progress=false")  # fmt: skip


def measure(repeats: int, command: Sequence[str] = _COMMAND) -> dict[str, list[float]]:
    """Return the time of two runs at once / one after the other, per repeat.

    ``command`` starts a run; ``run_dir=PATH`` is added to it.
    """
    numbers = itertools.count()
    with TemporaryDirectory() as folder:

        def start() -> "subprocess.Popen[bytes]":
            run_dir = Path(folder) / str(next(numbers))
            with run_dir.with_suffix(".log").open("w") as log:
                return subprocess.Popen([*command, f"run_dir={run_dir}"], stdout=log, stderr=log)

        def at_once() -> None:
            runs = [start(), start()]
            _end(runs)

        def in_turn() -> None:
            for _ in range(2):
                _end([start()])

        sides = {"at once": at_once, "in turn": in_turn}
        seconds = in_turns(sides, min(repeats, _MOST_REPEATS), _ROW)
    return {_ROW: Ratios(seconds["at once"], seconds["in turn"])}


def note() -> str:
    """Say how it measures."""
    return f"crl train {' '.join(_OPTIONS)}, whole processes; at most {_MOST_REPEATS} repeats"


def _end(runs: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Wait for the runs. Raises RuntimeError if one has failed."""
    codes = [run.wait() for run in runs]
    if any(codes):
        raise RuntimeError(f"crl train ended with exit codes {codes}")
