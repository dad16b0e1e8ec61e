"""A split in memory: points sorted by class, with the offset of every class (CSR)."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.points import Points, offsets_of


@dataclass(frozen=True)
class Split:
    """Points sorted by class: class c holds the points offsets[c] .. offsets[c + 1] - 1.

    offsets: int64 [N + 1]. ``rho``: float64 [N], summing to 1, the distribution that classes are
    drawn from; None means in proportion to their points.
    """

    points: Points
    offsets: Tensor
    rho: Tensor | None = None

    @classmethod
    def from_labels(cls, points: Points, labels: Tensor, classes: int) -> "Split":
        """Sort points by their labels [n]; the order inside a class stays."""
        order = labels.argsort(stable=True)
        return cls(points.select(order), offsets_of(torch.bincount(labels, minlength=classes)))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def sizes(self) -> Tensor:
        """Number of points per class: int64 [N]."""
        return self.offsets.diff()

    @property
    def labels(self) -> Tensor:
        """Class of every point: int64 [n]."""
        classes = torch.arange(len(self.offsets) - 1, device=self.offsets.device)
        return classes.repeat_interleave(self.sizes)

    def take(self, counts: Tensor) -> "Split":
        """The first counts[c] points of every class c: counts int64 [N]."""
        return self._where(self._ranks() < counts.repeat_interleave(self.sizes))

    def drop(self, counts: Tensor) -> "Split":
        """All but the first counts[c] points of every class c: counts int64 [N]."""
        return self._where(self._ranks() >= counts.repeat_interleave(self.sizes))

    def fraction(self, fraction: float) -> "Split":
        """The first points of every class, a fraction of them and at least one.

        Smaller fractions are subsets of larger ones.
        """
        return self.take((self.sizes * fraction).round().long().clamp(min=1).minimum(self.sizes))

    def first_classes(self, count: int) -> "Split":
        """The first ``count`` classes, or all if there are fewer."""
        offsets = self.offsets[: count + 1]
        rho = None if self.rho is None else self.rho[:count] / self.rho[:count].sum()
        points = self.points.select(torch.arange(int(offsets[-1]), device=offsets.device))
        return Split(points, offsets, rho)

    def shuffled(self, generator: torch.Generator) -> "Split":
        """The same split with the points of every class in a random order."""
        order = torch.randperm(len(self), generator=generator)
        order = order[self.labels[order].argsort(stable=True)]
        return replace(self, points=self.points.select(order))

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        rho = None if self.rho is None else self.rho.to(device)
        return Split(self.points.to(device), self.offsets.to(device), rho)

    def _ranks(self) -> Tensor:
        """The place of every point inside its class, from 0: int64 [n]."""
        places = torch.arange(len(self), device=self.offsets.device)
        return places - self.offsets[:-1].repeat_interleave(self.sizes)

    def _where(self, mask: Tensor) -> "Split":
        """The points where the mask [n] is true."""
        index = mask.nonzero().squeeze(1)
        counts = torch.bincount(self.labels[index], minlength=len(self.offsets) - 1)
        return Split(self.points.select(index), offsets_of(counts), self.rho)


def fingerprint(splits: list[Split]) -> str:
    """16 hexadecimal digits that change when any point, label or its place changes."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (*split.points.tensors(), split.offsets):
            digest.update(f"{tensor.dtype}{[*tensor.shape]}".encode())
            digest.update(tensor.contiguous().cpu().numpy().data)
    return digest.hexdigest()[:16]
