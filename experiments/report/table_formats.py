"""A table as data, written as Markdown, CSV and LaTeX; the page renders the same data as HTML."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from experiments.report.paper_numbers import TABLE_2_METRICS
from experiments.statistics import Summary, summarise
from experiments.storage.results import Run


class Measure(NamedTuple):
    """Ours: mean and standard deviation over seeds, already in the unit of its column."""

    summary: Summary
    digits: int = 1

    def __str__(self) -> str:
        mean, std, n = self.summary
        spread = "" if std is None else f" ± {std:.{self.digits}f}"
        return f"{mean:.{self.digits}f}{spread} ({n})"


Value = str | float | Measure | None  # a float: the paper's, as printed


@dataclass(frozen=True)
class Row:
    """``sources``: names of the configurations whose runs the row comes from; none for a row of the
    paper's."""

    cells: tuple[Value, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """``slug`` names its files; ``note`` says what stands in it."""

    slug: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def measure(values: Iterable[float | None], scale: float = 100, digits: int = 1) -> Measure | None:
    """Of the values that are there, times the scale; None where none is."""
    found = [scale * value for value in values if value is not None]
    return Measure(summarise(found), digits) if found else None


def accuracy(runs: Sequence[Run], metric: str) -> Measure | None:
    """An accuracy of several seeds in %."""
    return measure(run.metrics.get(metric) for run in runs)


def table_2_metric(dataset: str) -> tuple[str, str]:
    """(metric, what it is): what Table 2 compares on a data set."""
    metric = TABLE_2_METRICS.get(dataset, "test.mean.avg2")
    return metric, "AVG-2 of TR" if "linear" in metric else "AVG-2 of μ"


def names(runs: Iterable[Run]) -> tuple[str, ...]:
    """The configurations of some runs, each once."""
    return tuple(dict.fromkeys(run.name for run in runs))


def short(name: str) -> str:
    """The hash at the end of a configuration's name."""
    return name.rpartition("-")[2]


def text(value: Value) -> str:
    """A cell as people read it."""
    return "–" if value is None else str(value)


def markdown(table: Table) -> str:
    """Title, note and the table; the last column names the runs."""
    lines = [[*table.columns, "runs"], ["---"] * (len(table.columns) + 1)]
    lines += [[*map(text, row.cells), " ".join(map(short, row.sources))] for row in table.rows]
    body = "\n".join("| " + " | ".join(map(_markdown_cell, line)) + " |" for line in lines)
    return f"**{table.title}.** {table.note}\n\n{body}\n"


def csv_text(table: Table) -> str:
    """Full precision: a measured column becomes mean, std and n; the last column names the
    configurations."""
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
                line += ["" if part is None else part for part in cell.summary]
            else:
                line += ["" if cell is None else cell, *([""] * 2 if split else [])]
        writer.writerow([*line, " ".join(row.sources)])
    return out.getvalue()


def latex(table: Table) -> str:
    """A booktabs tabular; each row's runs stand behind it as a comment."""
    lines = [
        f"% {_comment(table.title)}. {_comment(table.note)}",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
    ]
    lines += [r"\toprule", " & ".join(map(latex_escape, table.columns)) + r" \\", r"\midrule"]
    for row in table.rows:
        cells = " & ".join(latex_escape(text(cell)) for cell in row.cells)
        lines.append(rf"{cells} \\ % {_comment(' '.join(row.sources))}".rstrip(" %"))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


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
    """Text as LaTeX prints it."""
    return "".join(_LATEX.get(character, character) for character in " ".join(plain.split()))


def slug(plain: str) -> str:
    """A file name for a title: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _markdown_cell(plain: str) -> str:
    return " ".join(re.sub(r"([\\|`*_<>\[\]])", r"\\\1", plain).split())


def _comment(plain: str) -> str:
    return " ".join(plain.split())
