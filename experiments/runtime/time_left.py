"""How far a run in progress is, read off its folder, and how a duration is said. Free of torch."""

import json
import os
from pathlib import Path
from typing import Any

_TAIL = 4096  # bytes of metrics.jsonl: the last line is among them


def last_line(folder: Path) -> dict[str, Any]:
    """The last whole line of a run folder's metrics.jsonl, with at least its ``step``; empty where
    there is none."""
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
            found = json.loads(line)
            return {**found, "step": int(found["step"])}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue  # the first line of the tail may be cut, and the last one is being written
    return {}


def spoken(seconds: float) -> str:
    """In the unit that fits: 5 s, 10 min, 4 h 02 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
