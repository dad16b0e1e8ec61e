"""Training tuples per second against the paper's procedure as a script of one's own does it.

Ours: the training step of ``crl train``, negatives ``fresh`` (the literal procedure) or ``pooled``.
Baseline: ``benchmarks.reference``, a DataLoader with 2 workers that draws, converts and
standardises images tuple by tuple, the same small CNN in PyTorch's default memory format and
settings, the same loss and AdamW. The same b, k, batch and data; the baseline's iterator runs on
between its turns. Its workers then refill their queue of four batches while ours is at work: the
baseline is not charged for those, and ours shares the cores with them, so that the ratios err on
the baseline's side.
"""

import itertools

from torch import Tensor

from benchmarks.ours import images_at_hand, training
from benchmarks.reference import WORKERS, ImageTuples, ReferenceTraining, batches
from benchmarks.timing import Side, in_turns, ratios, torch_defaults
from data.dataset import Dataset, pixel_statistics
from experiments.config.compose import compose_config
from experiments.training.build import load_data

# (block size, negatives, batch size, steps a repeat). At b = k = 10 the literal procedure encodes
# 111 points a tuple: 128 tuples would take several GB and some ten seconds a step.
SETTINGS = ((1, 1, 128, 6), (2, 4, 128, 2), (10, 10, 32, 1))


def measure(
    repeats: int,
    settings: tuple[tuple[int, int, int, int], ...] = SETTINGS,
    width: int = 32,
    data: Dataset | None = None,
) -> dict[str, list[float]]:
    """Tuples per second, ours / the re-implementation's, per setting, source of negatives and
    repeat."""
    data = data or load_data(compose_config([f"dataset={images_at_hand()}"]), lambda line: None)[0]
    found = {}
    for block_size, negatives, batch_size, steps in settings:
        row = f"end_to_end/b{block_size}_k{negatives}"
        chosen = [
            f"dataset={images_at_hand()}",
            f"encoder.width={width}",
            f"training.batch_size={batch_size}",
        ]
        chosen += [f"objective.block_size={block_size}", f"objective.negatives={negatives}"]
        sides = {
            source: _ours([*chosen, f"objective.negative_source={source}"], data, steps)
            for source in ("fresh", "pooled")
        }
        sides["reference"] = _reference(
            data, width, block_size, negatives, batch_size, steps, repeats + 1
        )
        seconds = in_turns(sides, repeats, row)
        for source in ("fresh", "pooled"):
            found[f"{row}/{source}"] = ratios(seconds["reference"], seconds[source])
    return found


def note() -> str:
    """How it was measured."""
    shown = ", ".join(f"{batch} tuples at b={b}, k={k}" for b, k, batch, _ in SETTINGS)
    return (
        f"dataset={images_at_hand()}; batches of {shown}; the re-implementation's {WORKERS} workers share the cores with "
        "its training process, which is given all threads"
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
    options = compose_config([f"dataset={images_at_hand()}"])
    mean, std = pixel_statistics(data.train)
    tuples = ImageTuples(data.train, mean, std, block_size, negatives, batch_size * steps * repeats)
    model = ReferenceTraining(
        options.encoder.dimension,
        width,
        block_size,
        negatives,
        options.optimizer.lr,
        options.optimizer.weight_decay,
    )
    with torch_defaults():
        loader = batches(tuples, batch_size)

    def side() -> None:
        with torch_defaults():
            for _ in range(steps):
                images: Tensor = next(loader)
                model.step(images)

    return side
