"""Peak memory of training where a literal implementation needs most: the small CNN at b = 10, k =
10, batch 128.

``crl train`` as a user starts it, for a step or two, evaluation included, in a process of its own:
peak resident memory of that process, interpreter, libraries and data and all. The default (pooled)
encodes 11 points a tuple, ``fresh`` 111.
"""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ours import images_at_hand
from benchmarks.process import in_own_process
from cli.main import main

# Row -> (source of negatives, steps, repeats at most). The peak hardly varies, and a step of 14,208
# images takes its time.
ROWS = {"b10_k10": ("pooled", 2, 2), "b10_k10_fresh": ("fresh", 1, 1)}
_OPTIONS = ("objective.block_size=10", "objective.negatives=10", "evaluation.linear_steps=1")


def measure(
    repeats: int, options: tuple[str, ...] = ("training.batch_size=128",)
) -> dict[str, list[float]]:
    """Peak resident memory (GB) per source of negatives; further options of ``crl train``."""
    chosen = (
        f"dataset={images_at_hand()}",
        *_OPTIONS,
        "evaluation.l2=[1e-3]",
        "runtime.device=cpu",
        *options,
    )
    return {
        f"peak_memory_gb/{row}": [
            in_own_process(
                train, (*chosen, f"objective.negative_source={source}", f"training.steps={steps}")
            )[1]
            for _ in range(min(repeats, most))
        ]
        for row, (source, steps, most) in ROWS.items()
    }


def note() -> str:
    """How it was measured."""
    return (
        f"dataset={images_at_hand()}, width 32; pooled: two runs of 2 steps; fresh: one run of 1 step; evaluation included, "
        "its linear classifier with one penalty and as few steps as it takes"
    )


def train(options: tuple[str, ...]) -> None:
    """Run ``crl train`` with these options in a folder that is gone afterwards. Raises RuntimeError
    where it fails."""
    said = StringIO()
    with TemporaryDirectory() as folder, redirect_stdout(said), redirect_stderr(said):
        code = main(
            ["train", *options, "runtime.progress=false", f"run_dir={Path(folder) / 'run'}"]
        )
    if code:
        raise RuntimeError(f"crl train ended with exit code {code}: {said.getvalue()}")
