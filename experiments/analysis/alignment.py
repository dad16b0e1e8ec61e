"""Whether the encoders of finished runs see the same test points alike: alignment of every two,
beside a null."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor
from tqdm import tqdm

from crl.scoring.alignment import Alignment, aligned_kernels, aligned_neighbours, neighbours
from data.seeding import generator
from data.split import fingerprint
from experiments.analysis.output import write_study
from experiments.drawing import COLOURS, Figure, draw, legend
from experiments.errors import ConfigError
from experiments.metric_names import metric_title
from experiments.reopen import load_finished_run
from experiments.runtime.console import Say
from experiments.storage.results import Run, find_runs

MEASURES = {"neighbours": "mutual nearest neighbours", "kernels": "kernel alignment (CKA)"}


@dataclass(frozen=True)
class Pair:
    """Two runs, as indices into the comparison's; measure name -> alignment."""

    first: int
    second: int
    alignment: dict[str, Alignment]


@dataclass(frozen=True)
class Comparison:
    """``labels`` tell the runs apart; ``accuracy``: ``metric`` of each, an AVG-k of the mean
    classifier on test points; of ``points`` of these every two runs were compared."""

    runs: list[Run]
    labels: list[str]
    metric: str
    accuracy: list[float]
    points: int
    pairs: list[Pair]

    def matrix(self, measure: str) -> np.ndarray:
        """The values of all pairs: [runs, runs], 1 on the diagonal."""
        found = np.eye(len(self.runs))
        for pair in self.pairs:
            found[pair.first, pair.second] = found[pair.second, pair.first] = pair.alignment[
                measure
            ].value
        return found


def compare(
    places: Sequence[str],
    points: int,
    count: int,
    permutations: int,
    overrides: list[str],
    say: Say,
) -> Comparison:
    """Alignment of every two finished runs in these folders on the same test points, at most
    ``points`` of them, by ``count`` nearest neighbours and by kernels. Overrides: see
    :func:`experiments.reopen.load_finished_run`.

    Raises ConfigError, DataError or RunError.
    """
    for place in places:
        if not Path(place).is_dir():
            raise ConfigError(
                f"{place} is not a folder; give run folders, or folders that hold some"
            )
    runs = find_runs([Path(place) for place in places])
    if len(runs) < 2:
        raise ConfigError(
            f"{len(runs)} finished run(s) under {', '.join(places)}; a comparison takes two"
        )
    shared = set.intersection(*(set(run.metrics) for run in runs))
    metric = next(
        (name for name in runs[0].metrics if name.startswith("test.mean.avg") and name in shared),
        None,
    )
    if metric is None:
        raise ConfigError(
            "no AVG-k of the mean classifier that all of these runs have (evaluation.ks)"
        )
    features, chosen = _features(runs, points, overrides, say)
    if count >= len(chosen):
        raise ConfigError(
            f"neighbours: {count} of {len(chosen)} points; choose at most {len(chosen) - 1}"
        )
    lists = [neighbours(one, count) for one in features]
    pairs = []
    every = list(itertools.combinations(range(len(runs)), 2))
    for number, (i, j) in enumerate(
        tqdm(every, desc="comparing", unit=" pairs", disable=None, leave=False)
    ):
        draws = generator(0, "permutations", number)
        found = {
            "neighbours": aligned_neighbours(lists[i], lists[j], permutations, draws),
            "kernels": aligned_kernels(features[i], features[j], permutations, draws),
        }
        pairs.append(Pair(i, j, found))
    accuracy = [run.metrics[metric] for run in runs]
    return Comparison(runs, _labels(runs), metric, accuracy, len(chosen), pairs)


def _features(
    runs: Sequence[Run], points: int, overrides: list[str], say: Say
) -> tuple[list[Tensor], Tensor]:
    """(features of the chosen test points of every run, the chosen points). Raises ConfigError
    where the points differ."""
    found: list[Tensor] = []
    chosen = torch.empty(0)
    same = ""
    for run in runs:
        say(f"reading {run.path}")
        finished = load_finished_run(str(run.path), overrides, "compare", lambda line: None)
        vectors, labels = finished.test_features()
        here = fingerprint([finished.dataset.test])
        if not found:
            same = here
            chosen = (
                torch.randperm(len(labels), generator=generator(0, "points", 0))[:points]
                .sort()
                .values
            )
        elif same != here:
            raise ConfigError(
                f"{run.path} has other test points than {runs[0].path}; only runs on the same data compare"
            )
        found.append(vectors.cpu()[chosen])
    return found, chosen


