"""The accuracy tables: the paper's Tables 1 and 2 beside ours, and one table per study."""

from collections.abc import Mapping, Sequence
from typing import Any

from crl.experiments.metric_names import TEN_PERCENT, few_shot, few_shot_title, metric_title
from crl.experiments.report import paper_numbers as paper
from crl.experiments.report.configurations import (
    SeedGroup,
    configuration_names,
    differing,
)
from crl.experiments.report.paper_lines import METHODS, paper_line_1, paper_line_2
from crl.experiments.report.report_data import DatasetStudies, ReportData
from crl.experiments.report.table_formats import (
    Row,
    Table,
    accuracy,
    measure,
    present,
    slug,
    table_2_metric,
)
from crl.experiments.storage.results import Run
from crl.experiments.storage.subjects import result_options

OURS = "ours: mean ± standard deviation over seeds (number of seeds)"
PAPERS = " The paper's are from one run each."


def table_1(studies: DatasetStudies) -> Table | None:
    """Return TR, μ and μ-5 of supervised and unsupervised features; None without runs.

    The paper's figures have rows where the runs have its setting; otherwise a line names them.
    """
    runs = {method: studies.runs("table1", method=method) for method in METHODS}
    all_runs = [run for group in runs.values() for run in group]
    if not all_runs:
        return None
    few = few_shot(all_runs[0].metrics)
    classifiers = {"TR": "linear", "μ": "mean", few_shot_title(few): few}
    printed = {method: paper.in_print(paper.table_1, group) or {} for method, group in runs.items()}
    rows = []
    for metric in _metrics(all_runs):
        ours = (
            accuracy(runs[m], f"test.{c}.{metric}") for m in METHODS for c in classifiers.values()
        )
        rows.append(Row((metric_title(metric), "ours", *ours), configuration_names(all_runs)))
        theirs = [value for m in METHODS for value in printed[m].get(metric, (None,) * 3)]
        rows += _with_numbers([Row((metric_title(metric), "paper", *theirs))])
    others = {m: group for m, group in runs.items() if group and not printed[m]}
    return Table(
        f"table1-{slug(studies.label)}",
        f"Table 1 on {studies.label}",
        f"Accuracy in %; {OURS}.{PAPERS * any(printed.values())}",
        (
            "metric",
            "whose",
            *(f"{short} {c}" for short, _ in METHODS.values() for c in classifiers),
        ),
        tuple(rows),
        paper_line_1(others) if others else "",
        studies.again("table1"),
    )


def table_2(studies: DatasetStudies) -> Table | None:
    """Return the accuracy of CURL and QT by block size; None without runs.

    The paper's figures have a row where the runs have its setting; otherwise a line names them.
    """
    all_runs = [run for cell in studies.cells.get("table2", ()) for run in cell.runs]
    if not all_runs:
        return None
    rows = []
    sizes = studies.values("table2", "block_size")
    metric, title = table_2_metric(studies.dataset)
    for method in ("CURL", "QT"):
        groups = [studies.runs("table2", method=method, block_size=b) for b in sizes]
        if sources := configuration_names(run for runs in groups for run in runs):
            ours = (accuracy(runs, metric) for runs in groups)
            rows.append(Row((method, "ours", *ours), sources))
    curl = (studies.runs("table2", method="CURL", block_size=b) for b in sizes)
    printed = [paper.in_print(paper.table_2, runs) for runs in curl]
    rows += _with_numbers([Row(("CURL", "paper", *printed))])
    return Table(
        f"table2-{slug(studies.label)}",
        f"Table 2 on {studies.label}",
        f"{title} in %; {OURS}.{PAPERS * any(printed)} Our QT treats an anchor and its b positives "
        "as a block of 1 + b similar points, so that both methods see the same points.",
        ("method", "whose", *(f"b = {b}" for b in sizes)),
        tuple(rows),
        "" if any(printed) else paper_line_2(all_runs),
        studies.again("table2"),
    )


def _with_numbers(rows: list[Row]) -> list[Row]:
    return [row for row in rows if any(cell is not None for cell in row.cells[2:])]


def labels_table(studies: DatasetStudies) -> Table | None:
    """Return the accuracy with 10 % of the labels; None without runs."""
    cells = [cell for cell in studies.cells.get("labels", ()) if cell.runs]
    metrics = _metrics([run for cell in cells for run in cell.runs])
    rows = []
    for cell in cells:
        classifier = str(cell.labels["classifier"])
        names = (str(cell.labels["method"]), TEN_PERCENT.get(classifier, classifier))
        values = (accuracy(cell.runs, f"test.{classifier}.{metric}") for metric in metrics)
        rows.append(Row((*names, *values), configuration_names(cell.runs)))
    if not rows:
        return None
    return Table(
        f"labels-{slug(studies.label)}",
        f"10 % of the labels, {studies.label}",
        f"Accuracy in %; {OURS}. Unsupervised: the encoder is trained on all points without "
        "labels, the classifier on 10 % of the labels. Supervised: both are trained on those 10 %. "
        "The labels of the dev points, about as many, choose the supervised checkpoint and TR's "
        "penalty.",
        ("encoder", "classifier", *map(metric_title, metrics)),
        tuple(rows),
        command=studies.again("labels"),
    )


