"""The results: a summary of each row's repeats, as a JSON file and as a Markdown table."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import holds, row_of
from benchmarks.timing import Ratios

Results = dict[str, dict[str, Any]]


def summary(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Return median, min, max and number of repeats, the row's unit and its bound, if it has them.

    ``of_shortest`` is the ratio of the shortest times, where the row is a ratio of times. ``holds``
    says whether it, or else the median, keeps the bound.
    """
    row = row_of(name)
    result: dict[str, Any] = {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "repeats": len(values),
    }
    if isinstance(values, Ratios):
        result["of_shortest"] = values.of_shortest
    if row.unit:
        result["unit"] = row.unit
    if row.bound is not None:
        result |= {"bound": row.bound, "holds": holds(measured(result), row.bound)}
    return result


def measured(result: Mapping[str, Any]) -> float:
    """The one number of a row: the ratio of the shortest times, or the median."""
    return float(result.get("of_shortest", result["median"]))


def line(name: str, result: Mapping[str, Any]) -> str:
    """Return one row for the console."""
    verdict = (
        f"   {result['bound']:<9} {'holds' if result['holds'] else 'DOES NOT HOLD'}"
        if "bound" in result
        else ""
    )
    return f"{name:<38} {_value(result)}{verdict}"


def load(path: Path) -> Results:
    """Read the rows of earlier runs; none if the file is missing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(results: Results, folder: Path) -> None:
    """Write ``results.json`` and ``results.md`` into the folder."""
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Results) -> str:
    """Return the table, the machines, and the notes of the benchmarks."""
    lines = [
        "# Speed and memory, measured",
        "",
        "Written by `make bench`; [docs/benchmarks.md](../docs/benchmarks.md)"
        " says what is compared. Medians [min, max] of the repeats; the ratio of two times is that"
        " of the shortest times.",
        "",
        "| row | what | measured [min, max] | repeats | bound | holds |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        verdict = "" if "bound" not in result else "yes" if result["holds"] else "**no**"
        cells = [
            f"`{name}`",
            row_of(name).meaning,
            _value(result),
            str(result["repeats"]),
            result.get("bound", ""),
            verdict,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for title, key in (("Measured on", "measured_on"), ("How", "note")):
        modules: dict[str, dict[str, None]] = {}  # text -> the benchmarks that it is about
        for name, result in results.items():
            if text := result.get(key):
                modules.setdefault(text, {})[name.split("/")[0]] = None
        lines += ["", f"## {title}", ""] if modules else []
        lines += [f"- {', '.join(names)}: {text}" for text, names in modules.items()]
    return "\n".join(lines) + "\n"


def _value(result: Mapping[str, Any]) -> str:
    one, low, high = map(_digits, (measured(result), result["min"], result["max"]))
    return f"{one} [{low}, {high}]" + (f" {result['unit']}" if "unit" in result else "")


def _digits(value: float) -> str:
    """Format three significant digits without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
