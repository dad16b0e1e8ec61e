"""Made-up features: classes around their means, in directions of unequal spread, as an encoder's
features are."""

from typing import NamedTuple

import torch
from torch import Tensor


class Size(NamedTuple):
    """How many classes, training and held-out points per class, and dimensions; the noise around a
    class's mean."""

    classes: int
    train: int
    held_out: int
    d: int
    noise: float


CIFAR = Size(classes=100, train=500, held_out=50, d=100, noise=3.0)
WIKI = Size(classes=3029, train=140, held_out=20, d=300, noise=3.2)
"""424,060 training and 60,580 dev points of 3029 articles; of the test points there are twice as many as of these."""


def clustered(size: Size, per_class: tuple[int, ...], seed: int) -> list[tuple[Tensor, Tensor]]:
    """One (features [n, d], labels [n]) per number of points per class, all around the same means;
    labels are sorted."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.arange(1, size.d + 1).rsqrt()
    means = spread * torch.randn(size.classes, size.d, generator=generator)
    mix = torch.linalg.qr(torch.randn(size.d, size.d, generator=generator)).Q
    sets = []
    for points in per_class:
        features = torch.randn(size.classes, points, size.d, generator=generator)
        for mean, own in zip(
            means, features, strict=True
        ):  # class by class: no second copy of the whole
            own.copy_((mean + size.noise * spread * own) @ mix)
        sets.append((features.flatten(0, 1), torch.arange(size.classes).repeat_interleave(points)))
    return sets
