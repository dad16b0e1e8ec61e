"""Objectives as the training loop sees them: which tuples to draw, and the loss of their features.

To add one: a class here with the same members, and its line in ``OBJECTIVES``.
"""

from omegaconf import DictConfig
from torch import Tensor, nn

from crl.losses.contrastive import contrastive_loss
from crl.losses.pooled import pooled_contrastive_loss
from crl.losses.quick_thoughts import quick_thoughts_loss
from data.tuples import TupleBatch, TupleSampler


class Objective(nn.Module):
    """What all have in common. ``forward(features, batch)`` is the loss that is trained on."""

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """What draws its tuples from a split with these class offsets, and classes from rho (None:
        by their points)."""
        raise NotImplementedError

    def dev_loss(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """By what the best encoder is chosen, on tuples of dev points: the loss itself, where
        nothing else is said."""
        return self(features, batch)


class Contrastive(Objective):
    """The paper's unsupervised objective ``L_un``, in its block form where blocks have more than
    one point."""

    def __init__(self, options: DictConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.loss: str = options.loss
        self.block_size: int = options.block_size
        self.negatives: int = options.negatives
        self.pooled: bool = options.negative_source == "pooled"
        self.collisions: bool = options.collisions

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """Draws tuples from a split with these class offsets."""
        return TupleSampler(
            offsets, self.block_size, 0 if self.pooled else self.negatives, self.collisions, rho
        )

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Scalar loss of the features [m, B, d] of ``batch.points`` [m, B]."""
        if self.pooled:
            return pooled_contrastive_loss(features, self.negatives, self.loss)
        means = (
            features[:-1].unflatten(0, (self.block_size, -1)).mean(0)
        )  # the positive block's, then the negative ones'
        return contrastive_loss(features[-1], means[0], means[1:].transpose(0, 1), self.loss)


class QuickThoughts(Objective):
    """The Quick Thoughts baseline on the tuples of the contrastive objective: an anchor and its b
    positives are a block of 1 + b similar points, the other tuples' points are the candidates.
    Nothing but the loss differs, and with pooled negatives both encode the same points.

    With two encoders the features of both stand side by side, and the first scores against the
    second.
    """

    def __init__(self, options: DictConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.block_size: int = options.block_size
        self.encoders: int = options.encoders

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """Draws blocks from a split with these class offsets."""
        return TupleSampler(offsets, self.block_size, rho=rho)

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Scalar loss (nats) of the features [1 + b, B, d] of ``batch.points`` [1 + b, B]."""
        blocks = features.transpose(0, 1)
        first, second = blocks.chunk(2, dim=2) if self.encoders == 2 else (blocks, blocks)
        return quick_thoughts_loss(first, second)


class Supervised(Objective):
    """The paper's supervised baseline: a linear softmax head over all classes; the representation
    is what feeds it.

    A step takes the points of a batch of tuples without negatives, batch_size * (1 + block_size) of
    them: as many as the contrastive objective encodes with pooled negatives.
    """

    def __init__(self, options: DictConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.block_size: int = options.block_size
        self.head = nn.Linear(dimension, classes)

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """Draws labelled points from a split with these class offsets."""
        return TupleSampler(offsets, self.block_size, rho=rho)

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Scalar cross-entropy (nats) of the features [1 + b, B, d] of ``batch.points`` [1 + b,
        B]."""
        return nn.functional.cross_entropy(
            self.head(features).flatten(0, 1), batch.classes.repeat(len(features))
        )

    def dev_loss(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """The head's share of errors. On few points the cross-entropy rises long before the
        accuracy stops rising: it would choose a network that has hardly begun to learn, and the
        baseline would be none."""
        return (self.head(features).argmax(-1) != batch.classes).float().mean()


OBJECTIVES: dict[str, type[Contrastive] | type[QuickThoughts] | type[Supervised]] = {
    "contrastive": Contrastive,
    "quick_thoughts": QuickThoughts,
    "supervised": Supervised,
}
