"""Timing what is to be compared in turns, so that whatever else the machine does falls on all sides
alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from tqdm import tqdm

Side = Callable[[], object]


def seconds(side: Side) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def in_turns(sides: Mapping[str, Side], repeats: int, title: str) -> dict[str, list[float]]:
    """Seconds of every side in every repeat. All sides run once a repeat, in order; a first one
    warms up, uncounted."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in tqdm(range(repeats + 1), desc=title, disable=None, leave=False):
        for name, side in sides.items():
            taken = seconds(side)
            if repeat:
                found[name].append(taken)
    return found


def ratios(over: list[float], under: list[float]) -> list[float]:
    """over / under, repeat by repeat."""
    return [a / b for a, b in zip(over, under, strict=True)]


@contextmanager
def torch_defaults() -> Iterator[None]:
    """PyTorch as a script of one's own finds it: without the deterministic kernels that a run of
    ours asks for."""
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)
