"""``crl status``: the state of all runs under some folders."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crl.cli.arguments import Option, parse
from crl.cli.console import aligned, printable
from crl.experiments.errors import RunError
from crl.experiments.runtime.time_left import duration
from crl.experiments.status import STATES, CellStatus, Overview, RunStatus, counts, overview

USAGE = """crl status [DIR ...] [--json]

Lists the state of all sweeps, reproductions and single runs under the folders (default: outputs),
and estimates the time left. Complete runs are counted; every other run has a line. The command only
reads, so it can be used while runs are in progress. The exit code is 1 if a run failed or a file is
damaged, else 0.

  complete      result.json is there
  running       a process is working on the run
  failed        training or evaluation ended with an error; the command named tries again
  interrupted   it was killed or stopped; the command named continues from its checkpoint
  waiting       a sweep or reproduction contains it, but it has not started

  --json        the same as JSON: counts, seconds_left, runs

Examples
  crl status
  crl status outputs/sweeps/0a1b2c3d
  watch crl status outputs more_outputs
"""

_JSON = Option("--json", False)
_MOST_WAITING = 8  # this many waiting settings have a line of their own
_MOST_COMMANDS = 3  # the last line names this many


def run(arguments: list[str]) -> None:
    """Print the state of the runs. Raises RunError if one failed or a manifest is damaged."""
    parsed = parse("status", arguments, (_JSON,))
    summary = overview(parsed.folders or [Path("outputs")])
    print(_as_json(summary) if parsed[_JSON] else _as_text(summary))
    failed = counts(summary.runs).get("failed", 0)
    if failed:
        raise RunError(f"{failed} of {len(summary.runs)} runs failed; {_again(summary)}")
    if summary.damaged:
        raise RunError(f"{len(summary.damaged)} manifest(s) cannot be read")


def _again(summary: Overview) -> str:
    """Say which commands start the failed runs again."""
    commands = list(dict.fromkeys(c for cell in summary.cells for c in cell.commands("failed")))
    more = f"; and {len(commands) - _MOST_COMMANDS} more" if len(commands) > _MOST_COMMANDS else ""
    if not commands:
        return "the same command starts them again"
    return f"to start again: {'; '.join(commands[:_MOST_COMMANDS])}{more}"


def _as_text(summary: Overview) -> str:
    lines = [f"damaged: {line}" for line in summary.damaged]
    total = _counted(summary.runs) + _time_left(summary)
    studies = summary.studies()
    for title, cells in studies.items():
        counted = _counted([run for cell in cells for run in cell.runs])
        lines.append(f"{title}: {counted if len(studies) > 1 else total}")
        if rows := _details(cells):
            lines.append(aligned(rows, range(4), "   "))
        again = dict.fromkeys(c for cell in cells for c in cell.commands("failed", "interrupted"))
        lines += [f"  again: {printable(command)}" for command in again]
        lines.append("")
    return "\n".join([*lines, total] if len(studies) != 1 else lines[:-1])


def _counted(runs: Sequence[RunStatus]) -> str:
    return ", ".join(
        f"{n} of {len(runs)} {state}" if state == "complete" else f"{n} {state}"
        for state, n in counts(runs).items()
    )


def _time_left(summary: Overview) -> str:
    seconds = summary.seconds_left()
    if not seconds:
        return ""
    if any(run.state == "running" for run in summary.runs):
        return f"; about {duration(seconds)} left"
    return f"; nothing is running, the rest would take about {duration(seconds)}, one run at a time"


def _details(cells: Sequence[CellStatus]) -> list[tuple[str, str, str, str]]:
    """Return rows (state, setting, seeds, note) of the runs that are not complete.

    Runs of one setting with the same state and note share a row. If many settings are waiting, they
    all share one.
    """
    groups: dict[tuple[str, str, str], list[RunStatus]] = {}
    for cell in cells:
        for run in cell.runs:
            if run.state != "complete":
                groups.setdefault((run.state, cell.title, run.note), []).append(run)
    waiting = [runs for (state, _, _), runs in groups.items() if state == "waiting"]
    rows = [
        (f"  {state}", title, " ".join(run.path.name for run in runs), note)
        for (state, title, note), runs in sorted(
            groups.items(), key=lambda group: STATES.index(group[0][0])
        )
        if state != "waiting" or len(waiting) <= _MOST_WAITING
    ]
    if len(waiting) > _MOST_WAITING:
        rows.append(("  waiting", f"{len(waiting)} settings", f"{sum(map(len, waiting))} runs", ""))
    return rows


def _command(cell: CellStatus, run: RunStatus) -> dict[str, str]:
    """Return the command that starts a failed or interrupted run again, if it is known."""
    commands = replace(cell, runs=(run,)).commands("failed", "interrupted")
    return {"command": commands[0]} if commands else {}


def _as_json(summary: Overview) -> str:
    plain = {
        "total": len(summary.runs),
        "counts": counts(summary.runs),
        "seconds_left": summary.seconds_left(),
        "damaged": summary.damaged,
        "runs": [
            {
                "study": cell.study,
                "setting": cell.title,
                "path": str(run.path),
                "state": run.state,
                "share": round(run.share, 4),
            }
            | ({"note": run.note} if run.note else {})
            | _command(cell, run)
            for cell in summary.cells
            for run in cell.runs
        ],
    }
    return json.dumps(plain, indent=2)
