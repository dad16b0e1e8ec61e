"""Classifiers on fixed features: class means (the paper's mean classifier) and multinomial logistic regression."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from crl.split_losses import PAIR_LOSSES


class Classifier(NamedTuple):
    """Scores are ``features @ weights.T + bias``: weights [N, d]; bias [N] or None."""

    weights: Tensor
    bias: Tensor | None = None


def mean_classifier(features: Tensor, labels: Tensor, classes: int) -> Classifier:
    """``W_c = mu_c``, the mean feature of class c (section 2): no bias, no centring, no normalisation.

    features [n, d], labels [n] in 0..classes-1.
    """
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return Classifier(sums / counts[:, None])


def mean_classifier_loss(features: Tensor, means: Tensor, labels: Tensor, loss: str, chunk: int = 4096) -> float:
    """``L_sup^mu`` averaged over all tasks of two classes (section 2) on points that the means need not come from.

    features [n, d], means [N, d], labels [n] in 0..N-1: the mean over classes c+ with points, over their points x and
    over the other classes c- of ``l(f(x)·(mu_c+ - mu_c-))``. Raises KeyError for an unknown loss.
    """
    classes = len(means)
    sums = features.new_zeros(classes, dtype=torch.float64)
    for part, own in zip(features.split(chunk), labels.split(chunk), strict=True):
        scores = (part @ means.T).double()
        losses = PAIR_LOSSES[loss](scores.gather(1, own[:, None]) - scores)
        losses.scatter_(1, own[:, None], 0)  # the class itself is no task
        sums.index_add_(0, own, losses.sum(1) / (classes - 1))
    counts = torch.bincount(labels, minlength=classes)
    present = counts > 0
    return float((sums[present] / counts[present]).mean())


def few_shot_index(labels: Tensor, classes: int, shots: int, generator: torch.Generator) -> Tensor:
    """Indices of ``shots`` random points of every class, without replacement: int64 [classes * shots].

    Raises ValueError where a class has fewer points.
    """
    counts = torch.bincount(labels, minlength=classes)
    if int(counts.min()) < shots:
        raise ValueError(f"class {int(counts.argmin())} has {int(counts.min())} points, fewer than {shots}")
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    order = order[labels[order].argsort(stable=True)]
    starts = counts.cumsum(0) - counts
    return order[(starts[:, None] + torch.arange(shots, device=labels.device)).flatten()]


def linear_classifier(
    features: Tensor,
    labels: Tensor,
    classes: int,
    l2: float,
    generator: torch.Generator,
    batch_size: int = 512,
    least_steps: int = 2000,
    least_epochs: int = 5,
) -> Classifier:
    """Multinomial logistic regression over all classes with ``l2 / 2 * ||W||^2``, on standardised features.

    features [n, d], labels [n]. Adam on shuffled mini-batches, its rate falling to zero along a cosine, for at least
    so many steps and passes. The standardisation is folded into the returned weights [N, d] and bias [N].
    """
    shift, spread = features.mean(0), features.std(0, correction=0)
    # A feature that varies by no more than rounding is left as it is: divided by that, it would drown the others.
    scale = torch.where(spread > 1e-5 * features.abs().amax(0), spread, 1)
    weights = features.new_zeros(classes, features.shape[1], requires_grad=True)
    bias = features.new_zeros(classes, requires_grad=True)
    per_epoch = -(-len(labels) // batch_size)
    epochs = max(least_epochs, -(-least_steps // per_epoch))
    optimizer = torch.optim.Adam([weights, bias], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * per_epoch)
    for _ in range(epochs):
        order = torch.randperm(len(labels), generator=generator, device=labels.device)
        for index in order.split(batch_size):
            scores = torch.addmm(bias, (features[index] - shift) / scale, weights.T)
            loss = torch.nn.functional.cross_entropy(scores, labels[index]) + l2 / 2 * weights.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        folded = weights / scale
        return Classifier(folded, bias - folded @ shift)


def best_linear_classifier(
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    classes: int,
    penalties: Iterable[float],
    generator: torch.Generator,
    least_steps: int = 2000,
) -> tuple[Classifier, float, float]:
    """(classifier, its l2, its dev accuracy): the penalty that classifies the dev points best, the larger on a tie.

    train and dev are (features [n, d], labels [n]).
    """
    best: tuple[Classifier, float, float] | None = None
    for l2 in sorted(set(penalties), reverse=True):
        found = linear_classifier(*train, classes, l2, generator, least_steps=least_steps)
        scores = dev[0] @ found.weights.T
        assert found.bias is not None
        accuracy = float(((scores + found.bias).argmax(1) == dev[1]).double().mean())
        if best is None or accuracy > best[2]:
            best = found, l2, accuracy
    if best is None:
        raise ValueError("at least one penalty is needed")
    return best
