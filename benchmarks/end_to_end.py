"""Training tuples per second, compared with a plain script for the paper's procedure.

Ours is the training step of ``crl train`` with ``fresh`` (the literal procedure) or ``pooled``
negatives. The baseline is ``benchmarks.reference``: a DataLoader with 2 workers that draws,
converts and standardises images tuple by tuple, and the same small CNN in PyTorch's default memory
format and settings, with the same loss and AdamW. Both use the same b, k, batch size and data. The
baseline's workers keep running between its turns and refill their queue of four batches while ours
is timed. That time is not charged to the baseline, and ours shares the cores with it, so the ratios
favour the baseline.
"""

import itertools

from torch import Tensor

from benchmarks.ours import images_at_hand, training
from benchmarks.reference import WORKERS, ImageTuples, ReferenceTraining, batches
from benchmarks.timing import Ratios, Side, in_turns, torch_defaults
from crl.data.dataset import Dataset, pixel_statistics
from crl.experiments.config.compose import compose_config
from crl.experiments.training.build import load_data

# (block size, negatives, batch size, steps per repeat). At b = k = 10 the literal procedure encodes
# 111 points per tuple: 128 tuples would take several GB and about ten seconds per step.
SETTINGS = ((1, 1, 128, 6), (2, 4, 128, 2), (10, 10, 32, 1))


def measure(
    repeats: int,
    settings: tuple[tuple[int, int, int, int], ...] = SETTINGS,
    width: int = 32,
    data: Dataset | None = None,
) -> dict[str, list[float]]:
    """Return tuples per second, ours / baseline, per setting, source of negatives and repeat."""
    data = data or load_data(compose_config([f"dataset={images_at_hand()}"]), lambda line: None)[0]
    speedups: dict[str, list[float]] = {}
    for block_size, negatives, batch_size, steps in settings:
        row = f"end_to_end/b{block_size}_k{negatives}"
        setting = [
            f"dataset={images_at_hand()}",
            f"encoder.width={width}",
            f"training.batch_size={batch_size}",
            f"objective.block_size={block_size}",
            f"objective.negatives={negatives}",
        ]
        sides = {
            source: _ours([*setting, f"objective.negative_source={source}"], data, steps)
            for source in ("fresh", "pooled")
        }
        sides["reference"] = _reference(
            data, width, block_size, negatives, batch_size, steps, repeats + 1
        )
        seconds = in_turns(sides, repeats, row)
        for source in ("fresh", "pooled"):
            speedups[f"{row}/{source}"] = Ratios(seconds["reference"], seconds[source])
    return speedups


def note() -> str:
    """Say how it measures."""
    sizes = ", ".join(f"{batch} tuples at b={b}, k={k}" for b, k, batch, _ in SETTINGS)
    return (
        f"dataset={images_at_hand()}; batches of {sizes}; the re-implementation's {WORKERS} "
        "workers share the cores with its training process, which uses all threads"
    )


def _ours(options: list[str], data: Dataset, steps: int) -> Side:
    step = training(options, data).step
    numbers = itertools.count()

    def side() -> None:
        for _ in range(steps):
            step(next(numbers))

    return side


def _reference(
    data: Dataset,
    width: int,
    block_size: int,
    negatives: int,
    batch_size: int,
    steps: int,
    repeats: int,
) -> Side:
    config = compose_config([f"dataset={images_at_hand()}"])
    mean, std = pixel_statistics(data.train)
    tuples = ImageTuples(data.train, mean, std, block_size, negatives, batch_size * steps * repeats)
    model = ReferenceTraining(
        config.encoder.dimension,
        width,
        block_size,
        negatives,
        config.optimizer.lr,
        config.optimizer.weight_decay,
    )
    with torch_defaults():
        loader = batches(tuples, batch_size)

    def side() -> None:
        with torch_defaults():
            for _ in range(steps):
                images: Tensor = next(loader)
                model.step(images)

    return side
