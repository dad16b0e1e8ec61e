"""The baseline: the paper's training with a ``DataLoader`` whose data set draws tuple by tuple.

It is written as one would write a script for the paper, without any deliberate slowdown.
"""

import random
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from crl.data.dataset import Split
from crl.data.points import Images
from crl.encoders.small_cnn import SmallCNN
from crl.losses.contrastive import contrastive_loss

WORKERS = 2


class IndexTuples(Dataset[Tensor]):
    """Tuples of indices, each an int64 [1 + b + kb]: anchor, positive block, k negative blocks."""

    def __init__(self, labels: Tensor, block_size: int, negatives: int, tuples: int) -> None:
        self.labels: list[int] = labels.tolist()
        self.by_class: list[list[int]] = [[] for _ in range(max(self.labels) + 1)]
        for index, label in enumerate(self.labels):
            self.by_class[label].append(index)
        self.block_size = block_size
        self.negatives = negatives
        self.tuples = tuples

    def __len__(self) -> int:
        return self.tuples

    def __getitem__(self, number: int) -> Tensor:
        return torch.tensor(self.draw())

    def draw(self) -> list[int]:
        """Draw an anchor and its block, then k blocks, each of the class of a random point."""
        anchor = random.randrange(len(self.labels))
        drawn = [anchor, *random.choices(self.by_class[self.labels[anchor]], k=self.block_size)]
        for _ in range(self.negatives):
            label = self.labels[random.randrange(len(self.labels))]
            drawn += random.choices(self.by_class[label], k=self.block_size)
        return drawn


class ImageTuples(IndexTuples):
    """The same tuples as standardised images: float32 [1 + b + kb, 3, H, W].

    The result is that of torchvision's ToTensor and Normalize, but the images of a tuple are
    converted at once, which is faster than the usual transform of each image.
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        block_size: int,
        negatives: int,
        tuples: int,
    ) -> None:
        super().__init__(split.labels, block_size, negatives, tuples)
        assert isinstance(split.points, Images)
        self.pixels = split.points.rows
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))

    def __getitem__(self, number: int) -> Tensor:
        return self.pixels[self.draw()].float().div_(255).sub_(self.mean).div_(self.std)


def batches(dataset: IndexTuples, batch_size: int) -> Iterator[Tensor]:
    """Return batches from a DataLoader, whose workers draw ahead."""
    return iter(DataLoader(dataset, batch_size, num_workers=WORKERS))


class ReferenceTraining:
    """Training of the small CNN on batches of image tuples, with one forward pass per batch."""

    def __init__(
        self,
        dimension: int,
        width: int,
        block_size: int,
        negatives: int,
        lr: float,
        weight_decay: float,
    ) -> None:
        self.encoder = SmallCNN(dimension, [0.0] * 3, [1.0] * 3, width)
        self.encoder.layers[0] = nn.Identity()  # the images are already standardised
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=lr, weight_decay=weight_decay
        )
        self.block_size = block_size
        self.negatives = negatives

    def step(self, images: Tensor) -> Tensor:
        """Do one step on images [B, 1 + b + kb, 3, H, W] and return the loss before it."""
        features = self.encoder(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        anchor, positive, negative = features.split(
            [1, self.block_size, self.negatives * self.block_size], dim=1
        )
        blocks = negative.unflatten(1, (self.negatives, self.block_size))
        loss = contrastive_loss(anchor[:, 0], positive.mean(1), blocks.mean(2))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()
