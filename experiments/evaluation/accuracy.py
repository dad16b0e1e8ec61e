"""AVG-k and TOP-R of the linear classifier (TR), the mean classifier (mu) and mu-5."""

from collections.abc import Mapping

import torch
from torch import Tensor

from crl.data.dataset import Split
from crl.data.imbalance import majority_and_minority
from crl.data.points import Vectors, offsets_of
from crl.data.seeding import generator
from crl.experiments.config.schema import EvaluationConfig
from crl.experiments.evaluation.encode import Features
from crl.scoring.classifiers import (
    Classifier,
    best_linear_classifier,
    few_shot_index,
    mean_classifier,
)
from crl.scoring.task_accuracy import (
    average_k_way_accuracy,
    ranks,
    top_r_accuracy,
    weighted_average_accuracies,
)

# The largest component of features whose inner products float32 holds: 10^12 and its inverse.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40


def evaluate(
    options: EvaluationConfig,
    seed: int,
    features: Mapping[str, Features],
    classes: int,
    rho: Tensor | None = None,
) -> dict[str, float]:
    """Return ``<split>.<classifier>.<metric>`` in [0, 1], such as ``test.mean.avg2``.

    The classifiers are fitted on train; dev chooses the linear classifier's penalty. mu-5 is the
    mean over the redraws, with their standard deviation as ``....std``. Classes count by rho [N];
    without it they all count alike.
    """
    rho = None if rho is None else rho.to(features["train"][0].device)
    features = _in_range(features)
    metrics = _fitted(options, seed, features, classes, rho)
    if options.label_fraction is not None:
        vectors, labels = features["train"]
        # The points that dataset.train_fraction keeps.
        sizes = torch.bincount(labels, minlength=classes)
        share = Split(Vectors(vectors), offsets_of(sizes)).fraction(options.label_fraction)
        few_labels = {**features, "train": (share.points.tensors()[0], share.labels)}
        suffix = f"{100 * options.label_fraction:g}pct"
        metrics |= _fitted(options, seed, few_labels, classes, rho, suffix)
    return metrics | _few_shot(options, seed, features, classes, rho)


def _in_range(features: Mapping[str, Features]) -> Mapping[str, Features]:
    """Return the features in float64 if products of them could overflow or vanish in float32."""
    largest = [float(vectors.abs().max()) for vectors, _ in features.values()]
    if all(size == 0 or _SMALLEST < size < _LARGEST for size in largest):
        return features
    return {role: (vectors.double(), labels) for role, (vectors, labels) in features.items()}


def _fitted(
    options: EvaluationConfig,
    seed: int,
    features: Mapping[str, Features],
    classes: int,
    rho: Tensor | None,
    suffix: str = "",
) -> dict[str, float]:
    """Score the mean and the linear classifier, named ``mean<suffix>`` and ``linear<suffix>``."""
    metrics: dict[str, float] = {}
    mean = mean_classifier(*features["train"], classes)
    for role in ("test", "dev", "train"):
        scored = scores(mean, features[role], classes, options, rho)
        metrics |= _named(f"{role}.mean{suffix}", scored)
    draws = generator(seed, f"linear{suffix}", 0, features["train"][0].device)
    linear, penalty, dev_accuracy = best_linear_classifier(
        features["train"], features["dev"], classes, options.l2, draws, options.linear_steps, rho
    )
    scored = scores(linear, features["test"], classes, options, rho)
    metrics |= _named(f"test.linear{suffix}", scored)
    if rho is not None:
        for name, classifier in (("mean", mean), ("linear", linear)):
            scored = group_scores(classifier, features["test"], rho)
            metrics |= _named(f"test.{name}{suffix}", scored)
    metrics[f"dev.linear{suffix}.top1"] = dev_accuracy
    metrics[f"linear{suffix}.l2"] = penalty
    return metrics


def _few_shot(
    options: EvaluationConfig,
    seed: int,
    features: Mapping[str, Features],
    classes: int,
    rho: Tensor | None,
) -> dict[str, float]:
    """Score the means of ``shots`` labelled points a class, over several draws of these points."""
    vectors, labels = features["train"]
    redraws = []
    for number in range(options.redraws):
        draws = generator(seed, "shots", number, vectors.device)
        index = few_shot_index(labels, classes, options.shots, draws)
        few = mean_classifier(vectors[index], labels[index], classes)
        redraws.append(scores(few, features["test"], classes, options, rho))
    metrics: dict[str, float] = {}
    name = f"test.mean{options.shots}"
    for metric in redraws[0]:
        values = torch.tensor([redraw[metric] for redraw in redraws], dtype=torch.float64)
        metrics[f"{name}.{metric}"] = float(values.mean())
        metrics[f"{name}.{metric}.std"] = float(values.std(correction=min(1, len(values) - 1)))
    return metrics


def scores(
    classifier: Classifier,
    points: Features,
    classes: int,
    options: EvaluationConfig,
    rho: Tensor | None,
) -> dict[str, float]:
    """Return AVG-k and TOP-R of a classifier for the ``ks`` and ``tops`` of the options."""
    features, labels = points
    (weights, bias) = classifier
    order = ranks(features, weights, labels, bias)
    if rho is None or majority_and_minority(rho) is None:
        averages = [average_k_way_accuracy(order, labels, classes, k) for k in options.ks]
    else:
        averages = weighted_average_accuracies(features, weights, labels, rho, options.ks, bias)
    metrics = dict(zip((f"avg{k}" for k in options.ks), averages, strict=True))
    return metrics | {
        f"top{r}": top_r_accuracy(order, labels, classes, r, rho) for r in options.tops
    }


def group_scores(classifier: Classifier, points: Features, rho: Tensor) -> dict[str, float]:
    """Return TOP-1 and AVG-2 of the majority and of the minority classes.

    The majority is drawn more often than the mean, the minority less often. TOP-1 is among all
    classes, on the group's points; AVG-2 is over the pairs inside a group of at least two. The
    classes of a group count alike. Empty if rho is uniform.
    """
    features, labels = points
    weights, bias = classifier
    metrics: dict[str, float] = {}
    for name, group in zip(
        ("majority", "minority"), majority_and_minority(rho) or (), strict=False
    ):
        place = torch.arange(len(group), device=labels.device)
        number = labels.new_full((len(weights),), -1).index_put_((group,), place)
        inside = number[labels] >= 0
        vectors, own = features[inside], labels[inside]
        order = ranks(vectors, weights, own, bias)
        metrics[f"top1_{name}"] = top_r_accuracy(order, number[own], len(group), 1)
        if len(group) > 1:
            order = ranks(
                vectors, weights[group], number[own], None if bias is None else bias[group]
            )
            metrics[f"avg2_{name}"] = average_k_way_accuracy(order, number[own], len(group), 2)
    return metrics


def _named(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}.{name}": value for name, value in metrics.items()}
