"""Peak memory of training at b = 10, k = 10, where a literal implementation needs most.

Runs ``crl train`` with the small CNN and batch 128 for a step or two, evaluation included, in a
process of its own. Measures the peak resident memory of that process, with interpreter, libraries
and data. The default (pooled) encodes 11 points per tuple, ``fresh`` 111.
"""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ours import images_at_hand
from benchmarks.process import in_own_process
from crl.cli.main import main

# Row -> (source of negatives, steps, most repeats). Few repeats are enough: the peak hardly varies,
# and a step on 14,208 images is slow.
ROWS = {"b10_k10": ("pooled", 2, 2), "b10_k10_fresh": ("fresh", 1, 1)}
_OPTIONS = ("objective.block_size=10", "objective.negatives=10", "evaluation.linear_steps=1")


def measure(
    repeats: int, options: tuple[str, ...] = ("training.batch_size=128",)
) -> dict[str, list[float]]:
    """Return the peak resident memory (GB) per source of negatives and repeat.

    ``options`` are further options of ``crl train``.
    """
    common = (
        f"dataset={images_at_hand()}",
        *_OPTIONS,
        "evaluation.l2=[1e-3]",
        "runtime.device=cpu",
        *options,
    )
    return {
        f"peak_memory_gb/{row}": [
            in_own_process(
                train, (*common, f"objective.negative_source={source}", f"training.steps={steps}")
            )[1]
            for _ in range(min(repeats, most))
        ]
        for row, (source, steps, most) in ROWS.items()
    }


def note() -> str:
    """Say how it measures."""
    return (
        f"dataset={images_at_hand()}, width 32; pooled: two runs of 2 steps; fresh: one run of "
        "1 step; evaluation included, its linear classifier with one penalty and few steps"
    )


def train(options: tuple[str, ...]) -> None:
    """Run ``crl train`` in a temporary folder. Raises RuntimeError if it fails."""
    output = StringIO()
    with TemporaryDirectory() as folder, redirect_stdout(output), redirect_stderr(output):
        code = main(
            ["train", *options, "runtime.progress=false", f"run_dir={Path(folder) / 'run'}"]
        )
    if code:
        raise RuntimeError(f"crl train ended with exit code {code}: {output.getvalue()}")
