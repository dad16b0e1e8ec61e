"""The alignment of every two finished runs on the same test points, and its null."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor
from tqdm import tqdm

from crl.data.dataset import fingerprint
from crl.data.seeding import generator
from crl.experiments.analysis.output import finished_runs, write_analysis
from crl.experiments.drawing import COLOURS, Figure, draw, legend
from crl.experiments.errors import ConfigError
from crl.experiments.metric_names import metric_title
from crl.experiments.reopen import load_finished_run
from crl.experiments.runtime.console import Say
from crl.experiments.storage.results import Run
from crl.experiments.storage.subjects import result_options, told_apart
from crl.scoring.alignment import Alignment, aligned_kernels, aligned_neighbours, neighbours

MEASURES = {"neighbours": "mutual nearest neighbours", "kernels": "kernel alignment (CKA)"}


@dataclass(frozen=True)
class Pair:
    """Two runs, by their index in the comparison, and measure -> alignment."""

    first: int
    second: int
    alignment: dict[str, Alignment]


@dataclass(frozen=True)
class Comparison:
    """The alignment of every two runs on the same test points.

    - ``labels``: the options that distinguish each run
    - ``metric``: an AVG-k of the mean classifier that all runs have; ``accuracy``: its values
    - ``points``: the number of test points
    """

    runs: list[Run]
    labels: list[str]
    metric: str
    accuracy: list[float]
    points: int
    pairs: list[Pair]

    def matrix(self, measure: str) -> np.ndarray:
        """Return the alignment of all pairs: [runs, runs], symmetric, 1 on the diagonal."""
        matrix = np.eye(len(self.runs))
        for pair in self.pairs:
            value = pair.alignment[measure].value
            matrix[pair.first, pair.second] = matrix[pair.second, pair.first] = value
        return matrix


def compare(
    folders: Sequence[Path],
    points: int,
    count: int,
    permutations: int,
    overrides: list[str],
    say: Say,
) -> Comparison:
    """Align every two finished runs under the folders on at most ``points`` test points.

    ``count``: nearest neighbours of a point. ``permutations``: random pairings of the null.
    ``overrides``: see :func:`crl.experiments.reopen.load_finished_run`. Raises ConfigError,
    DataError or RunError.
    """
    runs = finished_runs(folders, say, least=2)
    metric = _shared_metric(runs)
    features = _features(runs, points, overrides, say)
    compared = len(features[0])
    if count >= compared:
        raise ConfigError(
            f"neighbours: {count} of {compared} points; choose at most {compared - 1}"
        )
    nearest = [neighbours(vectors, count) for vectors in features]
    indices = list(itertools.combinations(range(len(runs)), 2))
    progress = tqdm(indices, desc="comparing", unit=" pairs", disable=None, leave=False)
    pairs = []
    for number, (i, j) in enumerate(progress):
        draws = generator(0, "permutations", number)
        alignment = {
            "neighbours": aligned_neighbours(nearest[i], nearest[j], permutations, draws),
            "kernels": aligned_kernels(features[i], features[j], permutations, draws),
        }
        pairs.append(Pair(i, j, alignment))
    accuracy = [run.metrics[metric] for run in runs]
    return Comparison(runs, run_labels(runs), metric, accuracy, compared, pairs)


def _shared_metric(runs: Sequence[Run]) -> str:
    """Return the first AVG-k of the mean classifier that all runs have; else raise ConfigError."""
    for metric in runs[0].metrics:
        if metric.startswith("test.mean.avg") and all(metric in run.metrics for run in runs):
            return metric
    raise ConfigError("these runs share no AVG-k of the mean classifier (evaluation.ks)")


def _features(runs: Sequence[Run], points: int, overrides: list[str], say: Say) -> list[Tensor]:
    """Return every run's features of the same test points, [points, d] each.

    Raises ConfigError if two runs have different test points.
    """
    features: list[Tensor] = []
    first_data = ""
    for run in runs:
        say(f"reading {run.path}")
        finished = load_finished_run(str(run.path), overrides, "compare", lambda line: None)
        vectors = finished.test_features()[0].cpu()
        data = fingerprint([finished.dataset.test])
        first_data = first_data or data
        if data != first_data:
            raise ConfigError(
                f"{run.path} has other test points than {runs[0].path}; "
                "only runs on the same data compare"
            )
        order = torch.randperm(len(vectors), generator=generator(0, "points", 0))
        features.append(vectors[order[:points].sort().values])
    return features


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Return for each run the values of the options in which the runs differ; no two are alike."""
    configurations = [result_options(run.config) | {"seed": run.seed} for run in runs]
    names = [
        name
        for name in dict.fromkeys(name for options in configurations for name in options)
        if len({str(options.get(name)) for options in configurations}) > 1
    ]
    labels = [
        ", ".join(_label(name, o[name]) for name in names or ["seed"] if name in o)
        for o in configurations
    ]
    told = told_apart({run.path: run for run in runs})
    labels = [
        label + (f", files {told[run.path].variant[1:]}" if told[run.path].variant else "")
        for label, run in zip(labels, runs, strict=True)
    ]
    return [
        label if labels.count(label) == 1 else f"{label}, {run.path}"
        for label, run in zip(labels, runs, strict=True)
    ]


