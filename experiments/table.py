"""The table with which a run ends on the console."""

from typing import Any

from omegaconf import DictConfig

from experiments.paper import table_1
from experiments.results import few_shot, metric_title


def result_table(config: DictConfig, result: dict[str, Any]) -> str:
    """Rows AVG-k and TOP-R, columns TR, mu, mu-5 in %; the paper's figures beside them where the setting is its own."""
    metrics = result["metrics"]
    few = few_shot(metrics)
    columns = {"TR": "test.linear", "mu": "test.mean", f"mu-{few.removeprefix('mean')}": f"test.{few}"}
    rows = [name.removeprefix("test.mean.") for name in metrics if name.startswith("test.mean.")]
    paper = table_1(config, result)
    wide = max(12, *(len(metric_title(row)) + 2 for row in rows))
    head = f"{'accuracy, %':<{wide}}" + "".join(f"{column:>8}" for column in columns)
    head += "   |  paper:" + "".join(f"{c:>7}" for c in columns) if paper else ""
    lines = [head]
    for row in rows:
        values = (metrics.get(f"{key}.{row}") for key in columns.values())
        line = f"{metric_title(row):<{wide}}" + "".join(f"{'-':>8}" if v is None else f"{100 * v:8.1f}" for v in values)
        if paper:
            line += "   |        " + "".join(f"{value:7.1f}" for value in paper.get(row, ()))
        lines.append(line)
    return "\n".join(lines)


def summary(config: DictConfig, result: dict[str, Any]) -> str:
    """What the table is about: data set, encoder, objective and time."""
    objective, data, timing = config.objective, result["dataset"], result["timing"]
    how = config.objective.name
    if how == "contrastive":
        how += f" ({objective.loss}, b={objective.block_size}, k={objective.negatives}, {objective.negative_source})"
    return (
        f"{data['name']} ({data['classes']} classes, {data['train_points']} + {data['test_points']} points), "
        f"{config.encoder.name}, {how}, {config.training.steps} steps of {config.training.batch_size}, "
        f"seed {result['seed']}: trained in {timing['train_seconds']:.0f} s"
    )
