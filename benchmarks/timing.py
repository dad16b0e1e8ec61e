"""Time the sides of a comparison in turns, so that other load on the machine affects all alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from tqdm import tqdm

Side = Callable[[], object]


def seconds(side: Side) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Side], repeats: int, title: str) -> dict[str, list[float]]:
    """Return the seconds of every side in every repeat.

    All sides run once per repeat, in order. A first repeat warms up and is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in tqdm(range(repeats + 1), desc=title, disable=None, leave=False):
        for name, side in sides.items():
            elapsed = seconds(side)
            if repeat:
                times[name].append(elapsed)
    return times


def ratios(over: list[float], under: list[float]) -> list[float]:
    """Return over / under for each repeat."""
    return [a / b for a, b in zip(over, under, strict=True)]


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Restore PyTorch's default, without the deterministic kernels that our runs turn on."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
