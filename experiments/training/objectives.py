"""Objectives as the training loop sees them: the tuples to draw and their loss."""

from typing import cast

from torch import Tensor, nn

from crl.data.tuples import TupleBatch, TupleSampler
from crl.experiments.config.objectives import (
    ContrastiveConfig,
    ObjectiveConfig,
    QuickThoughtsConfig,
)
from crl.losses.contrastive import contrastive_loss, quick_thoughts_loss
from crl.losses.pooled import pooled_contrastive_loss


class Objective(nn.Module):
    """The interface of all objectives.

    ``forward(features, batch)`` is the training loss of the features [m, B, d] of ``batch.points``
    [m, B]. The constructor takes the options, the dimension of the features and the number of
    classes.
    """

    def __init__(self, options: ObjectiveConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.block_size = options.block_size

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """Return a sampler of tuples without negatives, from a split with these class offsets.

        Classes are drawn from rho [N]; without it, in proportion to their points.
        """
        return TupleSampler(offsets, self.block_size, rho=rho)

    def dev_loss(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Return the loss that chooses the best encoder, on tuples of dev points."""
        return cast(Tensor, self(features, batch))


class Contrastive(Objective):
    """The paper's unsupervised loss ``L_un`` (section 2), in its block form for b > 1 (6.3)."""

    def __init__(self, options: ContrastiveConfig, dimension: int, classes: int) -> None:
        super().__init__(options, dimension, classes)
        self.loss = options.loss
        self.negatives = options.negatives
        self.pooled = options.negative_source == "pooled"
        self.collisions = options.collisions

    def sampler(self, offsets: Tensor, rho: Tensor | None = None) -> TupleSampler:
        """Return a sampler of tuples, with fresh negative blocks unless negatives are pooled."""
        fresh = 0 if self.pooled else self.negatives
        return TupleSampler(offsets, self.block_size, fresh, self.collisions, rho)

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Return the scalar loss of the features [m, B, d] of ``batch.points`` [m, B]."""
        if self.pooled:
            return pooled_contrastive_loss(features, self.negatives, self.loss)
        # The mean of the positive block comes first, then those of the negative blocks.
        means = features[:-1].unflatten(0, (self.block_size, -1)).mean(0)
        return contrastive_loss(features[-1], means[0], means[1:].transpose(0, 1), self.loss)


class QuickThoughts(Objective):
    """The Quick Thoughts baseline on the tuples of the contrastive objective.

    An anchor and its b positives are a block of 1 + b similar points. The other tuples' points are
    the candidates. Only the loss differs: with pooled negatives both objectives encode the same
    points. With two encoders the features of both stand side by side; the first scores against the
    second.
    """

    def __init__(self, options: QuickThoughtsConfig, dimension: int, classes: int) -> None:
        super().__init__(options, dimension, classes)
        self.encoders = options.encoders

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Return the scalar loss (nats) of the features [1 + b, B, d]."""
        blocks = features.transpose(0, 1)
        first, second = blocks.chunk(2, dim=2) if self.encoders == 2 else (blocks, blocks)
        return quick_thoughts_loss(first, second)


class Supervised(Objective):
    """The supervised baseline: a linear softmax head over all classes.

    The representation is the input of the head. A step takes the points of a batch of tuples
    without negatives, batch_size * (1 + block_size): as many as the contrastive objective encodes
    with pooled negatives.
    """

    def __init__(self, options: ObjectiveConfig, dimension: int, classes: int) -> None:
        super().__init__(options, dimension, classes)
        self.head = nn.Linear(dimension, classes)

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Return the scalar cross-entropy (nats) of the features [1 + b, B, d]."""
        logits = self.head(features).flatten(0, 1)
        return nn.functional.cross_entropy(logits, batch.classes.repeat(len(features)))

    def dev_loss(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Return the head's share of errors.

        On few points the cross-entropy rises long before the accuracy stops rising. It would choose
        a network that has hardly begun to learn, which is no fair baseline.
        """
        return (self.head(features).argmax(-1) != batch.classes).float().mean()
