"""The report put together, then written as a page (HTML) and as Markdown."""

import re
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.drawing import Figure
from experiments.report.ablations import observations
from experiments.report.claims import JudgedClaim, claims_table, judge_claims, verdict_counts
from experiments.report.configurations import short
from experiments.report.figures import figures, imbalance
from experiments.report.load_runs import DatasetStudies, ReportData
from experiments.report.protocol import protocol, setup_line
from experiments.report.table_formats import Table, markdown, slug, text
from experiments.report.tables import (
    labels_table,
    other_runs,
    study_table,
    study_tables,
    table_1,
    table_2,
)
from experiments.report.theory_tables import theory_bounds, theory_quantities, warnings_table
from experiments.report.verdicts import RULE

TITLE = "Contrastive unsupervised representation learning: the paper's claims, measured again"
ABOUT = (
    "Arora et al. (ICML 2019) learn an encoder f without labels: f(x) must have a larger inner "
    "product with another point of the same latent class than with k points drawn at random, and "
    "the paper proves that such features serve to tell the classes apart. Here encoders are "
    "trained again, with and without labels. Features are scored by the mean classifier (μ: the "
    "mean of each class's training features; μ-5: of five labelled points) and by a trained linear "
    "classifier (TR), on AVG-k (average accuracy over all tasks of k classes) and TOP-R (true "
    "class among the R best)."
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
    """All that is written."""

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
        Section("warnings", "Warnings", _present(warnings_table(report_data))),
        *map(_dataset_section, report_data.datasets),
        _sweeps_section(report_data),
        Section(
            "theory",
            "Theory",
            folded=(theory_quantities(report_data), theory_bounds(report_data)),
        ),
        Section("other", "Other runs", tuple(other_runs(report_data))),
    ]
    judged = judge_claims(report_data.datasets)
    return Report(report_data, judged, [section for section in sections if section])


def _dataset_section(studies: DatasetStudies) -> Section:
    return Section(
        f"on-{slug(studies.label)}",
        f"Results on {studies.label}",
        _present(table_1(studies), table_2(studies), labels_table(studies)),
        tuple(figures(studies)),
        tuple(study_tables(studies)),
        observations(studies),
    )


def _sweeps_section(report_data: ReportData) -> Section:
    tables, drawings = [], []
    for number, (title, cells) in enumerate(report_data.sweeps, 1):
        name, note = f"{number}-{slug(title)}", "One row per combination of options."
        tables.append(study_table(f"sweep-{name}", f"Sweep: {title}", note, cells))
        drawings.append(imbalance(f"imbalance-{name}", f"Imbalanced classes: {title}", cells))
    shown = tuple(figure for figure in drawings if figure is not None)
    return Section("sweeps", "Sweeps", _present(*tables), shown)


def _present(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)


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
        loader=PackageLoader("experiments.report", "."),
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
    if report.data.notes:
        parts.append("## Missing\n\n" + "\n".join(f"- `{note}`" for note in report.data.notes))
    parts.append("## Claims\n\n" + markdown(claims_table(report.claims)))
    parts.append(
        "\n".join(
            f"- {claim.number}: {claim.statement}. Paper: {claim.paper}."
            for claim, _ in report.claims
        )
    )
    for section in report.sections:
        parts.append(f"## {section.title}")
        parts += [markdown(table) for table in section.tables]
        parts += [f"![{_link_text(f.title)}](figures/{f.slug}.svg)" for f in section.figures]
        parts.append("\n".join(f"- {sentence}" for sentence in section.sentences))
        parts += [markdown(table) for table in section.folded]
    parts.append("## Protocol")
    for block in protocol(report.data):
        commands = "\n".join(
            f"    {run['command']}   # data {run['fingerprint']}" for run in block["runs"]
        )
        parts.append(f"`{block['name']}` ({block['title']}):\n\n{commands}")
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _link_text(title: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", title)
