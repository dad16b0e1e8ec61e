"""The report put together, then written as a page (HTML) and as Markdown."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from crl.experiments.drawing import Figure
from crl.experiments.report.accuracy_claims import ablations
from crl.experiments.report.claims import JudgedClaim, claims_table, judge_claims, untested
from crl.experiments.report.commands import TrainCommand, train_commands
from crl.experiments.report.configurations import configuration_names, short
from crl.experiments.report.figures import figures, imbalance
from crl.experiments.report.forest import Forest, forest
from crl.experiments.report.opening import (
    ABOUT,
    NO_VERDICT,
    TITLE,
    WORDS,
    caution,
    counted,
    measured,
    verdict_words,
)
from crl.experiments.report.protocol import commands_table, protocol, setup_line
from crl.experiments.report.report_data import DatasetStudies, ReportData
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


class Shown(NamedTuple):
    """A figure with the commands that do its runs again."""

    figure: Figure
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A section of the page: tables, figures, and sentences on them.

    The page shows ``folded`` tables when the reader opens them. ``note``: a line under the title.
    """

    slug: str
    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Shown, ...] = ()
    folded: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.tables or self.figures or self.folded)


@dataclass(frozen=True)
class Report:
    """The whole content of a report.

    ``sections`` stand before the claims' details, ``appendix`` behind them. ``commands``: what
    does the runs of a configuration again, by its name.
    """

    data: ReportData
    claims: list[JudgedClaim]
    forest: Forest | None
    sections: list[Section]
    appendix: list[Section]
    commands: dict[str, TrainCommand]

    @property
    def tables(self) -> list[Table]:
        every = (*self.sections, *self.appendix)
        in_sections = (table for section in every for table in (*section.tables, *section.folded))
        return [claims_table(self.claims), *in_sections, commands_table(self.data, self.commands)]

    @property
    def figures(self) -> list[Figure]:
        first = [self.forest.wide] if self.forest else []
        return first + [shown.figure for section in self.sections for shown in section.figures]


def compose_report(report_data: ReportData) -> Report:
    """Judge every claim, fill every table, draw every figure."""
    commands = train_commands(report_data.configurations)
    judged = judge_claims(report_data.datasets)
    sections = [
        *(_dataset_section(studies, commands) for studies in report_data.datasets),
        _sweeps_section(report_data),
        Section("other", "Other runs", other_runs(report_data)),
    ]
    appendix = [
        Section("warnings", "Warnings", present(warnings_table(report_data))),
        Section(
            "theory",
            "Theory",
            folded=(theory_quantities(report_data), theory_bounds(report_data)),
        ),
    ]
    return Report(
        report_data,
        judged,
        forest(judged),
        [section for section in sections if section],
        [section for section in appendix if section],
        commands,
    )


def _dataset_section(studies: DatasetStudies, commands: Mapping[str, TrainCommand]) -> Section:
    return Section(
        f"on-{slug(studies.label)}",
        f"Results on {studies.label}",
        present(table_1(studies), table_2(studies), labels_table(studies)),
        tuple(
            Shown(figure, _commands(studies, names, commands)) for figure, names in figures(studies)
        ),
        study_tables(studies),
        tuple(ablations(studies)),
    )


def _commands(
    studies: DatasetStudies, names: Sequence[str], commands: Mapping[str, TrainCommand]
) -> tuple[str, ...]:
    """Return the command of the studies, and those of runs that no manifest names."""
    loose = configuration_names(
        run
        for name in names
        if name not in studies.commands
        for cell in studies.cells.get(name, ())
        for run in cell.runs
    )
    again = studies.again(*names)
    return (*([again] if again else []), *(str(commands[name]) for name in loose))


def _sweeps_section(report_data: ReportData) -> Section:
    tables, drawings = [], []
    for number, (title, cells, recorded) in enumerate(report_data.sweeps, 1):
        # A title names every swept value, a file's name has at most 255 bytes.
        name, note = f"{number}-{slug(title)[:100]}", "One row per combination of options."
        again = shlex.join(recorded)
        heading = title[:1].upper() + title[1:]
        tables.append(study_table(f"sweep-{name}", heading, note, cells, command=again))
        if figure := imbalance(f"imbalance-{name}", f"Imbalanced classes: {title}", cells):
            drawings.append(Shown(figure, (again,)))
    return Section("sweeps", "Sweeps", present(*tables), tuple(drawings), note=NO_VERDICT)


def with_warnings(report_data: ReportData) -> set[str]:
    """Return the names of the configurations with a run that has a warning."""
    return {
        name
        for name, group in report_data.configurations.items()
        if any(run.warnings for run in group.runs)
    }


def _every_command(report: Report) -> list[str]:
    """Return the commands behind the picture of all claims."""
    data = report.data
    recorded = [
        *(command for studies in data.datasets for command in studies.commands.values()),
        *(sweep.command for sweep in data.sweeps),
    ]
    loose = configuration_names(run for group in data.other_runs for run in group.runs)
    return [*dict.fromkeys(map(shlex.join, recorded)), *(str(report.commands[n]) for n in loose)]


def _names_in(table: Table) -> list[str]:
    """Return the configurations of a table's rows, each once."""
    return list(dict.fromkeys(name for row in table.rows for name in row.sources))


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
        measured=measured(report.data),
        caution=caution(report.data),
        words=WORDS,
        rule=RULE,
        setup=setup_line(report.data),
        missing=[*report.data.damaged, *report.data.notes],
        counts=verdict_words(report.claims),
        untested=untested(report.claims),
        counted=counted(report.claims),
        report=report,
        every_command=_every_command(report),
        names_in=_names_in,
        anchors={name: f"run-{number}" for number, name in enumerate(names, 1)},
        warned=with_warnings(report.data),
        protocol=protocol(report.data, report.commands),
    )


def markdown_report(report: Report) -> str:
    """Return the report in Markdown: picture, tables, links to figures, claims, commands."""
    counts = "; ".join(verdict_words(report.claims).values())
    parts = [
        f"# {TITLE}",
        ABOUT,
        measured(report.data),
        f"{counted(report.claims)} {counts}.",
        caution(report.data),
    ]
    if missing := [*report.data.damaged, *report.data.notes]:
        parts += ["## Missing", _bullets(f"`{note}`" for note in missing)]
    if report.forest:
        parts.append(_image(report.forest.wide))
    parts.append(_bullets(f"Not tested: {line}" for line in untested(report.claims)))
    parts += _in_markdown(report.sections)
    parts += [
        "## Claims",
        markdown(claims_table(report.claims)),
        _bullets(f"{c.number}: {c.statement}. Paper: {c.paper}." for c, _ in report.claims),
        *_in_markdown(report.appendix),
        "## Protocol",
        WORDS,
        setup_line(report.data) + ".",
    ]
    for block in protocol(report.data, report.commands):
        commands = "\n".join(
            f"    {run['command']}   # data {run['fingerprint']}" for run in block["runs"]
        )
        parts.append(
            f"`{block['name']}` ({block['title']}):\n\n    {block['command']}\n\n"
            f"It was made by:\n\n{commands}"
        )
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _in_markdown(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        yield f"## {section.title}"
        yield section.note
        yield from map(markdown, section.tables)
        for figure, commands in section.figures:
            yield _image(figure)
            yield "Again: " * bool(commands) + "; ".join(f"`{command}`" for command in commands)
        yield _bullets(section.sentences)
        yield from map(markdown, section.folded)


def _image(figure: Figure) -> str:
    return f"![{_link_text(figure.title)}](figures/{figure.slug}.svg)"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _link_text(title: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", title)
