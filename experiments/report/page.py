"""The parts of a report put together: what the page, the Markdown file and the summary on the
console say."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.drawing import Figure
from experiments.report.ablations import observations
from experiments.report.claims import CLAIMS
from experiments.report.figures import figures, imbalance
from experiments.report.load_runs import ReportData, SeedGroup, options
from experiments.report.table_formats import Row, Table, markdown, short, slug, text
from experiments.report.tables import (
    STUDIES,
    describe,
    labels_table,
    other_runs,
    seeds_table,
    study_table,
    table_1,
    table_2,
    theory_bounds,
    theory_quantities,
    warnings_table,
)
from experiments.report.verdicts import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, RULE, Claim, Finding

TITLE = "Contrastive unsupervised representation learning: the paper's claims, measured again"
ABOUT = (
    "Arora et al. (ICML 2019) learn an encoder f without labels: f(x) must have a larger inner product with another point "
    "of the same latent class than with k points drawn at random, and the paper proves that such features serve to tell "
    "the classes apart. Here encoders are trained again, with and without labels. Features are scored by the mean "
    "classifier (μ: the mean of each class's training features; μ-5: of five labelled points) and by a trained linear "
    "classifier (TR), on AVG-k (average accuracy over all tasks of k classes) and TOP-R (true class among the R best)."
)
_IMPORTANT = (
    "encoder.name", "objective.name", "objective.loss", "objective.block_size", "objective.negatives",
    "objective.negative_source", "training.steps", "training.batch_size", "optimizer.name", "optimizer.lr",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A part of the page: ``sentences`` on the figures; ``folded`` tables are opened by the
    reader."""

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
    """All that is written, before it is written. ``findings``: each claim with a verdict per
    subject's label."""

    material: ReportData
    findings: list[tuple[Claim, list[tuple[str, Finding]]]]
    sections: list[Section]

    @property
    def tables(self) -> list[Table]:
        return [
            claims_table(self),
            *(t for section in self.sections for t in (*section.tables, *section.folded)),
        ]

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]


def compose_report(material: ReportData) -> Report:
    """Judge every claim, fill every table, draw every figure."""
    subjects = material.subjects
    findings = [
        (claim, [(subject.label, claim.judge(subject)) for subject in subjects]) for claim in CLAIMS
    ]
    sections = [
        Section(
            f"on-{slug(subject.label)}",
            f"Results on {subject.label}",
            _there(table_1(subject), table_2(subject), labels_table(subject)),
            tuple(figures(subject)),
            _there(
                *(
                    study_table(
                        f"{name}-{slug(subject.label)}",
                        f"{_study_title(name)} on {subject.label}",
                        f"{note}.",
                        cells,
                    )
                    for name, note in STUDIES.items()
                    if (cells := subject.studies.get(name))
                )
            ),
            observations(subject),
        )
        for subject in subjects
    ]
    sweeps = [
        study_table(
            f"sweep-{number}-{slug(title)}",
            f"Sweep: {title}",
            "One row a combination of options.",
            cells,
        )
        for number, (title, cells) in enumerate(material.sweeps, 1)
    ]
    imbalances = [
        imbalance(f"imbalance-{number}-{slug(title)}", f"Imbalanced classes: {title}", cells)
        for number, (title, cells) in enumerate(material.sweeps, 1)
    ]
    theory = Section(
        "theory", "Theory", folded=(theory_quantities(material), theory_bounds(material))
    )
    doubts = Section("warnings", "Warnings", _there(warnings_table(material)))
    rest = [
        Section("sweeps", "Sweeps", _there(*sweeps), tuple(f for f in imbalances if f is not None)),
        theory,
    ]
    rest.append(Section("other", "Other runs", tuple(other_runs(material))))
    return Report(
        material, findings, [section for section in (doubts, *sections, *rest) if section]
    )


def claims_table(report: Report) -> Table:
    """One row for each claim and subject."""
    rows = [
        Row(
            (
                claim.number,
                claim.title,
                label,
                found.verdict,
                found.measured,
                "; ".join(found.intervals),
                found.why,
            ),
            found.sources,
        )
        for claim, findings in report.findings
        for label, found in findings
    ]
    columns = ("claim", "what", "data", "verdict", "measured", "95 % interval", "why")
    return Table("claims", "Claims", RULE, columns, tuple(rows))


def verdict_counts(report: Report) -> dict[str, int]:
    """Verdict -> how often, over claims and subjects."""
    counts = Counter(found.verdict for _, findings in report.findings for _, found in findings)
    return {verdict: counts[verdict] for verdict in (CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE)}


def warned(material: ReportData) -> set[str]:
    """The configurations of which a run has a warning."""
    return {
        name
        for name, group in material.configurations.items()
        if any(run.warnings for run in group.runs)
    }


