"""The table with which a run ends on the console."""

from typing import Any

from experiments.config.identity import flat_options
from experiments.config.schema import Config
from experiments.metric_names import few_shot, metric_title
from experiments.report.paper_numbers import table_1


def result_table(config: Config, result: dict[str, Any]) -> str:
    """Rows AVG-k and TOP-R, columns TR, mu, mu-5 in %; the paper's figures beside them where the
    setting is its own."""
    metrics = result["metrics"]
    few = few_shot(metrics)
    columns = {
        "TR": "test.linear",
        "mu": "test.mean",
        f"mu-{few.removeprefix('mean')}": f"test.{few}",
    }
    if any(name.startswith("test.attentive.") for name in metrics):
        columns["attentive"] = "test.attentive"
    rows = [name.removeprefix("test.mean.") for name in metrics if name.startswith("test.mean.")]
    paper = table_1(flat_options(config), result)
    first = max(12, *(len(metric_title(row)) + 2 for row in rows))
    wide = {key: max(8, len(column) + 2) for column, key in columns.items()}
    head = f"{'accuracy, %':<{first}}" + "".join(
        f"{column:>{wide[key]}}" for column, key in columns.items()
    )
    head += "   |  paper:" + "".join(f"{c:>7}" for c in columns) if paper else ""
    lines = [head]
    for row in rows:
        values = {key: metrics.get(f"{key}.{row}") for key in wide}
        shown = (
            f"{'-' if v is None else f'{100 * v:.1f}':>{wide[key]}}" for key, v in values.items()
        )
        line = f"{metric_title(row):<{first}}" + "".join(shown)
        if paper:
            line += "   |        " + "".join(f"{value:7.1f}" for value in paper.get(row, ()))
        lines.append(line)
    return "\n".join(lines)


def summary(config: Config, result: dict[str, Any]) -> str:
    """What the table is about: data set, encoder, objective and time."""
    objective, data, timing = config.objective, result["dataset"], result["timing"]
    how = config.objective.name
    if how == "contrastive":
        how += f" ({objective.loss}, b={objective.block_size}, k={objective.negatives}, {objective.negative_source})"
    if how == "frozen":
        return (
            f"{data['name']} ({data['classes']} classes, {data['train_points']} + {data['test_points']} points), "
            f"{getattr(config.encoder, 'model', config.encoder.name)} as it is, seed {result['seed']}"
        )
    return (
        f"{data['name']} ({data['classes']} classes, {data['train_points']} + {data['test_points']} points), "
        f"{config.encoder.name}, {how}, {config.training.steps} steps of {config.training.batch_size}, "
        f"seed {result['seed']}: trained in {timing['train_seconds']:.0f} s"
    )
