"""Features in the plane of their two first principal components."""

import torch
from torch import Tensor


def principal_plane(features: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Project features [n, d] on two axes: (float64 [n, 2], the axes' shares of the variance).

    The axes are the two directions of largest variance. The largest component of each is positive,
    so the same features always lie the same way round. For one dimension the second coordinate and
    share are 0; without variance all are. Raises ValueError for fewer than 2 points.
    """
    if len(features) < 2:
        raise ValueError("a plane needs at least 2 points")
    centred = features.double() - features.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    directions = vectors.flip(1)[:, :2]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    missing = (0, 2 - directions.shape[1])
    coordinates = torch.nn.functional.pad(centred @ (directions * largest.sign()), missing)
    total = float(values.clamp(min=0).sum())
    shares = [float(value) / total if total else 0.0 for value in values.clamp(min=0).flip(0)[:2]]
    return coordinates, (shares[0], shares[1] if len(shares) > 1 else 0.0)
