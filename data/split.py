"""A split in memory: points sorted by class, with the offset of every class (CSR)."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.points import Points


@dataclass(frozen=True)
class Split:
    """points sorted by class; offsets int64 [N + 1]: class c holds the points offsets[c] ..
    offsets[c + 1] - 1.

    ``rho`` float64 [N], summing to 1, is the distribution by which classes are drawn; None: in
    proportion to their points.
    """

    points: Points
    offsets: Tensor
    rho: Tensor | None = None

    @classmethod
    def from_labels(cls, points: Points, labels: Tensor, classes: int) -> "Split":
        """Sort points by their labels [n]; inside a class the given order stays."""
        order = labels.argsort(stable=True)
        counts = torch.bincount(labels, minlength=classes)
        return cls(points.select(order), torch.cat([counts.new_zeros(1), counts.cumsum(0)]))

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
        rank = torch.arange(len(self), device=self.offsets.device) - self.offsets[
            :-1
        ].repeat_interleave(self.sizes)
        return self._where(rank < counts.repeat_interleave(self.sizes))

    def drop(self, counts: Tensor) -> "Split":
        """All but the first counts[c] points of every class c: counts int64 [N]."""
        rank = torch.arange(len(self), device=self.offsets.device) - self.offsets[
            :-1
        ].repeat_interleave(self.sizes)
        return self._where(rank >= counts.repeat_interleave(self.sizes))

    def fraction(self, fraction: float) -> "Split":
        """The first share of every class, at least one point. Smaller fractions are subsets of
        larger ones."""
        return self.take((self.sizes * fraction).round().long().clamp(min=1).minimum(self.sizes))

    def first_classes(self, count: int) -> "Split":
        """The split without all but its first classes, at most so many."""
        offsets = self.offsets[: count + 1]
        rho = None if self.rho is None else self.rho[:count] / self.rho[:count].sum()
        return Split(
            self.points.select(torch.arange(int(offsets[-1]), device=offsets.device)), offsets, rho
        )

    def shuffled(self, generator: torch.Generator) -> "Split":
        """The points of every class in a random order."""
        order = torch.randperm(len(self), generator=generator)
        order = order[self.labels[order].argsort(stable=True)]
        return replace(self, points=self.points.select(order))

    def to(self, device: torch.device) -> "Split":
        rho = None if self.rho is None else self.rho.to(device)
        return Split(self.points.to(device), self.offsets.to(device), rho)

    def _where(self, keep: Tensor) -> "Split":
        index = keep.nonzero().squeeze(1)
        counts = torch.bincount(self.labels[index], minlength=len(self.offsets) - 1)
        return Split(
            self.points.select(index), torch.cat([counts.new_zeros(1), counts.cumsum(0)]), self.rho
        )


def fingerprint(splits: list[Split]) -> str:
    """16 hexadecimal digits that change when any point, label or its place changes."""
    digest = hashlib.sha256()
    for split in splits:
        for tensor in (*split.points.tensors(), split.offsets):
            digest.update(f"{tensor.dtype}{[*tensor.shape]}".encode())
            digest.update(tensor.contiguous().cpu().numpy().data)
    return digest.hexdigest()[:16]
