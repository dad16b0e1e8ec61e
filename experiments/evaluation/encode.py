"""Features of a split."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from data.points import Documents, Points


@torch.no_grad()
def encode(encoder: nn.Module, points: Points, batch_size: int, fabric: Fabric) -> Tensor:
    """Features of all points, in evaluation mode: float32 [n, d] on the run's device; of a
    document, its sentences' mean."""
    if isinstance(points, Documents):
        return points.to(fabric.device).means(encode(encoder, points.sentences, batch_size, fabric))
    training = encoder.training
    encoder.eval()
    order = points.reading_order().to(fabric.device)
    points = points.to(fabric.device)
    features: Tensor | None = None
    with fabric.autocast():
        for index in order.split(batch_size):
            part = encoder(points.gather(index)).float()
            if features is None:
                features = part.new_empty(len(points), part.shape[1])
            features[index] = part
    encoder.train(training)
    assert features is not None  # a split is never empty
    return features
