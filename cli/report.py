"""``crl report``: a page, tables and figures of finished runs."""

from collections.abc import Sequence
from pathlib import Path

from crl.cli.arguments import parse, path
from crl.cli.console import printable

USAGE = """crl report [DIR ...] [out=PATH]

Writes a page that says which of the paper's claims finished runs confirm, with tables (Markdown,
CSV, LaTeX) and figures (SVG). Reads all finished runs under the folders (default: outputs) and
trains nothing. The same runs give the same files. Prints the path of the page and one line for each
claim.

  out=PATH   folder for index.html, report.md, tables/ and figures/ (default: report/ in the first
             folder)

Examples
  crl report
  crl report outputs more_outputs out=paper_check
"""

_OUT = path("out", None)


def run(arguments: list[str]) -> None:
    """Report on the runs in the folders that the arguments name."""
    parsed = parse("report", arguments, (_OUT,))
    folders = parsed.folders or [Path("outputs")]
    report(folders, parsed[_OUT] or folders[0] / "report")


def report(folders: Sequence[Path], out: Path) -> None:
    """Write the report to ``out``; print where its page is and a line for each claim."""
    from crl.experiments.report.write import write_report

    summary = write_report(folders, out)
    print(f"{printable(str(summary.page))}\n\n{summary.setup}")
    for line in summary.damaged:
        print(printable(line))
    if summary.missing:
        print(f"missing or counted once: {len(summary.missing)} (the page lists them)")
    if summary.warned:
        print(f"configurations with warnings: {summary.warned} (the page lists them)")
    counts = ", ".join(f"{n} {verdict}" for verdict, n in summary.counts.items())
    print("", "\n".join(summary.lines), "", counts, sep="\n")
