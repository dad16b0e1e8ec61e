"""Drawing tuples: an anchor, a positive block of its class, and negative blocks of classes drawn from rho."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


def generator(seed: int, stream: str, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on (seed, stream, step) alone, so that a resumed run draws what it would have drawn."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


@dataclass(frozen=True)
class TupleBatch:
    """B tuples as indices into a split sorted by class.

    anchors [B]; classes [B], theirs; positives [B, b]. Of the two ways to pair them with negatives one is filled:
    negatives [B, k, b] (fresh blocks), or others [draws, k] (shifts to the positive blocks of other tuples).
    """

    anchors: Tensor
    classes: Tensor
    positives: Tensor
    negatives: Tensor | None = None
    others: Tensor | None = None


class TupleSampler:
    """Draws tuples from a split with the given class offsets [N + 1]; rho is proportional to the class sizes.

    Anchor and block points are i.i.d. from their class (with replacement, as ``D_c`` is sampled in section 2), the
    classes of the negatives i.i.d. from rho, so that a negative may have the anchor's class. ``collisions=False`` (with
    fresh blocks only) draws them from rho given that they are not the anchor's: an ablation, not the paper's procedure.

    ``source``: "fresh" draws k new blocks per tuple, the paper's literal procedure; "pooled" pairs a tuple with the
    positive blocks of k distinct other tuples, as many disjoint draws as the batch holds (see
    ``crl.objectives.pooled_contrastive_loss``); "none" draws no negatives.
    """

    def __init__(self, offsets: Tensor, block_size: int, negatives: int, source: str, collisions: bool = True) -> None:
        self.offsets = offsets
        self.sizes = offsets.diff()
        self.labels = torch.arange(len(self.sizes), device=offsets.device).repeat_interleave(self.sizes)
        self.block_size = block_size
        self.negatives = negatives
        self.source = source
        self.collisions = collisions

    def draw(self, tuples: int, generator: torch.Generator) -> TupleBatch:
        """A batch of so many tuples."""
        anchors = self._points(tuples, generator)
        classes = self.labels[anchors]
        positives = self._blocks(classes, generator)
        if self.source == "fresh":
            negative_classes = self._negative_classes(classes, generator)
            negatives = self._blocks(negative_classes, generator).view(tuples, self.negatives, self.block_size)
            return TupleBatch(anchors, classes, positives, negatives=negatives)
        if self.source == "pooled":
            return TupleBatch(anchors, classes, positives, others=self._others(tuples, generator))
        return TupleBatch(anchors, classes, positives)

    def _negative_classes(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """k classes for each anchor's class in classes [B]: [B * k]."""
        if self.collisions:
            return self.labels[self._points(len(classes) * self.negatives, generator)]
        # A uniform choice among the points outside of the anchor's class, which is one gap in their order.
        start, size = self.offsets[classes, None], self.sizes[classes, None]
        shape = (len(classes), self.negatives)
        uniform = torch.rand(shape, generator=generator, device=self.offsets.device, dtype=torch.float64)
        place = (uniform * (len(self.labels) - size)).long()
        return self.labels[torch.where(place < start, place, place + size)].flatten()

    def _points(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform over all points: the class of such a point is drawn from rho."""
        return torch.randint(len(self.labels), (count,), generator=generator, device=self.offsets.device)

    def _blocks(self, classes: Tensor, generator: torch.Generator) -> Tensor:
        """One block of each class in classes [m], points i.i.d.: [m, b]."""
        sizes = self.sizes[classes, None]
        shape = (len(classes), self.block_size)
        uniform = torch.rand(shape, generator=generator, device=self.offsets.device, dtype=torch.float64)
        return self.offsets[classes, None] + (uniform * sizes).long()

    def _others(self, tuples: int, generator: torch.Generator) -> Tensor:
        """A random partition of the shifts 1..B-1 into groups of k; what does not fill a group is left out."""
        shifts = 1 + torch.randperm(tuples - 1, generator=generator, device=self.offsets.device)
        draws = (tuples - 1) // self.negatives
        return shifts[: draws * self.negatives].view(draws, self.negatives)
