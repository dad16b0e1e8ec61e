"""How soon a representation is learned: negatives drawn anew for every tuple against pooled ones.

Glyphs at ``experiment=quick_glyphs``, the same encoder, batch, schedule and seed for both. The mean
classifier's test AVG-2 is looked at every 25 steps; training time until it first reaches the
target, the looking not counted. A repeat is a seed. Training on fresh negatives is broken off at
three times the time that pooled ones took: a ratio of 3 says "at least 3".
"""

import math
import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from benchmarks.ours import Ours, training
from crl.scoring.classifiers import mean_classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks
from data.dataset import Dataset
from experiments.config.compose import compose_config
from experiments.evaluation.encode import encode
from experiments.training.build import load_data

TARGET, EVERY, MOST = 0.90, 25, 3.0
_OPTIONS = ("experiment=quick_glyphs",)


def measure(
    repeats: int, target: float = TARGET, every: int = EVERY, options: Sequence[str] = _OPTIONS
) -> dict[str, list[float]]:
    """Time to the target with fresh negatives / with pooled ones, per seed."""
    data = load_data(compose_config(options), lambda line: None)[0]
    found = []
    for seed in tqdm(range(repeats), desc="estimator", disable=None, leave=False):

        def ours(source: str, seed: int = seed) -> Ours:
            return training([*options, f"objective.negative_source={source}", f"seed={seed}"], data)

        pooled = time_to(target, ours("pooled"), data, every, math.inf)
        if math.isinf(pooled):
            raise RuntimeError(
                f"with pooled negatives, test AVG-2 does not reach {target} in training (seed {seed})"
            )
        fresh = time_to(target, ours("fresh"), data, every, MOST * pooled)
        found.append(min(fresh / pooled, MOST))
    return {f"estimator/time_to_{target:.2f}": found}


def note() -> str:
    """How it was measured."""
    return (
        f"{' '.join(_OPTIONS)}, b=2, k=4; looked at every {EVERY} steps; a repeat is a seed; {MOST:g} says at least "
        f"{MOST:g}, for then the fresh run is broken off"
    )


def time_to(target: float, ours: Ours, data: Dataset, every: int, most: float) -> float:
    """Seconds of training until test AVG-2 is seen to reach the target; infinite where it does not
    within ``most`` seconds or the steps of the configuration."""
    steps = ours.config.training.steps
    taken = 0.0
    for start in range(0, steps, every):
        began = time.perf_counter()
        for number in range(start, min(start + every, steps)):
            ours.step(number)
        taken += time.perf_counter() - began
        if taken > most:
            break
        if test_avg2(ours, data) >= target:
            return taken
    return math.inf


@torch.no_grad()
def test_avg2(ours: Ours, data: Dataset) -> float:
    """AVG-2 of the mean classifier of train on test, in [0, 1]."""
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
