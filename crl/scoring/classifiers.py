"""Classifiers on fixed features: the paper's mean classifier, and logistic regression."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.scoring.task_accuracy import ranks, score_chunks, top_r_accuracy


class Classifier(NamedTuple):
    """A linear classifier with scores ``features @ weights.T + bias``.

    weights [N, d]; bias [N] or None.
    """

    weights: Tensor
    bias: Tensor | None = None


def mean_classifier(features: Tensor, labels: Tensor, classes: int) -> Classifier:
    """The mean classifier: ``W_c = mu_c``, the mean feature of class c (section 2).

    features [n, d], labels [n] in 0..classes-1. There is no bias, centring or normalisation. The
    mean of a class without a point is 0.
    """
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return Classifier(sums / counts[:, None])


def mean_classifier_loss(
    features: Tensor, means: Tensor, labels: Tensor, loss: str, rho: Tensor | None = None
) -> float:
    """``L_sup^mu`` averaged over all tasks of two classes (section 2).

    features [n, d], labels [n] in 0..N-1 and means [N, d], which may be those of other points. The
    result is the mean of ``l(f(x)·(mu_c+ - mu_c-))`` over classes c+ with points, their points x
    and the other classes c-. A pair of classes has a weight proportional to the product of its rho
    [N]; without rho all pairs count alike. Raises KeyError for an unknown loss.
    """
    classes = len(means)
    shares = (
        means.new_ones(classes, dtype=torch.float64)
        if rho is None
        else rho.to(means.device, torch.float64)
    )
    sums = features.new_zeros(classes, dtype=torch.float64)
    for _, points, own in score_chunks(features, labels, classes):
        scores = (points @ means.T).double()
        losses = LOSSES[loss].of_pair(scores.gather(1, own[:, None]) - scores)
        losses.scatter_(1, own[:, None], 0)  # a class with itself is no task
        sums.index_add_(0, own, losses @ shares)
    counts = torch.bincount(labels, minlength=classes)
    pairs = shares * (shares.sum() - shares)  # of each class with all others
    present = counts > 0
    return float((shares * sums / counts)[present].sum() / pairs[present].sum())


def few_shot_index(labels: Tensor, classes: int, shots: int, generator: torch.Generator) -> Tensor:
    """Draw ``shots`` points of every class without replacement: indices int64 [classes * shots].

    labels [n] in 0..classes-1. Raises ValueError if a class has fewer points.
    """
    counts = torch.bincount(labels, minlength=classes)
    if int(counts.min()) < shots:
        raise ValueError(
            f"class {int(counts.argmin())} has {int(counts.min())} points, fewer than {shots}"
        )
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    order = order[labels[order].argsort(stable=True)]
    starts = counts.cumsum(0) - counts
    return order[(starts[:, None] + torch.arange(shots, device=labels.device)).flatten()]


def linear_classifiers(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float],
    generator: torch.Generator,
    batch_size: int = 512,
    least_steps: int = 1000,
    least_epochs: int = 3,
) -> list[Classifier]:
    """Fit multinomial logistic regression, one classifier for every penalty.

    features [n, d], labels [n] in 0..classes-1. Each classifier minimises the mean cross-entropy +
    ``l2 / 2 * ||W||^2`` on standardised features. Adam takes shuffled mini-batches for at least
    ``least_steps`` steps and ``least_epochs`` passes, while its rate falls by a factor of e^5. A
    weak penalty's optimum may take more steps. All penalties share each batch in one product.

    The fit works in the principal axes of the features. There the penalty is the same, and Adam's
    separate rate for every coordinate helps most, because the coordinates are uncorrelated.
    Standardisation and axes are folded into the returned weights [N, d] and bias [N].
    """
    shift, scale = _standard(features)
    points, axes = _on_principal_axes(features, shift, scale)
    count = len(penalties)
    penalty = features.new_tensor(penalties).repeat_interleave(classes)[:, None]
    weights = features.new_zeros(count * classes, features.shape[1])
    bias = features.new_zeros(count * classes)
    per_epoch = -(-len(labels) // batch_size)
    epochs = max(least_epochs, -(-least_steps // per_epoch))
    optimizer = torch.optim.Adam([weights, bias], lr=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(
        optimizer, math.exp(-5 / (epochs * per_epoch))
    )
    for _ in range(epochs):
        shuffle = torch.randperm(len(labels), generator=generator, device=labels.device)
        for index in shuffle.split(batch_size):
            batch = points[index]
            scores = torch.addmm(bias, batch, weights.T).view(len(index), count, classes)
            # The gradient of the cross-entropy: the softmax, minus 1 at the true class.
            errors = scores.softmax(2)
            own = labels[index][:, None, None].expand(-1, count, 1)
            errors.scatter_add_(2, own, errors.new_full((1, 1, 1), -1).expand_as(own))
            errors = errors.view(len(index), -1)
            weights.grad = torch.addmm(penalty * weights, errors.T, batch, alpha=1 / len(index))
            bias.grad = errors.mean(0)
            optimizer.step()
            schedule.step()
    folded = (weights @ axes.T) / scale
    bias = bias - folded @ shift
    return list(map(Classifier, folded.split(classes), bias.split(classes)))


def best_linear_classifier(
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    classes: int,
    penalties: Iterable[float],
    generator: torch.Generator,
    least_steps: int = 1000,
    rho: Tensor | None = None,
) -> tuple[Classifier, float, float]:
    """Choose the L2 penalty by dev accuracy: (classifier, its l2, its dev accuracy).

    train and dev are (features [n, d], labels [n]). On a tie the larger penalty wins. A dev point
    whose class ties with another counts as an error. Classes count by rho [N], or without rho by
    their number of dev points. Raises ValueError without a penalty.
    """
    penalties = sorted(set(penalties), reverse=True)
    if not penalties:
        raise ValueError("at least one penalty is needed")

    def dev_accuracy(classifier: Classifier) -> float:
        dev_ranks = ranks(dev[0], classifier.weights, dev[1], classifier.bias)
        if rho is None:
            return float((dev_ranks == 0).double().mean())
        return top_r_accuracy(dev_ranks, dev[1], classes, 1, rho)

    fitted = linear_classifiers(*train, classes, penalties, generator, least_steps=least_steps)
    candidates = [
        (classifier, l2, dev_accuracy(classifier))
        for classifier, l2 in zip(fitted, penalties, strict=True)
    ]
    return max(candidates, key=lambda candidate: candidate[2])  # the first of equals


def _standard(features: Tensor) -> tuple[Tensor, Tensor]:
    """(shift [d], scale [d]) such that ``(features - shift) / scale`` is standardised.

    Every feature that varies then has mean 0 and standard deviation 1.
    """
    shift, spread = features.mean(0), features.std(0, correction=0)
    low, high = features.aminmax(dim=0)
    # Leave a feature that varies by rounding alone: divided by that, it would drown the others.
    return shift, torch.where(spread > 1e-5 * torch.maximum(-low, high), spread, 1)


def _on_principal_axes(
    features: Tensor, shift: Tensor, scale: Tensor, chunk: int = 16384
) -> tuple[Tensor, Tensor]:
    """(standardised features in their principal axes [n, d], the axes as columns [d, d])."""
    products = features.new_zeros(features.shape[1], features.shape[1])
    for rows in features.split(chunk):
        standard = (rows - shift) / scale
        products.addmm_(standard.T, standard)
    spreads, axes = torch.linalg.eigh(products)
    # Along an axis without variance there is only rounding to learn from.
    axes[:, spreads <= spreads[-1] * torch.finfo(spreads.dtype).eps * len(spreads)] = 0
    points = torch.empty_like(features)
    for rows, target in zip(features.split(chunk), points.split(chunk), strict=True):
        torch.matmul((rows - shift) / scale, axes, out=target)
    return points, axes