def _labels(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: the options in which they differ."""
    flat = [_flat(run.config) | {"seed": run.seed} for run in runs]
    names = [
        name
        for name in flat[0]
        if all(name in one for one in flat) and len({str(one[name]) for one in flat}) > 1
    ]
    names = [name for name in names if name not in ("run_dir", "output_dir", "force")] or ["seed"]
    return [", ".join(_label(name, one[name]) for name in names) for one in flat]


def _label(name: str, value: object) -> str:
    last = name.rpartition(".")[2]
    return str(value) if last == "name" else f"{last} {value}"


def _flat(config: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in config.items():
        found |= (
            _flat(value, f"{prefix}{name}.")
            if isinstance(value, dict)
            else {f"{prefix}{name}": value}
        )
    return found


def write(found: Comparison, out: Path) -> list[Path]:
    """``comparison.json`` and the figures in ``out``: their paths. Raises ConfigError where it
    cannot be written."""
    figures = [heat_map(found, measure) for measure in MEASURES] + [against_accuracy(found)]
    plain = {
        "runs": [
            {"path": str(run.path), "label": label, "accuracy": accuracy}
            for run, label, accuracy in zip(found.runs, found.labels, found.accuracy, strict=True)
        ],
        "metric": found.metric,
        "points": found.points,
        "pairs": [
            {
                "first": p.first,
                "second": p.second,
                **{name: one._asdict() for name, one in p.alignment.items()},
            }
            for p in found.pairs
        ],
    }
    return write_study(out, "comparison", plain, figures)


def table(found: Comparison) -> str:
    """The runs by number, then a line a pair: values, the null's mean and standard deviation, and
    p."""
    lines = [
        f"{n}  {label}  (mu {metric_title(found.metric)} {100 * a:.1f} %)"
        for n, (label, a) in enumerate(zip(found.labels, found.accuracy, strict=True), 1)
    ]
    lines += ["", f"{'pair':>7}  " + "  ".join(f"{title:>36}" for title in MEASURES.values())]
    for pair in found.pairs:
        cells = [_shown(pair.alignment[measure]) for measure in MEASURES]
        lines.append(
            f"{pair.first + 1:>3}-{pair.second + 1:<3}  "
            + "  ".join(f"{cell:>36}" for cell in cells)
        )
    return "\n".join(lines)


def _shown(one: Alignment) -> str:
    return f"{one.value:.3f} (null {one.null_mean:.3f} ± {one.null_std:.3f}, p {one.p_value:.2g})"


def heat_map(found: Comparison, measure: str) -> Figure:
    """The alignment of every two runs."""

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        values = found.matrix(measure)
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=1)
        axes.grid(False)
        numbers = range(len(found.runs))
        axes.set_xticks(numbers, [str(n + 1) for n in numbers])
        axes.set_yticks(numbers, [f"{n + 1}  {found.labels[n]}" for n in numbers], fontsize=7)
        if len(found.runs) <= 8:
            for i, j in itertools.product(numbers, numbers):
                axes.text(
                    j,
                    i,
                    f"{values[i, j]:.2f}",
                    ha="center",
                    va="center",
                    color="w" if values[i, j] < 0.6 else "k",
                    fontsize=7,
                )
        drawing.colorbar(image, ax=axes, shrink=0.7)

    title = f"Alignment: {MEASURES[measure]}"
    said = f"{MEASURES[measure]} between the features of {found.points} test points of every two of {len(found.runs)} runs."
    return draw(f"alignment-{measure}", title, said, paint, height=300)


def against_accuracy(found: Comparison) -> Figure:
    """Alignment of a pair against the lower of its two accuracies."""

    def paint(drawing: Drawing) -> None:
        axes = drawing.subplots()
        lower = [100 * min(found.accuracy[p.first], found.accuracy[p.second]) for p in found.pairs]
        for number, (measure, title) in enumerate(MEASURES.items()):
            values = [p.alignment[measure].value for p in found.pairs]
            null = [p.alignment[measure].null_mean for p in found.pairs]
            axes.plot(lower, values, "os"[number], color=COLOURS[number], label=title)
            axes.plot(lower, null, "_", color=COLOURS[number], markersize=9, label="null")
        axes.set_xlabel(
            f"{metric_title(found.metric)} of the mean classifier, %: the lower of the two runs"
        )
        axes.set_ylabel("alignment")
        legend(drawing, axes, 2)

    said = "Alignment of every two runs against the lower of their accuracies, with the mean of random pairings of points."
    return draw("alignment-accuracy", "Do better encoders agree more?", said, paint, height=320)
