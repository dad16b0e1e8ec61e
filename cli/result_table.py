"""What a run prints at the end: a summary, a table, its warnings."""

from typing import Any

from cli.console import say
from cli.text_table import aligned
from experiments.config.identity import flat_options
from experiments.config.schema import Config
from experiments.metric_names import few_shot, metric_title
from experiments.report.paper_numbers import table_1


def show(config: Config, result: dict[str, Any]) -> None:
    """Print the summary and the table, and each warning on standard error."""
    print(f"\n{summary(config, result)}\n\n{result_table(config, result)}")
    for warning in result["warnings"]:
        say(f"warning: {warning['message']}")


def result_table(config: Config, result: dict[str, Any]) -> str:
    """Return a row for each AVG-k and TOP-R and a column for each classifier, in %.

    The paper's figures stand beside them where the run has the paper's setting.
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
    points = f"{data['train_points']} + {data['test_points']} points"
    start = f"{data['name']} ({data['classes']} classes, {points}), "
    if objective.name == "frozen":
        encoder = getattr(config.encoder, "model", config.encoder.name)
        return f"{start}{encoder} as it is, seed {result['seed']}"
    description = objective.name
    if objective.name == "contrastive":
        numbers = f"b={objective.block_size}, k={objective.negatives}"
        description += f" ({objective.loss}, {numbers}, {objective.negative_source})"
    return (
        f"{start}{config.encoder.name}, {description}, {training.steps} steps of "
        f"{training.batch_size}, seed {result['seed']}: "
        f"trained in {result['timing']['train_seconds']:.0f} s"
    )
