"""How much memory Python allocates for something, whatever else this process does."""

import multiprocessing
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def with_peak(action: Callable[[], T]) -> tuple[T, int]:
    """Return what ``action`` returns, and the most bytes that are allocated at a time for it.

    It is done in a fork of this process: other threads allocate too, and a fork has none of them.
    If it raises, this raises EOFError, and the traceback is on standard error.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def measure() -> None:
        tracemalloc.start()
        result = action()
        theirs.send((result, tracemalloc.get_traced_memory()[1]))

    process = context.Process(target=measure, daemon=True)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()
