"""What ``runtime.compile=true`` gains: the same training step with the encoder as it is and through
torch.compile.

The small CNN on random pixels of CIFAR-100's size, batch 128, pooled, b = 2, k = 4. Compilation
falls into the first turn, which does not count. No row where there is no C++ compiler.
"""

import itertools
import shutil

from benchmarks.ours import random_pixels, training
from benchmarks.timing import Side, in_turns, ratios

STEPS = 8


def measure(
    repeats: int, steps: int = STEPS, batch_size: int = 128, width: int = 32
) -> dict[str, list[float]]:
    """Time as it is / compiled, per precision and repeat."""
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

    seconds = in_turns({"as it is": side("false"), "compiled": side("true")}, repeats, "compiled")
    return ratios(seconds["as it is"], seconds["compiled"])
