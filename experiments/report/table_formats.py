"""Tables as data, written as Markdown, CSV and LaTeX; the page shows them as HTML."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crl.experiments.report.configurations import short
from crl.experiments.report.paper_numbers import TABLE_2_METRICS
from crl.experiments.statistics import Summary, summarise
from crl.experiments.storage.results import Run


class Measure(NamedTuple):
    """Our number: mean and standard deviation over seeds, in the unit of its column."""

    summary: Summary
    digits: int = 1

    def __str__(self) -> str:
        mean, std, n = self.summary
        spread = "" if std is None else f" ± {std:.{self.digits}f}"
        return f"{mean:.{self.digits}f}{spread} ({n})"


Value = str | float | Measure | None  # a float is the paper's number, as printed


@dataclass(frozen=True)
class Row:
    """A row of a table.

    ``sources``: names of the configurations whose runs it comes from; none for the paper's rows.
    """

    cells: tuple[Value, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the report.

    - ``slug`` names its files; ``note`` says what its numbers are
    - ``below``: a line under it
    - ``command``: what gives all of its runs again, where one command does
    """

    slug: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    below: str = ""
    command: str = ""


def present(*tables: Table | None) -> tuple[Table, ...]:
    """Return the tables that are not None."""
    return tuple(table for table in tables if table is not None)


def measure(values: Iterable[float | None], scale: float = 100, digits: int = 1) -> Measure | None:
    """Summarise the values that are not None, times the scale; return None if there are none."""
    known = [scale * value for value in values if value is not None]
    return Measure(summarise(known), digits) if known else None


def accuracy(runs: Sequence[Run], metric: str) -> Measure | None:
    """Summarise an accuracy of several seeds, in %."""
    return measure(run.metrics.get(metric) for run in runs)


def table_2_metric(dataset: str) -> tuple[str, str]:
    """Return (metric, its title): what Table 2 compares on a data set."""
    metric = TABLE_2_METRICS.get(dataset, "test.mean.avg2")
    return metric, "AVG-2 of TR" if "linear" in metric else "AVG-2 of μ"


def text(value: Value) -> str:
    """Return a cell as people read it."""
    return "–" if value is None else str(value)


def markdown(table: Table) -> str:
    """Return title, note, table and the line below it in Markdown.

    The last column names the runs by their hashes.
    """
    lines = [
        [*table.columns, "runs"],
        ["---"] * (len(table.columns) + 1),
        *([*map(text, row.cells), " ".join(map(short, row.sources))] for row in table.rows),
    ]
    body = "\n".join("| " + " | ".join(map(_markdown_cell, line)) + " |" for line in lines)
    below = f"\n{_markdown_cell(table.below)}\n" if table.below else ""
    command = f"\nAgain: `{table.command}`\n" if table.command else ""
    return f"**{table.title}.** {table.note}\n\n{body}\n{below}{command}"


def csv_text(table: Table) -> str:
    """Return the table as CSV, in full precision.

    A measured column becomes three: mean, std and n. The last column names the configurations.
    """
    measured = [
        any(isinstance(row.cells[i], Measure) for row in table.rows)
        for i in range(len(table.columns))
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head: list[str] = []
    for column, split in zip(table.columns, measured, strict=True):
        head += [f"{column} {part}" for part in ("mean", "std", "n")] if split else [column]
    writer.writerow([*head, "runs"])
    for row in table.rows:
        line: list[object] = []
        for cell, split in zip(row.cells, measured, strict=True):
            if isinstance(cell, Measure):
                line += cell.summary
            else:
                line += [cell, None, None] if split else [cell]
        writer.writerow([*line, " ".join(row.sources)])
    return out.getvalue()


def latex(table: Table) -> str:
    """Return a booktabs tabular; a comment behind each row names its configurations."""
    lines = [
        f"% {_one_line(table.title)}. {_one_line(table.note)}",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(latex_escape, table.columns)) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        cells = " & ".join(latex_escape(text(cell)) for cell in row.cells)
        lines.append(rf"{cells} \\ % {_one_line(' '.join(row.sources))}".rstrip(" %"))
    below = [f"% {_one_line(table.below)}"] if table.below else []
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *below]) + "\n"


_LATEX = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "μ": r"$\mu$",
    "τ": r"$\tau$",
    "β": r"$\beta$",
}


def latex_escape(plain: str) -> str:
    """Return plain text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in _one_line(plain))


def slug(plain: str) -> str:
    """Return a title as a file name of small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _markdown_cell(plain: str) -> str:
    return _one_line(re.sub(r"([\\|`*_<>\[\]])", r"\\\1", plain))


def _one_line(plain: str) -> str:
    return " ".join(plain.split())
