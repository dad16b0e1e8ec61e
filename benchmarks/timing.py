"""Time the sides of a comparison in turns, so that other load on the machine affects all alike."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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


class Ratios(list[float]):
    """The ratio of two sides' times (or the inverse of speeds) in each repeat.

    ``of_shortest`` is the ratio of their shortest times. Other load on the machine only lengthens
    times, and it may lengthen one side more, so this is what a bound is about.
    """

    def __init__(self, over: Sequence[float], under: Sequence[float]) -> None:
        super().__init__(a / b for a, b in zip(over, under, strict=True))
        self.of_shortest = min(over) / min(under)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Restore PyTorch's default, without the deterministic kernels that our runs turn on."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
