"""Tuples per second of the batch sampler against a Python loop that draws one tuple at a time, in one run.

    python benchmarks/sampler.py

Prints the ratio as median, minimum and maximum of paired repeats.
"""

import random
import statistics
import time

import torch

from data.sampler import TupleSampler, generator

CLASSES, PER_CLASS, BLOCK, NEGATIVES, BATCH, REPEATS = 100, 450, 2, 4, 128, 7


def python_loop(tuples: int) -> list[tuple[int, list[int], list[list[int]]]]:
    """The same draw, point by point."""

    def block(label: int) -> list[int]:
        return [label * PER_CLASS + random.randrange(PER_CLASS) for _ in range(BLOCK)]

    drawn = []
    for _ in range(tuples):
        label = random.randrange(CLASSES)
        anchor = label * PER_CLASS + random.randrange(PER_CLASS)
        drawn.append((anchor, block(label), [block(random.randrange(CLASSES)) for _ in range(NEGATIVES)]))
    return drawn


def main() -> None:
    """Measure and print."""
    sampler = TupleSampler(torch.arange(0, (CLASSES + 1) * PER_CLASS, PER_CLASS), BLOCK, NEGATIVES, "fresh")
    ratios = []
    for repeat in range(REPEATS + 1):
        start = time.perf_counter()
        for step in range(50):
            sampler.draw(BATCH, generator(0, "bench", step))
        ours = time.perf_counter() - start
        start = time.perf_counter()
        for _ in range(50):
            python_loop(BATCH)
        loop = time.perf_counter() - start
        if repeat:  # the first warms up
            ratios.append(loop / ours)
    print(f"sampler/python_loop: median {statistics.median(ratios):.1f}, min {min(ratios):.1f}, max {max(ratios):.1f}")


if __name__ == "__main__":
    main()
