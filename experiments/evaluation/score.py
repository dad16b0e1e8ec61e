"""All measurements of an encoder, trained here or not."""

from typing import Any

from lightning_fabric import Fabric
from torch import nn

from crl.data.dataset import Dataset
from crl.data.imbalance import majority_and_minority
from crl.experiments.config.schema import Config
from crl.experiments.evaluation.accuracy import evaluate
from crl.experiments.evaluation.attentive import attentive_metrics
from crl.experiments.evaluation.encode import encode_splits
from crl.experiments.evaluation.feature_map import feature_map
from crl.experiments.evaluation.theory import latent_theory
from crl.experiments.evaluation.warnings import check_features, warnings
from crl.experiments.runtime.memory import evaluation, naming_memory


def score(config: Config, fabric: Fabric, encoder: nn.Module, dataset: Dataset) -> dict[str, Any]:
    """Return ``metrics``, ``theory``, ``warnings`` and ``map`` of ``result.json``.

    Raises RunError for features that are not finite, and OutOfMemory.
    """
    with naming_memory(*evaluation(config)):
        return _score(config, fabric, encoder, dataset)


def _score(config: Config, fabric: Fabric, encoder: nn.Module, dataset: Dataset) -> dict[str, Any]:
    options, classes = config.evaluation, len(dataset.classes)
    features = encode_splits(encoder, dataset, options.batch_size, fabric)
    check_features(features, config.objective.trains)
    metrics = evaluate(options, config.seed, features, classes, dataset.test.rho)
    return {
        "metrics": metrics | attentive_metrics(config, fabric, encoder, dataset),
        "theory": latent_theory(config, fabric, encoder, dataset, features),
        "warnings": warnings(dataset, features),
        "map": feature_map(options.map, config.dataset.split_seed, features["test"], classes),
    }


def describe_data(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    """Return ``dataset`` of ``result.json``."""
    description: dict[str, Any] = {
        "name": dataset.name,
        "classes": len(dataset.classes),
        "train_points": len(dataset.train),
        "test_points": len(dataset.test),
        "fingerprint": fingerprint,
    }
    if dataset.unlabelled_train is not None:
        description["unlabelled_points"] = len(dataset.unlabelled_train)
    rho = dataset.train.rho
    unequal = None if rho is None else majority_and_minority(rho)
    if unequal is not None:
        majority = unequal[0].tolist()
        description["majority_classes"] = [dataset.classes[number] for number in majority]
    return description
