"""A map of a run's test features: some points of some classes in the plane, for the report to
draw."""

from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from crl.scoring.projection import principal_plane
from data.seeding import generator
from experiments.errors import ConfigError
from experiments.evaluation.accuracy import Features

_CLASSES, _POINTS = 6, 40  # of so many classes so many points each: more cannot be told apart


def feature_map(config: DictConfig, test: Features, classes: int) -> dict[str, Any] | None:
    """``map`` of ``result.json``: classes and points that are the same for every encoder of the
    same data (drawn by ``dataset.split_seed``), ``points`` [m, 2] as shares of their largest
    coordinate, their ``labels``, and the ``means`` of the classes; None for ``none``.

    ``evaluation.map``: pca, tsne or umap; of tsne and umap, a class mean is the mean of the mapped
    points.
    """
    method = config.evaluation.map
    if method == "none":
        return None
    features, labels = test[0].cpu(), test[1].cpu()
    chosen = (
        torch.randperm(classes, generator=generator(config.dataset.split_seed, "map", 0))[:_CLASSES]
        .sort()
        .values
    )
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


def check_map(config: DictConfig) -> None:
    """Raise ConfigError where ``evaluation.map`` needs a package that is not there."""
    if config.evaluation.map == "umap":
        try:
            import umap  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "evaluation.map: umap is not installed; pip install umap-learn, or use tsne or pca"
            ) from error


def _in_the_plane(method: str, features: Tensor) -> tuple[Tensor, tuple[float, float] | None]:
    if method == "pca":
        return principal_plane(features)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(features) - 1) / 3)
        found = TSNE(
            init="pca" if features.shape[1] > 1 else "random", random_state=0, perplexity=perplexity
        ).fit_transform(features.numpy())
    else:
        import umap

        found = umap.UMAP(random_state=0, n_jobs=1).fit_transform(features.numpy())
    return torch.from_numpy(found).double(), None


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(value, 4) for value in point] for point in points.tolist()]