def _label(name: str, value: object) -> str:
    last = name.rpartition(".")[2]
    return str(value) if last in ("name", "model") else f"{last} {value}"


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Write ``comparison.json`` and the figures to ``out``; return their paths.

    Raises ConfigError if the folder cannot be written.
    """
    runs = zip(comparison.runs, comparison.labels, comparison.accuracy, strict=True)
    numbers = {
        "runs": [
            {"path": str(run.path), "label": label, "accuracy": accuracy}
            for run, label, accuracy in runs
        ],
        "metric": comparison.metric,
        "points": comparison.points,
        "pairs": [
            {"first": pair.first, "second": pair.second}
            | {measure: alignment._asdict() for measure, alignment in pair.alignment.items()}
            for pair in comparison.pairs
        ],
    }
    figures = [*(heat_map(comparison, m) for m in MEASURES), against_accuracy(comparison)]
    return write_analysis(out, "comparison", numbers, figures)


def run_lines(comparison: Comparison) -> list[str]:
    """Return a line for each run: its number, label and accuracy."""
    title = metric_title(comparison.metric)
    return [
        f"{number}  {label}  (mu {title} {100 * accuracy:.1f} %)"
        for number, (label, accuracy) in enumerate(
            zip(comparison.labels, comparison.accuracy, strict=True), 1
        )
    ]


def pair_rows(comparison: Comparison) -> list[list[str]]:
    """Return the rows of the table of pairs, header first."""
    return [["pair", *MEASURES.values()]] + [
        [f"{pair.first + 1}-{pair.second + 1}", *(_shown(pair.alignment[m]) for m in MEASURES)]
        for pair in comparison.pairs
    ]


def _shown(a: Alignment) -> str:
    return f"{a.value:.3f} (null {a.null_mean:.3f} ± {a.null_std:.3f}, p {a.p_value:.2g})"


def heat_map(comparison: Comparison, measure: str) -> Figure:
    """Draw the alignment of every two runs."""
    count = len(comparison.runs)

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        values = comparison.matrix(measure)
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=1)
        axes.grid(False)
        labels = [f"{number}  {label}" for number, label in enumerate(comparison.labels, 1)]
        axes.set_xticks(range(count), [str(number + 1) for number in range(count)])
        axes.set_yticks(range(count), labels, fontsize=7)
        if count <= 8:
            for (i, j), value in np.ndenumerate(values):
                colour = "w" if value < 0.6 else "k"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7)
        drawing.colorbar(image, ax=axes, shrink=0.7)

    return draw(
        f"alignment-{measure}",
        f"Alignment: {MEASURES[measure]}",
        f"{MEASURES[measure]} of every two of {count} runs, measured on their features of "
        f"{comparison.points} test points.",
        paint,
        height=300,
    )


def against_accuracy(comparison: Comparison) -> Figure:
    """Draw the alignment of a pair against the lower of its two accuracies."""
    accuracy, pairs = comparison.accuracy, comparison.pairs
    title = metric_title(comparison.metric)

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        lower = [100 * min(accuracy[pair.first], accuracy[pair.second]) for pair in pairs]
        for number, (measure, label) in enumerate(MEASURES.items()):
            values = [pair.alignment[measure].value for pair in pairs]
            null = [pair.alignment[measure].null_mean for pair in pairs]
            axes.plot(lower, values, "os"[number], color=COLOURS[number], label=label)
            axes.plot(lower, null, "_", color=COLOURS[number], markersize=9, label="null")
        axes.set(
            xlabel=f"{title} of the mean classifier, %: the lower of the two runs",
            ylabel="alignment",
        )
        legend(drawing, axes, 2)

    return draw(
        "alignment-accuracy",
        "Do better encoders agree more?",
        "Alignment of every two runs against the lower of their accuracies; null: the mean over "
        "random pairings of the points.",
        paint,
        height=320,
    )
