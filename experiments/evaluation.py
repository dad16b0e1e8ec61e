"""Scoring an encoder: the linear classifier (TR), the mean classifier (mu) and mu-5, on AVG-k and TOP-R."""

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.averages import average_k_way_accuracy, ranks, top_r_accuracy
from crl.classifiers import Classifier, best_linear_classifier, few_shot_index, mean_classifier
from data.dataset import Dataset
from data.sampler import generator
from experiments.errors import ConfigError
from experiments.fit import encode

Features = tuple[Tensor, Tensor]  # features [n, d] and labels [n]


def check_evaluation(config: DictConfig, dataset: Dataset) -> None:
    """Raise ConfigError where the data set is too small for what is to be measured."""
    options, classes = config.evaluation, len(dataset.classes)
    for name, values in (("ks", options.ks), ("tops", options.tops)):
        if max(values) > classes:
            raise ConfigError(f"evaluation.{name}: {max(values)} exceeds the {classes} classes of {dataset.name}")
    smallest = int(dataset.train.sizes.min())
    if options.shots > smallest:
        raise ConfigError(
            f"evaluation.shots: {options.shots} labelled points per class are wanted, but the smallest class of "
            f"{dataset.name} has {smallest} training points"
        )


def encode_splits(config: DictConfig, fabric: Fabric, encoder: nn.Module, dataset: Dataset) -> dict[str, Features]:
    """Features and labels of train, dev and test, each point encoded once."""
    found: dict[str, Features] = {}
    for role, split in (("train", dataset.train), ("dev", dataset.dev), ("test", dataset.test)):
        vectors = encode(encoder, split.points, config.evaluation.batch_size, fabric)
        found[role] = vectors, split.labels.to(fabric.device)
    return found


def evaluate(config: DictConfig, features: dict[str, Features], classes: int) -> dict[str, float]:
    """``<split>.<classifier>.<metric>`` in [0, 1], e.g. ``test.mean.avg2``; the classifiers are fitted on train.

    The linear classifier's penalty is chosen on dev; of mu-5 the mean over the redraws is given, and their standard
    deviation as ``....std``.
    """
    options, device = config.evaluation, features["train"][0].device
    train, dev, test = features["train"], features["dev"], features["test"]

    found: dict[str, float] = {}
    mean = mean_classifier(*train, classes)
    for role, points in (("test", test), ("dev", dev), ("train", train)):
        _add(found, f"{role}.mean", _scores(mean, points, classes, options))
    redraws = []
    for number in range(options.redraws):
        index = few_shot_index(train[1], classes, options.shots, generator(config.seed, "shots", number, device))
        few = mean_classifier(train[0][index], train[1][index], classes)
        redraws.append(_scores(few, test, classes, options))
    name = f"test.mean{options.shots}"
    for metric in redraws[0]:
        values = torch.tensor([redraw[metric] for redraw in redraws], dtype=torch.float64)
        found[f"{name}.{metric}"] = float(values.mean())
        found[f"{name}.{metric}.std"] = float(values.std(correction=min(1, len(values) - 1)))
    linear, l2, accuracy = best_linear_classifier(
        train, dev, classes, options.l2, generator(config.seed, "linear", 0, device), options.linear_steps
    )
    _add(found, "test.linear", _scores(linear, test, classes, options))
    found["dev.linear.top1"] = accuracy
    found["linear.l2"] = l2
    return found


def _scores(classifier: Classifier, points: Features, classes: int, options: DictConfig) -> dict[str, float]:
    labels = points[1]
    found = ranks(points[0], classifier.weights, labels, classifier.bias)
    averages = {f"avg{k}": average_k_way_accuracy(found, labels, classes, k) for k in options.ks}
    tops = {f"top{r}": top_r_accuracy(found, labels, classes, r) for r in options.tops}
    return averages | tops


def _add(found: dict[str, float], prefix: str, scores: dict[str, float]) -> None:
    found.update({f"{prefix}.{name}": value for name, value in scores.items()})
