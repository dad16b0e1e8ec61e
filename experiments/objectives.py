"""Objectives as the training loop sees them: which tuples to draw, and the loss of their features.

To add one: a class here with the same three members, and its line in ``OBJECTIVES``.
"""

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.objectives import block_means, contrastive_loss, pooled_contrastive_loss
from data.sampler import TupleBatch, TupleSampler


class Contrastive(nn.Module):
    """The paper's unsupervised objective ``L_un``, in its block form where blocks have more than one point."""

    def __init__(self, options: DictConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.loss: str = options.loss
        self.block_size: int = options.block_size
        self.negatives: int = options.negatives
        self.source: str = options.negative_source

    def sampler(self, offsets: Tensor) -> TupleSampler:
        """Draws tuples from a split with these class offsets."""
        return TupleSampler(offsets, self.block_size, self.negatives, self.source)

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Scalar loss of features [m, d], which belong to ``points_of(batch)`` [m]."""
        tuples = len(batch.anchors)
        anchor, blocks = features[:tuples], features[tuples:].unflatten(0, (-1, self.block_size))
        means = block_means(blocks)
        if batch.others is not None:
            return pooled_contrastive_loss(anchor, means, batch.others, self.loss)
        negative = means[tuples:].unflatten(0, (tuples, self.negatives))
        return contrastive_loss(anchor, means[:tuples], negative, self.loss)


class Supervised(nn.Module):
    """The paper's supervised baseline: a linear softmax head over all classes; the representation is what feeds it.

    A step takes the points of a batch of tuples without negatives, batch_size * (1 + block_size) of them: as many as
    the contrastive objective encodes with pooled negatives.
    """

    def __init__(self, options: DictConfig, dimension: int, classes: int) -> None:
        super().__init__()
        self.block_size: int = options.block_size
        self.head = nn.Linear(dimension, classes)

    def sampler(self, offsets: Tensor) -> TupleSampler:
        """Draws labelled points from a split with these class offsets."""
        return TupleSampler(offsets, self.block_size, 0, "none")

    def forward(self, features: Tensor, batch: TupleBatch) -> Tensor:
        """Scalar cross-entropy (nats) of features [m, d], which belong to ``points_of(batch)`` [m]."""
        labels = torch.cat([batch.classes, batch.classes.repeat_interleave(self.block_size)])
        return nn.functional.cross_entropy(self.head(features), labels)


OBJECTIVES: dict[str, type[Contrastive] | type[Supervised]] = {"contrastive": Contrastive, "supervised": Supervised}


def points_of(batch: TupleBatch) -> Tensor:
    """Indices of all points of a batch, in the order in which the objectives read their features: [m]."""
    parts = [batch.anchors, batch.positives.flatten()]
    if batch.negatives is not None:
        parts.append(batch.negatives.flatten())
    return torch.cat(parts)
