"""How time grows with a size: the slope of log time over log size (1 if proportional).

Each repeat gives one slope, from the medians of three timings at each of four sizes. All sizes are
timed in turns. The smallest is large enough that fixed costs hardly count.

``step``: our training step of the small CNN on random pixels. ``points`` varies the batch size with
pooled negatives; block size and negatives vary with fresh ones, where each is a point to encode.
``sampler``: drawing such tuples as indices. ``pooled_loss``: the loss and its gradient, b = 2,
d = 100. ``evaluation``: ranks, AVG-2 and TOP-10 of the mean classifier, d = 100.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.ours import random_pixels, training
from benchmarks.timing import Side, in_turns
from crl.data.dataset import Dataset
from crl.data.seeding import generator
from crl.data.tuples import TupleSampler
from crl.losses.pooled import pooled_contrastive_loss
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks, top_r_accuracy

# Row -> its sizes; each is twice the one before.
SIZES: dict[str, tuple[int, ...]] = {
    "step/points": (32, 64, 128, 256),  # tuples of 3 points
    "step/block_size": (4, 8, 16, 32),
    "step/negatives": (8, 16, 32, 64),
    "sampler/points": (2048, 4096, 8192, 16384),  # tuples
    "sampler/block_size": (4, 8, 16, 32),
    "sampler/negatives": (8, 16, 32, 64),
    "pooled_loss/points": (128, 256, 512, 1024),  # tuples
    "pooled_loss/negatives": (2, 4, 8, 16),
    "evaluation/points": (5000, 10000, 20000, 40000),
    "evaluation/classes": (100, 200, 400, 800),
}
_TIMINGS = 3


def measure(
    repeats: int, sizes: dict[str, tuple[int, ...]] = SIZES, width: int = 32
) -> dict[str, list[float]]:
    """Return the slope of every row in every repeat."""
    data = random_pixels()
    makers: dict[str, Callable[[int], Side]] = {
        "step/points": lambda size: training_step(data, width, size, 2, 4, "pooled"),
        "step/block_size": lambda size: training_step(data, width, 4, size, 4, "fresh"),
        "step/negatives": lambda size: training_step(data, width, 8, 2, size, "fresh"),
        "sampler/points": lambda size: draw(size, 2, 4),
        "sampler/block_size": lambda size: draw(2048, size, 4),
        "sampler/negatives": lambda size: draw(2048, 2, size),
        "pooled_loss/points": lambda size: pooled_loss(size, 4),
        "pooled_loss/negatives": lambda size: pooled_loss(512, size),
        "evaluation/points": lambda size: evaluation(size, 100),
        "evaluation/classes": lambda size: evaluation(10000, size),
    }
    return {
        f"scaling/{row}": slopes(makers[row], values, repeats, row) for row, values in sizes.items()
    }


def note() -> str:
    """Say how it measures."""
    sizes = "; ".join(f"{row} {first} to {last}" for row, (first, *_, last) in SIZES.items())
    return f"sizes (points are tuples, except in evaluation): {sizes}"


def slopes(
    maker: Callable[[int], Side], sizes: Sequence[int], repeats: int, title: str
) -> list[float]:
    """Return one slope per repeat."""
    times = in_turns({str(size): maker(size) for size in sizes}, repeats * _TIMINGS, title)
    values = []
    for start in range(0, repeats * _TIMINGS, _TIMINGS):
        shortest = [min(times[str(size)][start : start + _TIMINGS]) for size in sizes]
        values.append(float(np.polyfit(np.log(sizes), np.log(shortest), 1)[0]))
    return values


def training_step(
    data: Dataset, width: int, batch_size: int, block_size: int, negatives: int, source: str
) -> Side:
    """Return one step of ``crl train``."""
    options = [
        "dataset=cifar100",
        f"encoder.width={width}",
        f"training.batch_size={batch_size}",
        f"objective.block_size={block_size}",
        f"objective.negatives={negatives}",
        f"objective.negative_source={source}",
    ]
    step = training(options, data).step
    numbers = itertools.count()
    return lambda: step(next(numbers))


def draw(tuples: int, block_size: int, negatives: int) -> Side:
    """Return the drawing of one batch of tuples as indices."""
    sampler = TupleSampler(torch.arange(0, 101 * 450, 450), block_size, negatives)
    numbers = itertools.count()
    return lambda: sampler.draw(tuples, generator(0, "scaling", next(numbers)))


def pooled_loss(tuples: int, negatives: int) -> Side:
    """Return the loss of a batch of features, with its gradient."""
    points = torch.randn(3, tuples, 100, requires_grad=True)
    return lambda: pooled_contrastive_loss(points, negatives).backward()


def evaluation(points: int, classes: int) -> Side:
    """Return the scoring of one classifier on this many points and classes."""
    features, means = torch.randn(points, 100), torch.randn(classes, 100)
    labels = torch.arange(points) % classes

    def side() -> None:
        ranked = ranks(features, means, labels)
        average_k_way_accuracy(ranked, labels, classes, 2)
        top_r_accuracy(ranked, labels, classes, 10)

    return side
