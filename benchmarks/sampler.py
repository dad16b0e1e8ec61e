"""The speed of drawing tuples, as indices: 100 classes of 450 points, batches of 128.

Ours is ``TupleStream.batch``, step after step, as in training. Two baselines draw tuple by tuple
(``benchmarks.reference``) from the same distribution and return the same batches of indices: a
Python loop, and a ``DataLoader``. The DataLoader's workers start before the clock does, so the few
batches in its queues count in its favour. A third baseline, ``lean_loop``, is the shortest possible
loop: it needs classes of equal size and returns lists, which cannot yet be used to gather points.
With pooled negatives, a tuple is only an anchor and its block. Ours has one thread, as the loops
have: with more, a batch takes longer while other processes use the cores.
"""

import random
from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor

from benchmarks.reference import WORKERS, IndexTuples, batches
from benchmarks.timing import Ratios, Side, in_turns, one_thread, torch_defaults
from crl.data.tuples import TupleSampler, TupleStream

CLASSES, PER_CLASS = 100, 450
# Row -> (block size, negatives drawn). The first is the setting of the paper's CIFAR-100 table.
SETTINGS = {
    "sampler": (2, 4),
    "sampler/b10_k10": (10, 10),
    "sampler/pooled": (2, 0),
    "sampler/pooled_b10_k10": (10, 0),
}
_MORE = 10  # ours draws this many times more batches than a baseline, to run long enough


def measure(repeats: int, batch_size: int = 128, steps: int = 200) -> dict[str, list[float]]:
    """Return tuples per second, ours / each baseline, per setting and repeat."""
    speedups: dict[str, list[float]] = {}
    for row, (block_size, negatives) in SETTINGS.items():
        offsets = torch.arange(0, (CLASSES + 1) * PER_CLASS, PER_CLASS)
        stream = TupleStream(
            TupleSampler(offsets, block_size, negatives), batch_size, 0, "benchmark"
        )
        labels = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
        literal = IndexTuples(labels, block_size, negatives, batch_size * steps * (repeats + 1))
        with torch_defaults():
            loader = batches(literal, batch_size)
        sides = {
            "ours": _repeated(map(stream.batch, count()), _MORE * steps),
            "python_loop": _repeated(_loop(literal, batch_size), steps),
            "dataloader": _repeated(loader, steps),
            "lean_loop": _repeated(_lean_loop(block_size, negatives, batch_size), steps),
        }
        with one_thread():
            seconds = in_turns(sides, repeats, row)
        ours = [elapsed / _MORE for elapsed in seconds["ours"]]
        for baseline in ("python_loop", "dataloader", "lean_loop"):
            speedups[f"{row}/{baseline}"] = Ratios(seconds[baseline], ours)
    return speedups


def note() -> str:
    """Say how it measures."""
    return (
        "batches of 128 tuples, b=2, k=4 unless the row names others; "
        f"the DataLoader has {WORKERS} workers"
    )


def _repeated(draws: Iterator[object], steps: int) -> Side:
    def side() -> None:
        for _ in range(steps):
            next(draws)

    return side


def _loop(literal: IndexTuples, batch_size: int) -> Iterator[Tensor]:
    while True:
        yield torch.tensor([literal.draw() for _ in range(batch_size)])


def _lean_loop(block_size: int, negatives: int, batch_size: int) -> Iterator[list[object]]:
    def block(label: int) -> list[int]:
        return [label * PER_CLASS + random.randrange(PER_CLASS) for _ in range(block_size)]

    def draw() -> object:
        label = random.randrange(CLASSES)
        anchor = label * PER_CLASS + random.randrange(PER_CLASS)
        return anchor, block(label), [block(random.randrange(CLASSES)) for _ in range(negatives)]

    while True:
        yield [draw() for _ in range(batch_size)]
