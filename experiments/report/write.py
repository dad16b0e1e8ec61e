"""The report on finished runs: a page, Markdown, tables and figures. It reads run folders; it
trains nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.files.atomic import atomic_write
from experiments.errors import ConfigError
from experiments.report.load_runs import collect
from experiments.report.page import (
    compose_report,
    html,
    markdown_report,
    setup_line,
    summary_lines,
    verdict_counts,
    warned,
)
from experiments.report.table_formats import csv_text, latex, markdown

_CONTENTS = (
    ".contents"  # the files of the last report here, of which those not made again are removed
)
_OURS = re.compile(r"(tables/[a-z0-9-]+\.(md|csv|tex)|figures/[a-z0-9-]+\.svg)")


@dataclass(frozen=True)
class ReportSummary:
    """``counts``: verdict -> how often; ``lines``: one a claim and data set; ``missing``: what the
    page says is missing; ``warned``: how many configurations have a run with a warning."""

    page: Path
    setup: str
    counts: dict[str, int]
    lines: tuple[str, ...]
    missing: tuple[str, ...]
    warned: int


def write_report(folders: Sequence[Path], out: Path) -> ReportSummary:
    """Report on all runs under the folders: ``index.html``, ``report.md``, ``tables/`` and
    ``figures/`` in ``out``.

    The same run folders give the same bytes. Nothing is written unless all of it can be made.
    Raises ConfigError for a folder that is none or holds no finished run, a damaged run or
    manifest, or a place that cannot be written.
    """
    report = compose_report(collect(folders))
    files = {"index.html": html(report), "report.md": markdown_report(report)}
    for table in report.tables:
        files[f"tables/{table.slug}.md"] = markdown(table)
        files[f"tables/{table.slug}.csv"] = csv_text(table)
        files[f"tables/{table.slug}.tex"] = latex(table)
    files |= {f"figures/{figure.slug}.svg": figure.standalone() for figure in report.figures}
    try:
        _write(out, files)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written ({error.strerror}); choose another folder with out=PATH"
        ) from error
    return ReportSummary(
        out / "index.html",
        setup_line(report.material),
        verdict_counts(report),
        tuple(summary_lines(report.findings)),
        tuple(report.material.notes),
        len(warned(report.material)),
    )


def _write(out: Path, files: dict[str, str]) -> None:
    contents = out / _CONTENTS
    before = contents.read_text().splitlines() if contents.exists() else []
    for name, text in (files | {_CONTENTS: "".join(f"{name}\n" for name in files)}).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out / name) as stream:
            stream.write(text.encode(errors="backslashreplace"))  # file names may be no text
    for name in before:
        if name not in files and _OURS.fullmatch(name):
            (out / name).unlink(missing_ok=True)
