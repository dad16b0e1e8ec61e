"""``crl report``: the page, tables and figures of finished runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli.console import printable
from experiments.errors import ConfigError

if TYPE_CHECKING:
    from experiments.report.write import ReportSummary

USAGE = """crl report [DIR ...] [out=PATH]

Reads all finished runs under the folders (default: outputs) and writes a page that says which of the paper's claims they
confirm, with tables (Markdown, CSV, LaTeX) and figures (SVG). Nothing is trained; the same runs give the same files.
Prints the page's path and a line for each claim.

  out=PATH   where it is written (default: report/ in the first folder): index.html, report.md, tables/, figures/

Examples
  crl report
  crl report outputs more_outputs out=paper_check
"""


def run(arguments: list[str]) -> None:
    """Report on the folders among the arguments."""
    out = [argument for argument in arguments if argument.startswith("out=")]
    places = [argument for argument in arguments if argument not in out]
    for argument in places:
        if argument.startswith("-") or ("=" in argument and not Path(argument).exists()):
            raise ConfigError(f"{argument}: no such option; crl report takes folders and out=PATH")
    if len(out) > 1 or "out=" in out:
        raise ConfigError(f"{out[-1]}: crl report writes to one folder; give out=PATH once")

    from experiments.config.paths import expanded
    from experiments.report.write import write_report

    folders = [expanded(place) for place in places or ["outputs"]]
    target = expanded(out[0].removeprefix("out=")) if out else folders[0] / "report"
    show(write_report(folders, target))


def show(found: "ReportSummary") -> None:
    """Where the page is and what it finds, a line a claim."""
    print(f"{printable(str(found.page))}\n\n{found.setup}")
    if found.missing:
        print(f"missing or counted once: {len(found.missing)} (the page lists them)")
    if found.warned:
        print(f"configurations with warnings: {found.warned} (the page lists them)")
    print(
        "\n"
        + "\n".join(found.lines)
        + "\n\n"
        + ", ".join(f"{n} {verdict}" for verdict, n in found.counts.items())
    )


def help_text() -> str:
    """What can be typed behind ``crl report``."""
    return USAGE
