"""Features of points and of whole splits."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.dataset import Dataset
from crl.data.points import Documents, Points

Features = tuple[Tensor, Tensor]  # features [n, d] and labels [n]


@torch.no_grad()
def encode(encoder: nn.Module, points: Points, batch_size: int, fabric: Fabric) -> Tensor:
    """Return the features of all points in evaluation mode: float32 [n, d], on the run's device.

    The features of a document are the mean of its sentences' features.
    """
    if isinstance(points, Documents):
        return points.to(fabric.device).means(encode(encoder, points.sentences, batch_size, fabric))
    training = encoder.training
    encoder.eval()
    order = points.reading_order().to(fabric.device)
    points = points.to(fabric.device)
    features: Tensor | None = None
    with fabric.autocast():
        for index in order.split(batch_size):
            batch = encoder(points.gather(index)).float()
            if features is None:
                features = batch.new_empty(len(points), batch.shape[1])
            features[index] = batch
    encoder.train(training)
    assert features is not None  # a split is never empty
    return features


def encode_splits(
    encoder: nn.Module, dataset: Dataset, batch_size: int, fabric: Fabric
) -> dict[str, Features]:
    """Return features and labels of train, dev and test; each point is encoded once."""
    splits = {"train": dataset.train, "dev": dataset.dev, "test": dataset.test}
    return {
        role: (encode(encoder, split.points, batch_size, fabric), split.labels.to(fabric.device))
        for role, split in splits.items()
    }
