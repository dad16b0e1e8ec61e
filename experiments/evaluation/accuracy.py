"""Scoring an encoder: the linear classifier (TR), the mean classifier (mu) and mu-5, on AVG-k and
TOP-R."""

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.scoring.classifiers import (
    Classifier,
    best_linear_classifier,
    few_shot_index,
    mean_classifier,
)
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks, top_r_accuracy
from crl.scoring.weighted_task_accuracy import weighted_average_accuracies
from data.dataset import Dataset
from data.imbalance import majority_and_minority
from data.seeding import generator
from experiments.errors import ConfigError
from experiments.evaluation.encode import encode

Features = tuple[Tensor, Tensor]  # features [n, d] and labels [n]


def check_evaluation(config: DictConfig, dataset: Dataset) -> None:
    """Raise ConfigError where the data set is too small for what is to be measured."""
    options, classes = config.evaluation, len(dataset.classes)
    for name, values in (("ks", options.ks), ("tops", options.tops)):
        if max(values) > classes:
            raise ConfigError(
                f"evaluation.{name}: {max(values)} exceeds the {classes} classes of {dataset.name}"
            )
    smallest = int(dataset.train.sizes.min())
    if options.shots > smallest:
        raise ConfigError(
            f"evaluation.shots: {options.shots} labelled points per class are wanted, but the smallest class of "
            f"{dataset.name} has {smallest} training points"
        )


def encode_splits(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, dataset: Dataset
) -> dict[str, Features]:
    """Features and labels of train, dev and test, each point encoded once."""
    found: dict[str, Features] = {}
    for role, split in (("train", dataset.train), ("dev", dataset.dev), ("test", dataset.test)):
        vectors = encode(encoder, split.points, config.evaluation.batch_size, fabric)
        found[role] = vectors, split.labels.to(fabric.device)
    return found


def evaluate(
    config: DictConfig, features: dict[str, Features], classes: int, rho: Tensor | None = None
) -> dict[str, float]:
    """``<split>.<classifier>.<metric>`` in [0, 1], e.g. ``test.mean.avg2``; the classifiers are
    fitted on train.

    The linear classifier's penalty is chosen on dev; of mu-5 the mean over the redraws is given,
    and their standard deviation as ``....std``. Classes count by rho [N], or where it is not given
    all alike.
    """
    options, device = config.evaluation, features["train"][0].device
    test = features["test"]
    rho = None if rho is None else rho.to(device)
    found = _fitted(config, features, classes, "", rho)
    if options.label_fraction is not None:
        few_labels = features | {
            "train": _first_share(features["train"], classes, options.label_fraction)
        }
        found |= _fitted(config, few_labels, classes, f"{100 * options.label_fraction:g}pct", rho)
    redraws = []
    for number in range(options.redraws):
        index = few_shot_index(
            features["train"][1],
            classes,
            options.shots,
            generator(config.seed, "shots", number, device),
        )
        few = mean_classifier(features["train"][0][index], features["train"][1][index], classes)
        redraws.append(scores(few, test, classes, options, rho))
    name = f"test.mean{options.shots}"
    for metric in redraws[0]:
        values = torch.tensor([redraw[metric] for redraw in redraws], dtype=torch.float64)
        found[f"{name}.{metric}"] = float(values.mean())
        found[f"{name}.{metric}.std"] = float(values.std(correction=min(1, len(values) - 1)))
    return found


def _fitted(
    config: DictConfig, features: dict[str, Features], classes: int, suffix: str, rho: Tensor | None
) -> dict[str, float]:
    """The mean and the linear classifier fitted on ``train``, named ``mean<suffix>`` and
    ``linear<suffix>``."""
    options = config.evaluation
    found: dict[str, float] = {}
    mean = mean_classifier(*features["train"], classes)
    for role in ("test", "dev", "train"):
        _add(found, f"{role}.mean{suffix}", scores(mean, features[role], classes, options, rho))
    draws = generator(config.seed, f"linear{suffix}", 0, features["train"][0].device)
    linear, l2, accuracy = best_linear_classifier(
        features["train"], features["dev"], classes, options.l2, draws, options.linear_steps, rho
    )
    _add(found, f"test.linear{suffix}", scores(linear, features["test"], classes, options, rho))
    if rho is not None:
        _add(found, f"test.mean{suffix}", group_scores(mean, features["test"], rho))
        _add(found, f"test.linear{suffix}", group_scores(linear, features["test"], rho))
    found[f"dev.linear{suffix}.top1"] = accuracy
    found[f"linear{suffix}.l2"] = l2
    return found


def _first_share(points: Features, classes: int, share: float) -> Features:
    """The first share of every class, at least one point: those that ``dataset.train_fraction``
    keeps (sorted labels)."""
    labels = points[1]
    sizes = torch.bincount(labels, minlength=classes)
    counts = (sizes * share).round().long().clamp(min=1)
    within = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes)[labels]
    kept = within < counts[labels]
    return points[0][kept], labels[kept]


def scores(
    classifier: Classifier, points: Features, classes: int, options: DictConfig, rho: Tensor | None
) -> dict[str, float]:
    """AVG-k and TOP-R of a classifier on features and labels, for the ks and tops that are
    wanted."""
    labels = points[1]
    found = ranks(points[0], classifier.weights, labels, classifier.bias)
    if rho is None or majority_and_minority(rho) is None:
        averages = [average_k_way_accuracy(found, labels, classes, k) for k in options.ks]
    else:
        averages = weighted_average_accuracies(
            points[0], classifier.weights, labels, rho, options.ks, classifier.bias
        )
    tops = {f"top{r}": top_r_accuracy(found, labels, classes, r, rho) for r in options.tops}
    return dict(zip((f"avg{k}" for k in options.ks), averages, strict=True)) | tops


def group_scores(classifier: Classifier, points: Features, rho: Tensor) -> dict[str, float]:
    """``top1_majority``, ``avg2_majority`` and the same of the minority: classes drawn more, or
    less, often than the mean.

    TOP-1 among all classes on the group's points; AVG-2 over the pairs inside a group of at least
    two. The classes of a group count alike. Empty where rho is uniform.
    """
    features, labels = points
    (weights, bias), found = classifier, {}
    for name, group in zip(
        ("majority", "minority"), majority_and_minority(rho) or (), strict=False
    ):
        number = labels.new_full((len(weights),), -1).index_put_(
            (group,), torch.arange(len(group), device=labels.device)
        )
        inside = number[labels] >= 0
        some, own = features[inside], labels[inside]
        found[f"top1_{name}"] = top_r_accuracy(
            ranks(some, weights, own, bias), number[own], len(group), 1
        )
        if len(group) > 1:
            order = ranks(some, weights[group], number[own], None if bias is None else bias[group])
            found[f"avg2_{name}"] = average_k_way_accuracy(order, number[own], len(group), 2)
    return found


def _add(found: dict[str, float], prefix: str, scored: dict[str, float]) -> None:
    found.update({f"{prefix}.{name}": value for name, value in scored.items()})