def setup_line(material: ReportData) -> str:
    """Versions, commit and device of the runs, in one line; where they differ, each."""
    about = [
        run.result.get("environment", {})
        for group in material.configurations.values()
        for run in group.runs
    ]
    versions = _each(
        " ".join(f"{p} {v}" for p in ("crl", "torch") if (v := e.get("versions", {}).get(p)))
        for e in about
    )
    commits = _each(_commit(environment) for environment in about)
    devices = _each(str(environment.get("device", "unknown device")) for environment in about)
    runs = sum(len(group.runs) for group in material.configurations.values())
    configurations = len(material.configurations)
    count = f"{runs} run{'s' * (runs > 1)} of {configurations} configuration{'s' * (configurations > 1)}"
    return f"{count}; {versions}; commit {commits}; {devices}"


def html(report: Report) -> str:
    """The page: one file, nothing to fetch."""
    jinja = Environment(
        loader=PackageLoader("experiments.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters |= {"text": text, "short": short, "inline": _inline, "chip": slug}
    anchors = {
        name: f"run-{number}" for number, name in enumerate(report.material.configurations, 1)
    }
    return jinja.get_template("page.html.j2").render(
        title=TITLE,
        about=ABOUT,
        rule=RULE,
        setup=setup_line(report.material),
        counts=verdict_counts(report),
        report=report,
        labels=[subject.label for subject in report.material.subjects],
        anchors=anchors,
        warned=warned(report.material),
        protocol=protocol(report.material),
    )


def markdown_report(report: Report) -> str:
    """The same in Markdown: claims, tables, figures as links, commands."""
    parts = [f"# {TITLE}", ABOUT, setup_line(report.material) + "."]
    if report.material.notes:
        parts.append("## Missing\n\n" + "\n".join(f"- `{note}`" for note in report.material.notes))
    parts.append("## Claims\n\n" + markdown(claims_table(report)))
    parts.append(
        "\n".join(
            f"- {claim.number}: {claim.statement}. Paper: {claim.paper}."
            for claim, _ in report.findings
        )
    )
    for section in report.sections:
        parts.append(f"## {section.title}")
        parts += [markdown(table) for table in section.tables]
        parts += [f"![{_alt(f.title)}](figures/{f.slug}.svg)" for f in section.figures]
        parts.append("\n".join(f"- {sentence}" for sentence in section.sentences))
        parts += [markdown(table) for table in section.folded]
    parts.append("## Protocol")
    for block in protocol(report.material):
        commands = "\n".join(
            f"    {run['command']}   # data {run['fingerprint']}" for run in block["runs"]
        )
        parts.append(f"`{block['name']}` ({block['title']}):\n\n{commands}")
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def protocol(material: ReportData) -> list[dict[str, Any]]:
    """For each configuration what its numbers were made with."""
    return [_block(material, name, group) for name, group in material.configurations.items()]


def _block(material: ReportData, name: str, group: SeedGroup) -> dict[str, Any]:
    first = group.runs[0]
    given = options(first.config)
    data = first.result["dataset"]
    head, rows = seeds_table(group)
    return {
        "name": name,
        "title": describe(first),
        "important": {
            key.rpartition(".")[2] if key.endswith("_source") else key: given[key]
            for key in _IMPORTANT
            if key in given
        },
        "options": " ".join(f"{key}={value}" for key, value in given.items()),
        "data": f"{data['name']}: {data.get('classes')} classes, {data.get('train_points')} training and "
        f"{data.get('test_points')} test points",
        "head": head,
        "rows": rows,
        "runs": [
            {
                "seed": run.seed,
                "folder": material.place(run.path),
                "command": shlex.join(
                    map(str, run.result.get("environment", {}).get("command", ["unknown"]))
                ),
                "seconds": run.result.get("timing", {}).get("train_seconds"),
                "fingerprint": run.result["dataset"].get("fingerprint", "unknown"),
                "commit": _commit(run.result.get("environment", {})),
                "device": run.result.get("environment", {}).get("device"),
                "warnings": [warning["message"] for warning in run.warnings],
                "versions": ", ".join(
                    f"{p} {v}"
                    for p, v in run.result.get("environment", {}).get("versions", {}).items()
                ),
            }
            for run in group.runs
        ],
    }


def _inline(figure: Figure) -> Markup:
    return Markup(figure.svg)


def _study_title(name: str) -> str:
    figure = re.match(r"fig(2[ab])$", name)
    return (
        f"Figure {figure[1]} in numbers"
        if figure
        else {"collisions": "Collisions", "budget": "Budget"}[name]
    )


def _commit(environment: dict[str, Any]) -> str:
    commit = str(environment.get("commit") or "unknown")
    return commit[:10] + (" with uncommitted changes" if commit.endswith("+") else "")


def _each(values: Any) -> str:
    return " | ".join(dict.fromkeys(values))


def _there(*tables: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)


def _alt(title: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", title)


def summary_lines(findings: Sequence[tuple[Claim, list[tuple[str, Finding]]]]) -> list[str]:
    """One line for each claim and subject, as the console shows it."""
    return [
        f"{found.verdict:<18}{label:<14}{claim.number:<4}{claim.title}"
        for claim, every in findings
        for label, found in every
    ]
