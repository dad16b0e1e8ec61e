"""A map of test features: some points of some classes in the plane, for the report to draw."""

from typing import Any

import torch
from torch import Tensor

from crl.data.seeding import generator
from crl.experiments.evaluation.encode import Features
from crl.scoring.projection import principal_plane

_CLASSES, _POINTS = 6, 40  # classes shown, points of each: more cannot be told apart


def feature_map(
    method: str, split_seed: int, test: Features, classes: int
) -> dict[str, Any] | None:
    """Return ``map`` of ``result.json``; None for the method "none".

    Classes and points are drawn by ``dataset.split_seed``, so they are the same for every encoder
    of the same data. ``points`` [m, 2] are shares of their largest coordinate; ``labels`` and the
    ``means`` of the classes go with them. method: "pca", "tsne" or "umap"; the means of the last
    two are those of the mapped points.
    """
    if method == "none":
        return None
    features, labels = test[0].cpu(), test[1].cpu()
    drawn = torch.randperm(classes, generator=generator(split_seed, "map", 0))
    chosen = drawn[:_CLASSES].sort().values
    index = torch.cat([(labels == c).nonzero()[:_POINTS, 0] for c in chosen])
    points, shares = _in_the_plane(method, features[index])
    points = points / points.abs().max().clamp(min=1e-300)
    means = torch.stack([points[labels[index] == c].mean(0) for c in chosen])
    return {
        "method": method,
        "variance": None if shares is None else [round(share, 4) for share in shares],
        "classes": chosen.tolist(),
        "labels": labels[index].tolist(),
        "points": _rounded(points),
        "means": _rounded(means),
    }


def _in_the_plane(method: str, features: Tensor) -> tuple[Tensor, tuple[float, float] | None]:
    """Map features [m, d] to points [m, 2]; PCA also gives each axis's share of the variance."""
    if method == "pca":
        return principal_plane(features)
    if method == "tsne":
        from sklearn.manifold import TSNE

        start = "pca" if features.shape[1] > 1 else "random"
        perplexity = min(30.0, (len(features) - 1) / 3)
        embedding = TSNE(init=start, random_state=0, perplexity=perplexity)
    else:
        import umap

        embedding = umap.UMAP(random_state=0, n_jobs=1)
    return torch.from_numpy(embedding.fit_transform(features.numpy())).double(), None


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(value, 4) for value in point] for point in points.tolist()]
