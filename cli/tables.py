"""The text that a run or a sweep prints at its end."""

import json
from collections.abc import Sequence
from typing import Any

from crl.cli.console import aligned, say
from crl.experiments.config.identity import flat_options
from crl.experiments.config.schema import Config
from crl.experiments.metric_names import DEV_LOSS, classifier_title, few_shot, metric_title
from crl.experiments.report.paper_numbers import table_1
from crl.experiments.statistics import summarise
from crl.experiments.storage.manifest import Manifest
from crl.experiments.storage.results import Run, read_run, with_evaluation
from crl.experiments.storage.subjects import told_apart

_LONG = 10  # a sweep's table shortens a number of more characters, such as one that Optuna drew


def show(config: Config, result: dict[str, Any]) -> None:
    """Print the summary and the table, and each warning on standard error."""
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")
    for warning in result["warnings"]:
        say(f"warning: {warning['message']}")


def result_table(config: Config, result: dict[str, Any]) -> str:
    """Return a row for each AVG-k and TOP-R and a column for each classifier, in %.

    If the run has the paper's setting, the paper's figures are beside ours.
    """
    metrics = result["metrics"]
    few = few_shot(metrics)
    classifiers = {"TR": "linear", "mu": "mean", f"mu-{few.removeprefix('mean')}": few}
    if any(name.startswith("test.attentive.") for name in metrics):
        classifiers["attentive"] = "attentive"
    paper = table_1(flat_options(config), result)
    rows = [[f"{'accuracy, %':<12}", *(f"{title:>6}" for title in classifiers)]]
    if paper:
        rows[0] += [" |  paper:", *(f"{title:>5}" for title in classifiers)]
    scores = [name.removeprefix("test.mean.") for name in metrics if name.startswith("test.mean.")]
    for score in scores:
        values = [metrics.get(f"test.{classifier}.{score}") for classifier in classifiers.values()]
        shown = ("-" if value is None else f"{100 * value:.1f}" for value in values)
        rows.append([f"{metric_title(score)}  ", *shown])
        if paper:
            rows[-1] += [" |", *(f"{value:.1f}" for value in paper.get(score, ()))]
    return aligned(rows, left=(0, len(classifiers) + 1))


def summary(config: Config, result: dict[str, Any]) -> str:
    """Return the line above the table: data set, encoder, objective and time."""
    objective, data, training = config.objective, result["dataset"], config.training
    # Not that of the configuration: a run may be scored again in another one.
    precision = result.get("environment", {}).get("precision", "float32")
    start = (
        f"{data['name']} ({data['classes']} classes, "
        f"{data['train_points']} + {data['test_points']} points), "
    )
    if not objective.trains:
        return f"{start}{config.encoder.title} as it is, seed {result['seed']}"
    details = (
        f" ({objective.loss}, b={objective.block_size}, k={objective.negatives}, "
        f"{objective.negative_source})"
        if objective.minimises_unsupervised_loss
        else ""
    )
    return (
        f"{start}{config.encoder.name}, {objective.name}{details}, {training.steps} steps of "
        f"{training.batch_size}, seed {result['seed']}: "
        f"trained in {result['timing']['train_seconds']:.0f} s"
        + (f" in {precision}" if precision != "float32" else "")
    )


def sweep_table(manifest: Manifest, chosen_by: str = "") -> str:
    """Return a row for each combination: mean ± standard deviation over its complete runs, in %.

    ``chosen_by``: the metric that chooses the best one; it has the first column. Seeds that read
    different files have a row for each of these, with a column that says so.
    """
    cells = [cell for study in manifest.studies for cell in study.cells]
    runs = told_apart(
        {path: run for cell in cells for path in cell.runs if (run := read_run(path))}
    )
    finished = [
        [
            run
            for path in cell.runs
            if path in runs and (run := with_evaluation(runs[path], cell.evaluation))
        ]
        for cell in cells
    ]
    metrics = dict.fromkeys([chosen_by] if chosen_by else [])
    metrics |= dict.fromkeys(
        name for same in finished for run in same for name in run.metrics if classifier_title(name)
    )
    files = any(run.variant for run in runs.values())
    titles = (classifier_title(name) or name for name in metrics)
    rows = [[*cells[0].labels, *["files"] * files, "n", *titles]]
    for cell, same in zip(cells, finished, strict=True):
        labels = [_label(value) for value in cell.labels.values()]
        for variant in dict.fromkeys(run.variant for run in same) or [""]:
            alike = [run for run in same if run.variant == variant]
            read = [variant[1:] or "-"] if files else []
            values = (_mean_and_std(alike, name) for name in metrics)
            rows.append([*labels, *read, str(len(alike)), *values])
    return aligned(rows, gap="   ")


def _label(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) and len(text) > _LONG else text


def _mean_and_std(runs: Sequence[Run], metric: str) -> str:
    factor, digits = (1, 4) if metric == DEV_LOSS else (100, 1)
    values = [factor * run.metrics[metric] for run in runs if metric in run.metrics]
    if not values:
        return "-"
    mean, std, _ = summarise(values)
    return f"{mean:.{digits}f}" if std is None else f"{mean:.{digits}f} ± {std:.{digits}f}"
