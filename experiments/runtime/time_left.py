"""The progress of a run, its duration, and the time until many runs end. Imports no torch."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_TAIL = 4096  # bytes at the end of metrics.jsonl, more than two lines


def last_line(folder: Path) -> dict[str, Any]:
    """Return the last whole line of a run's metrics.jsonl, or {} if there is none.

    A line that is returned has an integer ``step``.
    """
    try:
        path = folder / "metrics.jsonl"
        if not path.is_file():  # a pipe would block
            return {}
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            lines = stream.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            values = json.loads(line)
            return {**values, "step": int(values["step"])}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue  # the first line of the tail may be cut, the last may be unfinished
    return {}


def measured(value: Any) -> float | None:
    """Return the value if a clock can have given it: a number from 0 to 1e12, else None."""
    return value if isinstance(value, int | float) and 0 <= value < 1e12 else None


def seconds_taken(result: dict[str, Any]) -> float | None:
    """Return how long a complete run took (``timing`` of its result), None if it does not say."""
    timing = result.get("timing")
    spans = timing.items() if isinstance(timing, dict) else ()
    return sum(measured(value) or 0 for name, value in spans if name.endswith("_seconds")) or None


def seconds_in_all(line: dict[str, Any], steps: int) -> float | None:
    """Return how long all steps take at the speed so far, by :func:`last_line`; None if unknown."""
    step, seconds = line.get("step", 0), measured(line.get("seconds"))
    return None if step <= 0 or seconds is None else seconds * steps / min(step, steps)


def seconds_until_all_end(
    left: Iterable[float], running: Sequence[float], side_by_side: int
) -> float:
    """Return the seconds until all runs are complete, ``side_by_side`` at a time.

    ``left``: the seconds that each run still takes; ``running``: those of the runs in progress.
    Workers share the runs, but no run is shared, so the longest one in progress is a lower bound.
    """
    return max([sum(left) / max(1, side_by_side), *running])


def duration(seconds: float) -> str:
    """The seconds in the unit that fits: 5 s, 10 min, 4 h 02 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
