"""All that is said of an encoder, trained here or not."""

from typing import Any

from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import nn

from data.dataset import Dataset
from experiments.evaluation.accuracy import encode_splits, evaluate
from experiments.evaluation.attentive import attentive_metrics
from experiments.evaluation.feature_map import feature_map
from experiments.evaluation.theory import latent_theory
from experiments.evaluation.warnings import check_features, warnings


def score(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, dataset: Dataset
) -> dict[str, Any]:
    """``metrics``, ``theory``, ``warnings`` and ``map`` of ``result.json``. Raises RunError for
    features that are not finite."""
    features = encode_splits(config, fabric, encoder, dataset)
    check_features(features)
    metrics = evaluate(config, features, len(dataset.classes), dataset.test.rho)
    return {
        "metrics": metrics | attentive_metrics(config, fabric, encoder, dataset),
        "theory": latent_theory(config, fabric, encoder, dataset, features),
        "warnings": warnings(dataset, features),
        "map": feature_map(config, features["test"], len(dataset.classes)),
    }
