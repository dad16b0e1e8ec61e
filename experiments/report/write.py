"""Write the report on finished runs: a page, Markdown, tables and figures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crl.data.files.atomic import atomic_write
from crl.experiments.errors import ConfigError
from crl.experiments.report.claims import summary_lines, verdict_counts
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.page import compose_report, html, markdown_report, with_warnings
from crl.experiments.report.protocol import setup_line
from crl.experiments.report.table_formats import csv_text, latex, markdown

_TABLE_FORMATS = {"md": markdown, "csv": csv_text, "tex": latex}
# This file lists the files of the last report. Those that the next report lacks are deleted, if
# their names are a report's.
_CONTENTS = ".contents"
_OWN_FILE = re.compile(r"(tables/[a-z0-9-]+\.(md|csv|tex)|figures/[a-z0-9-]+\.svg)")


@dataclass(frozen=True)
class ReportSummary:
    """The part of a report that the console prints.

    - ``counts``: verdict -> how often
    - ``lines``: one for each claim and data set
    - ``damaged``: a line for each damaged run, which is left out
    - ``missing``: the page's lines on runs that are missing or counted once
    - ``warned``: how many configurations have a run with a warning
    """

    page: Path
    setup: str
    counts: dict[str, int]
    lines: tuple[str, ...]
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    warned: int


def write_report(folders: Sequence[Path], out: Path) -> ReportSummary:
    """Write the report on all runs under the folders to ``out``.

    Files: ``index.html``, ``report.md``, ``tables/``, ``figures/``. The same run folders give the
    same bytes. Nothing is written until everything is made. Raises ConfigError for a path that is
    no folder, no finished run, a damaged manifest, or a folder that cannot be written.
    """
    report = compose_report(load_report_data(folders))
    files = {"index.html": html(report), "report.md": markdown_report(report)}
    files |= {
        f"tables/{table.slug}.{ending}": render(table)
        for table in report.tables
        for ending, render in _TABLE_FORMATS.items()
    }
    files |= {f"figures/{figure.slug}.svg": figure.standalone() for figure in report.figures}
    try:
        _write(out, files)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written ({error.strerror}); choose another folder with out=PATH"
        ) from error
    return ReportSummary(
        out / "index.html",
        setup_line(report.data),
        verdict_counts(report.claims),
        tuple(summary_lines(report.claims)),
        tuple(report.data.damaged),
        tuple(report.data.notes),
        len(with_warnings(report.data)),
    )


def _write(out: Path, files: dict[str, str]) -> None:
    contents = out / _CONTENTS
    before = contents.read_text("utf-8", "replace").splitlines() if contents.exists() else []
    for name, text in (files | {_CONTENTS: "".join(f"{name}\n" for name in files)}).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / name) as stream:
            # A run's path may hold bytes that are no text.
            stream.write(text.encode(errors="backslashreplace"))
    for name in before:
        if name not in files and _OWN_FILE.fullmatch(name):
            (out / name).unlink(missing_ok=True)
