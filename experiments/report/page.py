"""The report put together, then written as a page (HTML) and as Markdown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from crl.experiments.drawing import Figure
from crl.experiments.report.accuracy_claims import ablations
from crl.experiments.report.claims import JudgedClaim, claims_table, judge_claims, verdict_counts
from crl.experiments.report.configurations import short
from crl.experiments.report.figures import figures, imbalance
from crl.experiments.report.load_runs import DatasetStudies, ReportData
from crl.experiments.report.protocol import protocol, setup_line
from crl.experiments.report.table_formats import Table, markdown, present, slug, text
from crl.experiments.report.tables import (
    labels_table,
    other_runs,
    study_table,
    study_tables,
    table_1,
    table_2,
)
from crl.experiments.report.theory_tables import theory_bounds, theory_quantities, warnings_table
from crl.experiments.report.verdicts import RULE

TITLE = "Contrastive unsupervised representation learning: the paper's claims, measured again"
ABOUT = (
    "Arora et al. (ICML 2019) learn an encoder f without labels: f(x) must have a larger inner "
    "product with another point of the same latent class than with k points drawn at random. The "
    "paper proves that such features can tell the classes apart. This report trains encoders "
    "again, with and without labels, and scores their features by two classifiers. The mean "
    "classifier (μ) takes the mean of each class's training features (μ-5: of five labelled "
    "points); the linear classifier (TR) is trained. AVG-k is the average accuracy over all tasks "
    "of k classes. TOP-R is the share of points whose true class is among the R best."
)


@dataclass(frozen=True)
class Section:
    """A section of the page: tables, figures, and sentences on them.

    The page shows ``folded`` tables when the reader opens them.
    """

    slug: str
    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    folded: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables or self.figures or self.folded)


@dataclass(frozen=True)
class Report:
    """The whole content of a report."""

    data: ReportData
    claims: list[JudgedClaim]
    sections: list[Section]

    @property
    def tables(self) -> list[Table]:
        in_sections = (t for section in self.sections for t in (*section.tables, *section.folded))
        return [claims_table(self.claims), *in_sections]

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]


def compose_report(report_data: ReportData) -> Report:
    """Judge every claim, fill every table, draw every figure."""
    sections = [
        Section("warnings", "Warnings", present(warnings_table(report_data))),
        *map(_dataset_section, report_data.datasets),
        _sweeps_section(report_data),
        Section(
            "theory",
            "Theory",
            folded=(theory_quantities(report_data), theory_bounds(report_data)),
        ),
        Section("other", "Other runs", other_runs(report_data)),
    ]
    judged = judge_claims(report_data.datasets)
    return Report(report_data, judged, [section for section in sections if section])


def _dataset_section(studies: DatasetStudies) -> Section:
    return Section(
        f"on-{slug(studies.label)}",
        f"Results on {studies.label}",
        present(table_1(studies), table_2(studies), labels_table(studies)),
        tuple(figures(studies)),
        study_tables(studies),
        tuple(ablations(studies)),
    )


def _sweeps_section(report_data: ReportData) -> Section:
    tables, drawings = [], []
    for number, (title, cells) in enumerate(report_data.sweeps, 1):
        # A title names every swept value, a file's name has at most 255 bytes.
        name, note = f"{number}-{slug(title)[:100]}", "One row per combination of options."
        tables.append(study_table(f"sweep-{name}", f"Sweep: {title}", note, cells))
        drawings.append(imbalance(f"imbalance-{name}", f"Imbalanced classes: {title}", cells))
    shown = tuple(figure for figure in drawings if figure is not None)
    return Section("sweeps", "Sweeps", present(*tables), shown)


def with_warnings(report_data: ReportData) -> set[str]:
    """Return the names of the configurations with a run that has a warning."""
    return {
        name
        for name, group in report_data.configurations.items()
        if any(run.warnings for run in group.runs)
    }


def html(report: Report) -> str:
    """Return the page: one file that needs no other."""
    jinja = Environment(
        loader=PackageLoader("crl.experiments.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"text": text, "short": short, "chip": slug}
    names = report.data.configurations
    return jinja.get_template("page.html.j2").render(
        title=TITLE,
        about=ABOUT,
        rule=RULE,
        setup=setup_line(report.data),
        missing=[*report.data.damaged, *report.data.notes],
        counts=verdict_counts(report.claims),
        report=report,
        labels=[studies.label for studies in report.data.datasets],
        anchors={name: f"run-{number}" for number, name in enumerate(names, 1)},
        warned=with_warnings(report.data),
        protocol=protocol(report.data),
    )


def markdown_report(report: Report) -> str:
    """Return the report in Markdown: claims, tables, links to figures, commands."""
    parts = [f"# {TITLE}", ABOUT, setup_line(report.data) + "."]
    if missing := [*report.data.damaged, *report.data.notes]:
        parts += ["## Missing", _bullets(f"`{note}`" for note in missing)]
    parts += [
        "## Claims",
        markdown(claims_table(report.claims)),
        _bullets(f"{c.number}: {c.statement}. Paper: {c.paper}." for c, _ in report.claims),
    ]
    for section in report.sections:
        parts += [
            f"## {section.title}",
            *map(markdown, section.tables),
            *(f"![{_link_text(f.title)}](figures/{f.slug}.svg)" for f in section.figures),
            _bullets(section.sentences),
            *map(markdown, section.folded),
        ]
    parts.append("## Protocol")
    for block in protocol(report.data):
        commands = "\n".join(
            f"    {run['command']}   # data {run['fingerprint']}" for run in block["runs"]
        )
        parts.append(f"`{block['name']}` ({block['title']}):\n\n{commands}")
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _link_text(title: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", title)
