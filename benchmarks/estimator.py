"""Training time until a target accuracy, with fresh negatives and with pooled ones.

Both use ``experiment=quick_glyphs`` with the same encoder, batch, schedule and seed. The mean
classifier's test AVG-2 is measured every 25 steps; the measurement is not part of the training
time. A repeat is a seed. Training on fresh negatives stops at three times the time of pooled ones:
a ratio of 3 means "at least 3".
"""

import math
import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from benchmarks.ours import Ours, training
from crl.data.dataset import Dataset
from crl.experiments.config.compose import compose_config
from crl.experiments.evaluation.encode import encode
from crl.experiments.training.build import load_data
from crl.scoring.classifiers import mean_classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks

TARGET, EVERY, MOST = 0.90, 25, 3.0
_OPTIONS = ("experiment=quick_glyphs",)


def measure(
    repeats: int, target: float = TARGET, every: int = EVERY, options: Sequence[str] = _OPTIONS
) -> dict[str, list[float]]:
    """Return the time to the target with fresh negatives / with pooled ones, per seed."""
    data = load_data(compose_config(options), lambda line: None)[0]
    speedups = []
    for seed in tqdm(range(repeats), desc="estimator", disable=None, leave=False):

        def ours(source: str, seed: int = seed) -> Ours:
            return training([*options, f"objective.negative_source={source}", f"seed={seed}"], data)

        pooled = time_to(target, ours("pooled"), data, every, math.inf)
        if math.isinf(pooled):
            raise RuntimeError(
                f"with pooled negatives, test AVG-2 does not reach {target} (seed {seed})"
            )
        fresh = time_to(target, ours("fresh"), data, every, MOST * pooled)
        speedups.append(min(fresh / pooled, MOST))
    return {f"estimator/time_to_{target:.2f}": speedups}


def note() -> str:
    """Say how it measures."""
    return (
        f"{' '.join(_OPTIONS)}, b=2, k=4; accuracy measured every {EVERY} steps; a repeat is a "
        f"seed; {MOST:g} means at least {MOST:g}, where the fresh run stops"
    )


def time_to(target: float, ours: Ours, data: Dataset, every: int, most: float) -> float:
    """Return the seconds of training until test AVG-2 reaches the target.

    Infinite if it does not within ``most`` seconds or the steps of the configuration.
    """
    steps = ours.config.training.steps
    elapsed = 0.0
    for start in range(0, steps, every):
        began = time.perf_counter()
        for number in range(start, min(start + every, steps)):
            ours.step(number)
        elapsed += time.perf_counter() - began
        if elapsed > most:
            break
        if test_avg2(ours, data) >= target:
            return elapsed
    return math.inf


@torch.no_grad()
def test_avg2(ours: Ours, data: Dataset) -> float:
    """Return AVG-2 on test of the mean classifier fitted on train, in [0, 1]."""
    train, test = (
        (
            encode(ours.encoder, split.points, ours.config.evaluation.batch_size, ours.fabric),
            split.labels,
        )
        for split in (data.train, data.test)
    )
    classes = len(data.classes)
    means = mean_classifier(*train, classes).weights
    return average_k_way_accuracy(ranks(test[0], means, test[1]), test[1], classes, 2)
