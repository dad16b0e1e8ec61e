"""Made-up features: classes around their means, with unequal spread per direction."""

from typing import NamedTuple

import torch
from torch import Tensor


class Size(NamedTuple):
    """Number of classes, training and held-out points per class, dimension, noise around means."""

    classes: int
    train: int
    held_out: int
    d: int
    noise: float


CIFAR = Size(classes=100, train=500, held_out=50, d=100, noise=3.0)
WIKI = Size(classes=3029, train=140, held_out=20, d=300, noise=3.2)
"""424,060 training and 60,580 dev points of 3029 articles; there are twice as many test points."""


def clustered(size: Size, per_class: tuple[int, ...], seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return (features [n, d], sorted labels [n]) for each number of points per class.

    All sets share the same class means.
    """
    generator = torch.Generator().manual_seed(seed)
    spread = torch.arange(1, size.d + 1).rsqrt()
    means = spread * torch.randn(size.classes, size.d, generator=generator)
    mix = torch.linalg.qr(torch.randn(size.d, size.d, generator=generator)).Q
    sets = []
    for points in per_class:
        features = torch.randn(size.classes, points, size.d, generator=generator)
        for mean, noise in zip(means, features, strict=True):  # by class, to save memory
            noise.copy_((mean + size.noise * spread * noise) @ mix)
        sets.append((features.flatten(0, 1), torch.arange(size.classes).repeat_interleave(points)))
    return sets