_SHARE_AND_K = (
    "Accuracy of the mean classifier against the share of unlabelled data, for each number of "
    "negatives k."
)
# study -> (title, note) of its table; the figures of the same name show the same runs.
_STUDIES = {
    "fig2a": ("Figure 2a in numbers", _SHARE_AND_K),
    "fig2b": ("Figure 2b in numbers", _SHARE_AND_K),
    "collisions": (
        "Collisions",
        "Allowed: a negative may have the anchor's class, as in the paper. Removed: it never has.",
    ),
    "budget": (
        "Budget",
        "Block sizes b and numbers of negatives k at an equal number of tuples or encoded points.",
    ),
}


def study_tables(studies: DatasetStudies) -> tuple[Table, ...]:
    """Return the tables of Figure 2's studies and of the ablations, those that have runs."""
    tables = (
        study_table(
            f"{study}-{slug(studies.label)}",
            f"{title} on {studies.label}",
            note,
            cells,
            command=studies.again(study),
        )
        for study, (title, note) in _STUDIES.items()
        if (cells := studies.cells.get(study))
    )
    return present(*tables)


MEAN_ALONE = {"mean": "μ"}


def study_table(
    file: str,
    title: str,
    note: str,
    cells: Sequence[SeedGroup],
    classifiers: Mapping[str, str] = MEAN_ALONE,
    command: str = "",
) -> Table | None:
    """Return a table with one row per cell; None without runs.

    Columns: the cell's labels, accuracies of the classifiers (key in the metrics -> title), and
    the dev loss.
    """
    all_runs = [run for cell in cells for run in cell.runs]
    if not all_runs:
        return None
    axes = list(dict.fromkeys(axis for cell in cells for axis in cell.labels))
    columns = {
        f"test.{classifier}.{metric}": f"{shown} {metric_title(metric)}"
        for metric in _metrics(all_runs)
        for classifier, shown in classifiers.items()
        if any(f"test.{classifier}.{metric}" in run.metrics for run in all_runs)
    }

    rows = (
        Row(
            (
                *(_label(cell.labels.get(axis)) for axis in axes),
                *(accuracy(cell.runs, metric) for metric in columns),
                measure((run.metrics.get("dev.loss") for run in cell.runs), 1, 3),
            ),
            configuration_names(cell.runs),
        )
        for cell in cells
    )
    return Table(
        file,
        title,
        f"{note} Accuracy on the test points in %, and the loss on the dev points; {OURS}.",
        (*axes, *columns.values(), "dev loss"),
        tuple(rows),
        command=command,
    )


def other_runs(report_data: ReportData) -> tuple[Table, ...]:
    """Return a table for each data set with runs of no study.

    Its first columns are the options in which the configurations differ.
    """
    tables = []
    for subject in sorted({group.runs[0].subject for group in report_data.other_runs}):
        groups = [group for group in report_data.other_runs if group.runs[0].subject == subject]
        options = [result_options(group.runs[0].config) for group in groups]
        default_axes = ("encoder.name", "encoder.model", "objective.name")
        axes = differing(groups) or [axis for axis in default_axes if axis in options[0]]
        files = any(group.runs[0].variant for group in groups)
        cells = [
            SeedGroup(
                {axis: values.get(axis) for axis in axes}
                | ({"files": group.runs[0].variant[1:] or None} if files else {}),
                group.runs,
            )
            for group, values in zip(groups, options, strict=True)
        ]
        all_runs = [run for group in groups for run in group.runs]
        few = dict.fromkeys(few_shot(run.metrics) for run in all_runs)
        shown = {"linear": "TR", "mean": "μ", **{name: few_shot_title(name) for name in few}}
        note = (
            "Runs that belong to no study, one row per configuration; the columns are the options "
            "in which they differ."
        )
        title = f"Other runs on {subject}"
        shown["attentive"] = "attentive"
        tables.append(study_table(f"other-{slug(subject)}", title, note, cells, shown))
    return present(*tables)


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Return avg2, avg5, ..., top1, ...: the mean classifier's metrics, in the results' order."""
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    return [name.removeprefix("test.mean.") for name in names if name.startswith("test.mean.")]


def _label(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
