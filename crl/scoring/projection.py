"""Features in the plane."""

import torch
from torch import Tensor


def principal_plane(features: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """(coordinates along the two directions of largest variance, their shares of the variance): [n,
    d] -> float64 [n, 2].

    The largest component of either direction is positive, so that the same features lie the same
    way round. With one dimension, or without any variance, what is missing is 0. Raises ValueError
    for fewer than 2 points.
    """
    if len(features) < 2:
        raise ValueError("a plane needs at least 2 points")
    centred = features.double() - features.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    directions = vectors.flip(1)[:, :2]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    coordinates = centred @ (directions * largest.sign())
    coordinates = torch.nn.functional.pad(coordinates, (0, 2 - coordinates.shape[1]))
    total = float(values.clamp(min=0).sum())
    shares = [float(value) / total if total else 0.0 for value in values.clamp(min=0).flip(0)[:2]]
    return coordinates, (shares[0], shares[1] if len(shares) > 1 else 0.0)
