"""The overhead of our training step over the arithmetic of its encoder.

Ours is the training step of ``crl train`` (draw tuples, gather points, forward, loss, backward,
optimiser) with pooled negatives, b = 2, k = 4. The baseline trains a copy of the same encoder, in
the same memory format, on the tensors that our steps encoded in the same repeat: forward, mean
square as the loss, backward, the same optimiser, with PyTorch's default settings. The tensors are
already in memory. CNNs run on random pixels of CIFAR-100's size, text encoders on docstrings.
"""

import copy
import itertools
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from benchmarks.ours import Ours, random_pixels, training
from benchmarks.timing import Ratios, in_turns, torch_defaults
from crl.experiments.training.optimizers import build_optimizer

# Encoder -> steps per repeat, chosen to take about a second (one step of VGG-16 takes longer).
STEPS = {"small_cnn": 8, "vgg16": 1, "gru": 8, "bag_of_words": 100}


def measure(
    repeats: int,
    steps: Mapping[str, int] = STEPS,
    batch_size: int = 128,
    options: Sequence[str] = (),
) -> dict[str, list[float]]:
    """Return the time of our step / that of the bare encoder, per encoder and repeat.

    ``options`` are further options of ``crl train`` for both.
    """
    return {
        f"runner_tax/{name}": _tax(name, count, repeats, batch_size, options)
        for name, count in steps.items()
    }


def note() -> str:
    """Say how it measures."""
    steps = ", ".join(f"{count} of {name}" for name, count in STEPS.items())
    return f"batch 128 tuples = 384 points, pooled, b=2, k=4; steps a repeat: {steps}"


def _tax(
    name: str, steps: int, repeats: int, batch_size: int, options: Sequence[str]
) -> list[float]:
    images = name in ("small_cnn", "vgg16")
    setting = [
        f"dataset={'cifar100' if images else 'docstrings'}",
        f"encoder={name}",
        f"training.batch_size={batch_size}",
        "objective.block_size=2",
        "objective.negatives=4",
        "training.steps=100000",
        *options,
    ]
    ours = training(setting, random_pixels() if images else None)
    bare = BareEncoder(ours)
    numbers = itertools.count()

    def our_steps() -> None:
        bare.batches.clear()
        for _ in range(steps):
            ours.step(next(numbers))

    seconds = in_turns({"ours": our_steps, "bare": bare.steps}, repeats, f"runner_tax/{name}")
    return Ratios(seconds["ours"], seconds["bare"])


class BareEncoder:
    """A copy of an encoder that trains on the batches that the original encoded last."""

    def __init__(self, ours: Ours) -> None:
        self.encoder = copy.deepcopy(ours.encoder)
        self.optimizer = build_optimizer(ours.config.optimizer, self.encoder.parameters())
        self.batches: list[Tensor] = []
        ours.encoder.register_forward_pre_hook(self._record)

    def _record(self, encoder: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.batches.append(inputs[0])

    def steps(self) -> None:
        """Do one training step on each of the batches."""
        with torch_defaults():
            for points in self.batches:
                self.optimizer.zero_grad()
                self.encoder(points).square().mean().backward()
                self.optimizer.step()
