"""The report's tables: the paper's Tables 1 and 2 with ours, one table a study, and the theory's
numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.config.compose import stored_config
from experiments.metric_names import few_shot, metric_title
from experiments.report import paper_numbers as paper
from experiments.report.claims import BOUNDS
from experiments.report.load_runs import (
    DatasetStudies,
    ReportData,
    SeedGroup,
    differing,
    holds_text,
    options,
)
from experiments.report.table_formats import (
    Row,
    Table,
    Value,
    accuracy,
    measure,
    names,
    slug,
    table_2_metric,
)
from experiments.storage.results import Run

METHODS = {"supervised": ("sup", "supervised"), "unsupervised": ("unsup", "contrastive")}
OURS = "ours: mean ± standard deviation over seeds (number of seeds)"
THEIRS = "The paper's figures are of one run, without error bars."

# study -> what its table says; the figures of the same name come from the same runs.
STUDIES = {
    "fig2a": "Accuracy of the mean classifier against the share of unlabelled data, for each number of negatives k",
    "fig2b": "Accuracy of the mean classifier against the share of unlabelled data, for each number of negatives k",
    "collisions": "Negatives that may have the anchor's class (as in the paper) or may not",
    "budget": "Block size b and negatives k at an equal number of tuples or of encoded points",
}


def table_1(subject: DatasetStudies) -> Table | None:
    """TR, mu and mu-5 of supervised and unsupervised features; None without runs."""
    runs = {method: subject.runs("table1", method=method) for method in METHODS}
    every = [run for found in runs.values() for run in found]
    if not every:
        return None
    few = few_shot(every[0].metrics)
    classifiers = {"TR": "linear", "μ": "mean", f"μ-{few.removeprefix('mean')}": few}
    columns = (
        "metric",
        "whose",
        *(f"{METHODS[m][0]} {title}" for m in METHODS for title in classifiers),
    )
    rows = []
    for metric in _metrics(every):
        ours = [
            accuracy(runs[m], f"test.{c}.{metric}") for m in METHODS for c in classifiers.values()
        ]
        rows.append(Row((metric_title(metric), "ours", *ours), names(every)))
        rows += _paper_rows_1(runs, metric)
    note = f"Accuracy in %; {OURS}. {THEIRS} A row “paper, other setting” is its nearest data set and encoder."
    return Table(
        f"table1-{slug(subject.label)}", f"Table 1 on {subject.label}", note, columns, tuple(rows)
    )


def _paper_rows_1(runs: dict[str, tuple[Run, ...]], metric: str) -> list[Row]:
    """The paper's figures of a metric: where the setting is its own, and apart from those, where it
    is not."""
    own, other, nearest = [], [], ""
    for method, (_, objective) in METHODS.items():
        found = runs[method]
        fitting = [paper.table_1(stored_config(run.config), run.result) for run in found]
        same = fitting[0] if fitting and all(fitting) else None
        nearest = ("wiki3029" if holds_text(found[0]) else "cifar100") if found else nearest
        empty: tuple[Value, ...] = (None,) * 3
        own += [*(same.get(metric, empty) if same else empty)]
        other += [
            *(empty if same or not found else paper.TABLE_1[nearest, objective].get(metric, empty))
        ]
    title, label = metric_title(metric), f"paper, other setting ({paper.TITLES[nearest]})"
    rows = [Row((title, "paper", *own)), Row((title, label, *other))]
    return [row for row in rows if any(cell is not None for cell in row.cells[2:])]


def table_2(subject: DatasetStudies) -> Table | None:
    """AVG-2 of CURL and QT by block size; None without runs."""
    cells = [cell for cell in subject.studies.get("table2", ()) if cell.runs]
    sizes = subject.values("table2", "block_size")
    if not cells:
        return None
    rows = []
    metric, what = table_2_metric(subject.dataset)
    for method in ("CURL", "QT"):
        runs = [subject.runs("table2", method=method, block_size=b) for b in sizes]
        if any(runs):
            ours = (accuracy(found, metric) for found in runs)
            rows.append(Row((method, "ours", *ours), names(run for found in runs for run in found)))
    rows += _paper_rows_2(subject, sizes, holds_text(cells[0].runs[0]))
    note = (
        f"{what[0].upper()}{what[1:]} in %; {OURS}. {THEIRS} On IMDb its figures are accuracies of sentiment. Our QT takes "
        "an anchor and its b positives for a block of 1 + b similar points, so that both methods see the same points."
    )
    columns = ("method", "whose", *(f"b = {b}" for b in sizes))
    return Table(
        f"table2-{slug(subject.label)}", f"Table 2 on {subject.label}", note, columns, tuple(rows)
    )


def _paper_rows_2(subject: DatasetStudies, sizes: list[int], reads_text: bool) -> list[Row]:
    own: list[Value] = []
    for b in sizes:
        runs = subject.runs("table2", method="CURL", block_size=b)
        fitting = [paper.table_2(stored_config(run.config), run.result) for run in runs]
        own.append(fitting[0] if fitting and all(fitting) else None)
    rows = [Row(("CURL", "paper", *own))]
    for dataset, method in paper.TABLE_2:
        figures = paper.TABLE_2[dataset, method]
        if reads_text == (dataset != "cifar100") and not (dataset == "wiki3029" and any(own)):
            label = f"paper, other setting ({paper.TITLES[dataset]})"
            rows.append(Row((method, label, *(figures.get(b) for b in sizes))))
    return [row for row in rows if any(cell is not None for cell in row.cells[2:])]


def labels_table(subject: DatasetStudies) -> Table | None:
    """Accuracy with 10 % of the labels; None without runs."""
    cells = [cell for cell in subject.studies.get("labels", ()) if cell.runs]
    metrics = _metrics([run for cell in cells for run in cell.runs])
    rows = []
    for cell in cells:
        classifier = str(cell.labels["classifier"])
        title = {"mean10pct": "μ", "linear10pct": "TR"}.get(classifier, classifier)
        values = (accuracy(cell.runs, f"test.{classifier}.{metric}") for metric in metrics)
        rows.append(Row((str(cell.labels["method"]), title, *values), names(cell.runs)))
    note = (
        f"Accuracy in %; {OURS}. Unsupervised: encoder from all points without labels, classifier from 10 % of the labels; "
        "supervised: both from those 10 %. The dev points' labels, about as many, choose the supervised checkpoint and "
        "TR's penalty."
    )
    columns = ("encoder", "classifier", *map(metric_title, metrics))
    title = f"10 % of the labels, {subject.label}"
    return (
        Table(f"labels-{slug(subject.label)}", title, note, columns, tuple(rows)) if rows else None
    )


MEAN_ALONE = {"mean": "μ"}


def study_table(
    file: str,
    title: str,
    note: str,
    cells: Sequence[SeedGroup],
    classifiers: Mapping[str, str] = MEAN_ALONE,
) -> Table | None:
    """One row a cell: its labels and the accuracy of these classifiers (name in the metrics ->
    title); None without runs."""
    every = [run for cell in cells for run in cell.runs]
    axes = list(dict.fromkeys(axis for cell in cells for axis in cell.labels))
    columns = {
        f"test.{classifier}.{metric}": f"{shown} {metric_title(metric)}"
        for metric in _metrics(every)
        for classifier, shown in classifiers.items()
        if any(f"test.{classifier}.{metric}" in run.metrics for run in every)
    }
    rows = tuple(
        Row(
            (
                *(_option(cell.labels.get(axis)) for axis in axes),
                *_accuracies_and_loss(cell.runs, columns),
            ),
            names(cell.runs),
        )
        for cell in cells
    )
    said = f"{note} Accuracy on the test points in %, and the loss on the dev points; {OURS}."
    return Table(file, title, said, (*axes, *columns.values(), "dev loss"), rows) if every else None


def other_runs(material: ReportData) -> list[Table]:
    """One table a data set: its configurations of no study, told apart by the options in which they
    differ."""
    found = []
    for dataset in sorted({group.runs[0].dataset for group in material.others}):
        groups = [group for group in material.others if group.runs[0].dataset == dataset]
        model = ["encoder.model"] if "model" in groups[0].runs[0].config["encoder"] else []
        axes = differing(groups) or ["encoder.name", *model, "objective.name"]
        labelled = []
        for group in groups:
            given = options(group.runs[0].config)
            labelled.append(SeedGroup({axis: given.get(axis) for axis in axes}, group.runs))
        note = "Runs that belong to no study, one row a configuration; the columns are the options in which they differ."
        few = few_shot(groups[0].runs[0].metrics)
        shown = {
            "linear": "TR",
            "mean": "μ",
            few: f"μ-{few.removeprefix('mean')}",
            "attentive": "attentive",
        }
        table = study_table(
            f"other-{slug(dataset)}", f"Other runs on {dataset}", note, labelled, shown
        )
        found += [table] if table else []
    return found


def _accuracies_and_loss(runs: Sequence[Run], metrics: Iterable[str]) -> list[Value]:
    losses = measure((run.metrics.get("dev.loss") for run in runs), 1, 3)
    return [*(accuracy(runs, metric) for metric in metrics), losses]


def theory_quantities(material: ReportData) -> Table:
    """tau, s(f) and the losses of every configuration, on test and train points."""
    quantities: dict[str, Callable[[Run, str], float | None]] = {
        "τ": lambda run, split: run.theory("tau", split=split),
        "τ_k": lambda run, split: run.theory("tau_k", split=split),
        "s(f)": lambda run, split: run.theory("intraclass_deviation", split=split),
        "L_un, k = 1": lambda run, split: run.theory("unsupervised_loss", "total", split=split),
        "L_un, own k and b": lambda run, split: run.theory(
            "unsupervised_loss", "sampled", "mean", split=split
        ),
        "L_un^=": lambda run, split: run.theory("unsupervised_loss", "same", split=split),
        "L_un^≠": lambda run, split: run.theory("unsupervised_loss", "different", split=split),
        "L_sup^μ": lambda run, split: run.theory("supervised_mean_loss", "pairs", split=split),
    }
    rows = []
    for name, group in material.configurations.items():
        for split in ("test", "train"):
            values = (
                measure((of(run, split) for run in group.runs), 1, 3) for of in quantities.values()
            )
            rows.append(Row((describe(group.runs[0]), split, *values), (name,)))
    note = (
        "Mean ± standard deviation over seeds (number of seeds), on the finite split of test or training features. "
        "τ: probability that a negative has the anchor's class, τ_k: that one of k has; s(f): intraclass deviation; "
        "L_un: unsupervised loss, L_un^= and L_un^≠ its parts with and without such a collision (k = 1); "
        "L_sup^μ: loss of the mean classifier over pairs of classes."
    )
    return Table(
        "theory",
        "Quantities of the theory",
        note,
        ("configuration", "points", *quantities),
        tuple(rows),
    )


def theory_bounds(material: ReportData) -> Table:
    """Left, right and slack of every bound of every configuration, on test and train points."""
    rows = []
    for name, group in material.configurations.items():
        for bound, title in BOUNDS.items():
            for split in ("test", "train"):
                values = [
                    measure((run.theory(bound, part, split=split) for run in group.runs), 1, 4)
                    for part in ("left", "right", "slack", "standard_error")
                ]
                if values[0] is not None:
                    rows.append(Row((describe(group.runs[0]), title, split, *values), (name,)))
    note = (
        "Left ≤ right, and slack = right − left: mean ± standard deviation over seeds (number of seeds). The standard error "
        "is that of one run's slack: 0 where the bound is evaluated exactly. Lemma 4.3, 4.4 and Theorem 4.5 at k = b = 1, "
        "Theorem 6.1 at the run's k, Proposition 6.2 at its b: left the bound from blocks, right the one from L_un."
    )
    columns = ("configuration", "bound", "points", "left", "right", "slack", "standard error")
    return Table("bounds", "Bounds of the theory", note, columns, tuple(rows))


def warnings_table(material: ReportData) -> Table | None:
    """One row for each thing that a run warns of, with the configurations it holds for; None
    without warnings."""
    found: dict[tuple[str, str], list[Run]] = {}
    for group in material.configurations.values():
        for run in group.runs:
            for warning in run.warnings:
                found.setdefault(
                    (warning["kind"], f"{run.dataset}: {warning['message']}"), []
                ).append(run)
    rows = tuple(Row((*told, str(len(found[told]))), names(found[told])) for told in sorted(found))
    note = (
        "What makes numbers doubtful, as the runs themselves found it. On the page, the configurations in question are "
        "marked ! in every table."
    )
    return (
        Table("warnings", "Doubtful numbers", note, ("kind", "what", "how many runs"), rows)
        if rows
        else None
    )


def seeds_table(group: SeedGroup) -> tuple[list[str], list[list[str]]]:
    """(head, rows): every test accuracy of every seed in %, which the means in the tables are made
    of."""
    every = dict.fromkeys(name for run in group.runs for name in run.metrics)
    metrics = [m for m in every if m.startswith("test.") and not m.endswith(".std")]
    rows = [
        [
            m.removeprefix("test."),
            *(f"{100 * run.metrics[m]:.2f}" if m in run.metrics else "–" for run in group.runs),
        ]
        for m in metrics
    ]
    losses = [
        f"{run.metrics['dev.loss']:.4f}" if "dev.loss" in run.metrics else "–" for run in group.runs
    ]
    return ["accuracy, %", *(f"seed {run.seed}" for run in group.runs)], [
        *rows,
        ["dev loss", *losses],
    ]


def describe(run: Run) -> str:
    """A configuration in a few words: data set, encoder, objective with its b and k, its classes,
    share of the points."""
    objective, data = run.config["objective"], run.config["dataset"]
    share = data.get("train_fraction", 1)
    encoder = run.config["encoder"]
    words = [run.dataset, str(encoder.get("model", encoder["name"])), str(objective["name"])]
    if objective["name"] != "supervised":
        words.append(f"b = {objective['block_size']}")
    if objective["name"] == "contrastive":
        words.append(f"k = {objective['negatives']}")
    for name, default in (("class_distribution", "points"), ("class_sizes", "all")):
        if (kind := data.get(name, default)) != default:
            words.append(
                f"{name.replace('_', ' ')} {kind}"
                + (f" {data['imbalance']:g}:1" if kind != "uniform" else "")
            )
    return ", ".join(words + ([f"{share:.0%} of the points"] if share != 1 else []))


def _metrics(runs: Sequence[Run]) -> list[str]:
    """avg2, avg5, ..., top1, ...: what the mean classifier is scored on, in the order of the
    results."""
    every = dict.fromkeys(name for run in runs for name in run.metrics)
    return [name.removeprefix("test.mean.") for name in every if name.startswith("test.mean.")]


def _option(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
