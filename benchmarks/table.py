"""The results: summaries of repeats, kept in a JSON file row by row, and as a Markdown table for
readers."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import holds, row_of

Results = dict[str, dict[str, Any]]


def summary(name: str, values: Sequence[float]) -> dict[str, Any]:
    """median, min, max and repeats of a row, its unit where it has one, and whether the median
    keeps the row's bound."""
    row = row_of(name)
    found: dict[str, Any] = {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "repeats": len(values),
    }
    if row.unit:
        found["unit"] = row.unit
    if row.bound is not None:
        found |= {"bound": row.bound, "holds": holds(found["median"], row.bound)}
    return found


def line(name: str, found: Mapping[str, Any]) -> str:
    """One row for the console."""
    verdict = (
        ""
        if "bound" not in found
        else f"   {found['bound']:<9} {'holds' if found['holds'] else 'DOES NOT HOLD'}"
    )
    return f"{name:<38} {_value(found)}{verdict}"


def load(path: Path) -> Results:
    """The rows of an earlier run, none where there was none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(results: Results, folder: Path) -> None:
    """``results.json`` and ``results.md`` in the folder."""
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")


def markdown(results: Results) -> str:
    """The table, what it was measured on, and the notes of the benchmarks."""
    lines = [
        "# Speed and memory, measured",
        "",
        "Written by `make bench`; [docs/benchmarks.md](../docs/benchmarks.md)",
    ]
    lines[-1] += " says what is compared. Medians [min, max] of the repeats."
    lines += [
        "",
        "| row | what | median [min, max] | repeats | bound | holds |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        verdict = "" if "bound" not in found else "yes" if found["holds"] else "**no**"
        cells = [
            f"`{name}`",
            row_of(name).meaning,
            _value(found),
            str(found["repeats"]),
            found.get("bound", ""),
            verdict,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for title, key in (("Measured on", "measured_on"), ("How", "note")):
        groups = {name: found.get(key, "") for name, found in results.items() if found.get(key)}
        lines += ["", f"## {title}", ""] if groups else []
        for text in dict.fromkeys(groups.values()):
            modules = dict.fromkeys(
                name.split("/")[0] for name, said in groups.items() if said == text
            )
            lines.append(f"- {', '.join(modules)}: {text}")
    return "\n".join(lines) + "\n"


def _value(found: Mapping[str, Any]) -> str:
    unit = f" {found['unit']}" if "unit" in found else ""
    return f"{_digits(found['median'])} [{_digits(found['min'])}, {_digits(found['max'])}]{unit}"


def _digits(value: float) -> str:
    """Three significant digits, and never an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
