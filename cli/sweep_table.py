"""The table that a sweep prints at the end."""

import json
from collections.abc import Sequence

from cli.text_table import aligned
from experiments.metric_names import classifier_title
from experiments.statistics import summarise
from experiments.storage.manifest import Manifest
from experiments.storage.results import Run, read_run


def sweep_table(manifest: Manifest) -> str:
    """Return a row for each combination: mean ± standard deviation over its complete runs, in %."""
    cells = [cell for study in manifest.studies for cell in study.cells]
    finished = [[run for path in cell.runs if (run := read_run(path))] for cell in cells]
    metrics = dict.fromkeys(
        name for runs in finished for run in runs for name in run.metrics if classifier_title(name)
    )
    rows = [[*cells[0].labels, "n", *map(classifier_title, metrics)]]
    for cell, runs in zip(cells, finished, strict=True):
        labels = [
            value if isinstance(value, str) else json.dumps(value) for value in cell.labels.values()
        ]
        rows.append([*labels, str(len(runs)), *(_mean_and_std(runs, name) for name in metrics)])
    return aligned(rows, gap="   ")


def _mean_and_std(runs: Sequence[Run], metric: str) -> str:
    values = [100 * run.metrics[metric] for run in runs if metric in run.metrics]
    if not values:
        return "-"
    mean, std, _ = summarise(values)
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"
