"""Classifiers on fixed features: class means (the paper's mean classifier) and multinomial logistic
regression."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crl.scoring.chunks import score_chunks
from crl.scoring.task_accuracy import ranks, top_r_accuracy
from crl.theory.finite_split import PAIR_LOSSES


class Classifier(NamedTuple):
    """Scores are ``features @ weights.T + bias``: weights [N, d]; bias [N] or None."""

    weights: Tensor
    bias: Tensor | None = None


def mean_classifier(features: Tensor, labels: Tensor, classes: int) -> Classifier:
    """``W_c = mu_c``, the mean feature of class c (section 2): no bias, no centring, no
    normalisation.

    features [n, d], labels [n] in 0..classes-1.
    """
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return Classifier(sums / counts[:, None])


def mean_classifier_loss(
    features: Tensor, means: Tensor, labels: Tensor, loss: str, rho: Tensor | None = None
) -> float:
    """``L_sup^mu`` averaged over all tasks of two classes (section 2) on points that the means need
    not come from.

    features [n, d], means [N, d], labels [n] in 0..N-1: the mean over classes c+ with points, over
    their points x and over the other classes c- of ``l(f(x)·(mu_c+ - mu_c-))``; a pair of classes
    counts by the product of their rho [N], or all alike. Raises KeyError for an unknown loss.
    """
    classes = len(means)
    shares = (
        means.new_ones(classes, dtype=torch.float64)
        if rho is None
        else rho.to(means.device, torch.float64)
    )
    sums = features.new_zeros(classes, dtype=torch.float64)
    for _, part, own in score_chunks(features, labels, classes):
        scores = (part @ means.T).double()
        losses = PAIR_LOSSES[loss](scores.gather(1, own[:, None]) - scores)
        losses.scatter_(1, own[:, None], 0)  # the class itself is no task
        sums.index_add_(0, own, losses @ shares)
    counts = torch.bincount(labels, minlength=classes)
    pairs = shares * (shares.sum() - shares)  # of a class with any other
    present = counts > 0
    return float((shares * sums / counts)[present].sum() / pairs[present].sum())


def few_shot_index(labels: Tensor, classes: int, shots: int, generator: torch.Generator) -> Tensor:
    """Indices of ``shots`` random points of every class, without replacement: int64 [classes *
    shots].

    Raises ValueError where a class has fewer points.
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


def linear_classifier(
    features: Tensor,
    labels: Tensor,
    classes: int,
    l2: float,
    generator: torch.Generator,
    least_steps: int = 1000,
) -> Classifier:
    """:func:`linear_classifiers` for one penalty."""
    return linear_classifiers(features, labels, classes, [l2], generator, least_steps=least_steps)[
        0
    ]


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
    """For every penalty the W and bias that minimise mean cross-entropy + ``l2 / 2 * ||W||^2`` on
    standardised features.

    features [n, d], labels [n]. Adam on shuffled mini-batches for at least so many steps and
    passes, its rate falling by a factor of e^5; a weak penalty's optimum may take more of them.
    Every batch serves all penalties in one product. It works in the principal axes of the features:
    the penalty is the same there, and a rate of its own for every coordinate does most where
    coordinates are uncorrelated. Standardisation and axes are folded into the returned weights [N,
    d] and bias [N].
    """
    shift, scale = _standard(features)
    points, axes = _on_principal_axes(features, shift, scale)
    count = len(penalties)
    penalty = features.new_tensor(penalties).repeat_interleave(classes)[:, None]
    weights, bias = (
        features.new_zeros(count * classes, features.shape[1]),
        features.new_zeros(count * classes),
    )
    per_epoch = -(-len(labels) // batch_size)
    epochs = max(least_epochs, -(-least_steps // per_epoch))
    optimizer = torch.optim.Adam([weights, bias], lr=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(
        optimizer, math.exp(-5 / (epochs * per_epoch))
    )
    for _ in range(epochs):
        order = torch.randperm(len(labels), generator=generator, device=labels.device)
        for index in order.split(batch_size):
            batch = points[index]
            scores = torch.addmm(bias, batch, weights.T).view(len(index), count, classes)
            errors = scores.softmax(
                2
            )  # minus one at the true class: the gradient of the cross-entropy
            own = labels[index][:, None, None].expand(-1, count, 1)
            errors.scatter_add_(2, own, errors.new_full((1, 1, 1), -1).expand_as(own))
            errors = errors.view(len(index), -1)
            weights.grad = torch.addmm(penalty * weights, errors.T, batch, alpha=1 / len(index))
            bias.grad = errors.mean(0)
            optimizer.step()
            schedule.step()
    folded = (weights @ axes.T) / scale
    bias = bias - folded @ shift
    return [
        Classifier(*found) for found in zip(folded.split(classes), bias.split(classes), strict=True)
    ]


def best_linear_classifier(
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    classes: int,
    penalties: Iterable[float],
    generator: torch.Generator,
    least_steps: int = 1000,
    rho: Tensor | None = None,
) -> tuple[Classifier, float, float]:
    """(classifier, its l2, its dev accuracy): the penalty that classifies the dev points best, the
    larger on a tie.

    train and dev are (features [n, d], labels [n]). A dev point whose class ties with another
    counts as an error; classes count by rho [N], or where it is not given by their dev points.
    """
    tried = sorted(set(penalties), reverse=True)
    if not tried:
        raise ValueError("at least one penalty is needed")
    best: tuple[Classifier, float, float] | None = None
    fitted = linear_classifiers(*train, classes, tried, generator, least_steps=least_steps)
    for found, l2 in zip(fitted, tried, strict=True):
        order = ranks(dev[0], found.weights, dev[1], found.bias)
        right = (
            float((order == 0).double().mean())
            if rho is None
            else top_r_accuracy(order, dev[1], classes, 1, rho)
        )
        if best is None or right > best[2]:
            best = found, l2, right
    assert best is not None
    return best


def _standard(features: Tensor) -> tuple[Tensor, Tensor]:
    """(shift, scale): ``(features - shift) / scale`` has mean 0 and spread 1 in every feature that
    varies."""
    shift, spread = features.mean(0), features.std(0, correction=0)
    low, high = features.aminmax(dim=0)
    # A feature that varies by no more than rounding is left as it is: divided by that, it would
    # drown the others.
    return shift, torch.where(spread > 1e-5 * torch.maximum(-low, high), spread, 1)


def _on_principal_axes(
    features: Tensor, shift: Tensor, scale: Tensor, chunk: int = 16384
) -> tuple[Tensor, Tensor]:
    """(standardised features in coordinates of their principal axes [n, d], the axes as columns [d,
    d])."""
    products = features.new_zeros(features.shape[1], features.shape[1])
    for part in features.split(chunk):
        standard = (part - shift) / scale
        products.addmm_(standard.T, standard)
    spreads, axes = torch.linalg.eigh(products)
    # Along an axis on which training points do not vary there is only rounding to learn from.
    axes[:, spreads <= spreads[-1] * torch.finfo(spreads.dtype).eps * len(spreads)] = 0
    points = torch.empty_like(features)
    for part, target in zip(features.split(chunk), points.split(chunk), strict=True):
        torch.matmul((part - shift) / scale, axes, out=target)
    return points, axes
