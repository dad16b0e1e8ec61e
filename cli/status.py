"""``crl status``: how far the runs under some folders are."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.errors import ConfigError, RunError

if TYPE_CHECKING:
    from experiments.status import CellStatus, Overview, RunStatus

USAGE = """crl status [DIR ...] [--json]

Says what of the sweeps, reproductions and single runs under the folders (default: outputs) is complete, running, failed,
interrupted or waiting, and how long the rest will take. Reads only, and may be called while runs are in progress. What
is complete is counted; every other run has a line. The exit code is 1 if a run failed or a file is damaged, else 0.

  complete      result.json is there
  running       a process holds the run's folder
  failed        its training or evaluation ended with an error; the same command tries it again
  interrupted   it was killed or stopped; the same command goes on from its checkpoint
  waiting       a sweep or reproduction names it, and it has not begun

  --json        the same for programs: counts, seconds_left, runs

Examples
  crl status
  crl status outputs/sweeps/0a1b2c3d
  watch crl status outputs more_outputs
"""

_MOST_WAITING = 8  # settings with a line of their own


def run(arguments: list[str]) -> None:
    """Print the state of the runs under the folders among the arguments. Raises RunError if one of
    them failed."""
    places = [argument for argument in arguments if argument != "--json"]
    for argument in places:
        if argument.startswith("-"):
            raise ConfigError(f"{argument}: no such option; crl status takes folders and --json")

    from experiments.config.paths import expanded
    from experiments.status import counts, overview

    found = overview([expanded(place) for place in places or ["outputs"]])
    print(_as_json(found) if "--json" in arguments else _as_text(found))
    failed = counts(found.runs).get("failed", 0)
    if failed:
        raise RunError(
            f"{failed} of {len(found.runs)} runs failed; the same command starts them again"
        )
    if found.damaged:
        raise RunError(f"{len(found.damaged)} manifest(s) cannot be read")


def help_text() -> str:
    """What can be typed behind ``crl status``."""
    return USAGE


def _as_text(found: "Overview") -> str:
    from experiments.status import counts

    lines = [f"damaged: {line}" for line in found.damaged]
    for title, cells in found.studies().items():
        runs = [run for cell in cells for run in cell.runs]
        lines += [f"{title}: {_counted(counts(runs), len(runs))}", *_details(cells), ""]
    return "\n".join([*lines, _counted(counts(found.runs), len(found.runs)) + _time_left(found)])


def _counted(counts: dict[str, int], total: int) -> str:
    return ", ".join(
        f"{n} of {total} {state}" if state == "complete" else f"{n} {state}"
        for state, n in counts.items()
    )


def _time_left(found: "Overview") -> str:
    from experiments.runtime.time_left import duration

    seconds = found.seconds_left()
    if not seconds:
        return ""
    if any(run.state == "running" for run in found.runs):
        return f"; about {duration(seconds)} left"
    return f"; nothing is running, the rest would take about {duration(seconds)}, one run at a time"


def _details(cells: Sequence["CellStatus"]) -> list[str]:
    """A line a run that is not complete, those of a cell of which the same is to be said in one."""
    rows: dict[tuple[str, str, str], list[RunStatus]] = {}
    for cell in cells:
        for run in cell.runs:
            if run.state != "complete":
                rows.setdefault((run.state, cell.title, run.note), []).append(run)
    waiting = [row for row in rows if row[0] == "waiting"]
    table = [
        (state, title, " ".join(run.path.name for run in runs), note)
        for (state, title, note), runs in rows.items()
        if state != "waiting" or len(waiting) <= _MOST_WAITING
    ]
    if len(waiting) > _MOST_WAITING:
        table.append(
            (
                "waiting",
                f"{len(waiting)} settings",
                f"{sum(len(rows[row]) for row in waiting)} runs",
                "",
            )
        )
    order = ("running", "failed", "interrupted", "waiting")
    table.sort(key=lambda row: order.index(row[0]))
    widths = [max((len(row[column]) for row in table), default=0) for column in range(3)]
    return ["  " + "   ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in table]


def _as_json(found: "Overview") -> str:
    from experiments.status import counts

    runs = [
        {
            "study": cell.study,
            "setting": cell.title,
            "path": str(run.path),
            "state": run.state,
            "share": round(run.share, 4),
        }
        | ({"note": run.note} if run.note else {})
        for cell in found.cells
        for run in cell.runs
    ]
    head = {
        "total": len(found.runs),
        "counts": counts(found.runs),
        "seconds_left": found.seconds_left(),
    }
    return json.dumps({**head, "damaged": found.damaged, "runs": runs}, indent=2)
