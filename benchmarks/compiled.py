"""The gain of ``runtime.compile=true``: a training step without and with torch.compile.

The small CNN on random pixels of CIFAR-100's size, batch 128, pooled, b = 2, k = 4. The encoder is
compiled in the first repeat, which is not counted. There are no rows without a C++ compiler.
"""

import itertools
import shutil

from benchmarks.ours import random_pixels, training
from benchmarks.timing import Ratios, Side, in_turns

STEPS = 8


def measure(
    repeats: int, steps: int = STEPS, batch_size: int = 128, width: int = 32
) -> dict[str, list[float]]:
    """Return the time without / with compilation, per precision and repeat."""
    if shutil.which("g++") is None:
        return {}
    return {
        f"compile/small_cnn_{precision}": _gain(
            repeats,
            steps,
            [
                f"training.batch_size={batch_size}",
                f"encoder.width={width}",
                f"runtime.precision={precision}",
            ],
        )
        for precision in ("float32", "bf16")
    }


def _gain(repeats: int, steps: int, options: list[str]) -> list[float]:
    def side(compiled: str) -> Side:
        step = training(
            ["dataset=cifar100", "training.steps=100000", f"runtime.compile={compiled}", *options],
            random_pixels(),
        ).step
        numbers = itertools.count()
        return lambda: [step(next(numbers)) for _ in range(steps)]

    seconds = in_turns({"plain": side("false"), "compiled": side("true")}, repeats, "compiled")
    return Ratios(seconds["plain"], seconds["compiled"])
