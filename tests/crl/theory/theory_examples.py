"""Small finite splits and slow references: plain Python numbers and loops."""

import itertools
import math
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory.collision_probability import class_distribution
from crl.theory.finite_split import FiniteSplit, finite_split
from crl.theory.split_losses import Estimate

LOSS_NAMES = sorted(LOSSES)
DRAWS = 4000
ERRORS = 5  # standard errors that a sampled value may be off


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Example(NamedTuple):
    features: Tensor
    labels: Tensor
    rho: Tensor

    @property
    def split(self) -> FiniteSplit:
        return finite_split(*self)


@st.composite
def examples(draw: st.DrawFn, classes: int = 4, points: int = 4) -> Example:
    """Features of a few points in shuffled order.

    They are arbitrary, duplicated, collapsed to one point a class, or zero.
    """
    sizes = draw(st.lists(st.integers(1, points), min_size=2, max_size=classes))
    d = draw(st.integers(1, 3))
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.tensor(draw(st.permutations(range(len(labels)))))]
    kind = draw(st.sampled_from(["free", "free", "normal", "duplicated", "collapsed", "zero"]))
    if kind == "free":
        numbers = st.floats(-4, 4, allow_subnormal=False)
        values = draw(st.lists(numbers, min_size=len(labels) * d, max_size=len(labels) * d))
        features = torch.tensor(values, dtype=torch.float64).view(-1, d)
    else:
        features = torch.randn(
            len(labels), d, generator=seeded(draw(st.integers(0, 999))), dtype=torch.float64
        )
    if kind == "duplicated":
        features = features[torch.arange(len(labels)) // 2]
    if kind == "collapsed":
        features = features[labels]
    features = features * (0 if kind == "zero" else draw(st.sampled_from([1e-3, 1, 1, 30, 1e4])))
    weights = draw(
        st.one_of(
            st.just(sizes), st.lists(st.integers(1, 9), min_size=len(sizes), max_size=len(sizes))
        )
    )
    return Example(features, labels, class_distribution(torch.tensor(weights)))


def a_split(
    seed: int = 0, sizes: tuple[int, ...] = (3, 2, 4), d: int = 3, spread: float = 1.0
) -> Example:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    centres = torch.randn(len(sizes), d, generator=seeded(seed), dtype=torch.float64)
    noise = torch.randn(len(labels), d, generator=seeded(seed + 1), dtype=torch.float64)
    return Example(
        centres[labels] + spread * noise, labels, class_distribution(torch.tensor(sizes))
    )


def points_by_class(example: Example) -> list[list[list[float]]]:
    by_class: list[list[list[float]]] = [[] for _ in example.rho]
    for point, label in zip(example.features.tolist(), example.labels.tolist(), strict=True):
        by_class[label].append(point)
    return by_class


def dot(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def mean_point(points: list[list[float]]) -> list[float]:
    return [math.fsum(column) / len(points) for column in zip(*points, strict=True)]


def slow_loss(margins: list[float], loss: str) -> float:
    worst = max(0.0, *(-v for v in margins)) if margins else 0.0
    if loss == "hinge":
        return max(0.0, 1 + max(-v for v in margins)) if margins else 0.0
    return (
        worst + math.log(math.exp(-worst) + math.fsum(math.exp(-v - worst) for v in margins))
    ) / math.log(2)


def slow_unsupervised(example: Example, loss: str, block_size: int = 1) -> list[list[float]]:
    """Pair losses over every block of b points of every class, drawn with replacement."""
    classes = points_by_class(example)
    blocks = [
        [mean_point(list(block)) for block in itertools.product(c, repeat=block_size)]
        for c in classes
    ]

    def pair(own: int, other: int) -> float:
        values = [
            slow_loss([dot(x, positive) - dot(x, negative)], loss)
            for x, positive, negative in itertools.product(classes[own], blocks[own], blocks[other])
        ]
        return math.fsum(values) / len(values)

    return [[pair(own, other) for other in range(len(classes))] for own in range(len(classes))]


def slow_supervised(example: Example, loss: str) -> list[list[float]]:
    classes = points_by_class(example)
    means = [mean_point(c) for c in classes]
    return [
        [
            math.fsum(slow_loss([dot(x, means[c]) - dot(x, mean)], loss) for x in own) / len(own)
            for mean in means
        ]
        for c, own in enumerate(classes)
    ]


def slow_k(example: Example, negatives: int, loss: str) -> dict[str, float]:
    """L_un and the terms of theorem 6.1 and its proof, over every tuple of k negatives."""
    classes, rho = points_by_class(example), example.rho.tolist()
    means = [mean_point(c) for c in classes]
    terms = dict.fromkeys(
        ("total", "different", "supervised", "tasks", "zero", "free", "distinct"), 0.0
    )
    for own, *others in itertools.product(range(len(classes)), repeat=1 + negatives):
        chance = math.prod(rho[c] for c in (own, *others))
        collisions = sum(c == own for c in others)
        for x in classes[own]:
            weight = chance / len(classes[own])
            scored = weight * slow_loss(
                [dot(x, means[own]) - dot(x, means[c]) for c in sorted({*others})], loss
            )
            if not collisions:
                terms["free"] += weight
                terms["supervised"] += scored
            if not collisions and len({*others}) == negatives:
                terms["distinct"] += weight
                terms["tasks"] += scored
            for positive, *drawn in itertools.product(classes[own], *(classes[c] for c in others)):
                each = weight / len(classes[own]) / math.prod(len(classes[c]) for c in others)
                margins = [dot(x, positive) - dot(x, negative) for negative in drawn]
                terms["total"] += each * slow_loss(margins, loss)
                different = [margin for margin, c in zip(margins, others, strict=True) if c != own]
                terms["different"] += each * slow_loss(different, loss)
        terms["zero"] += chance * (slow_loss([0.0] * collisions, loss) if collisions else 0.0)
    terms["supervised"] /= terms["free"]
    terms["tasks"] /= terms["distinct"] or 1
    return terms


def scale(example: Example) -> float:
    return max(1.0, float(example.features.square().sum(1).max()))


def assert_close(value: Tensor | float, expected: object, example: Example) -> None:
    torch.testing.assert_close(
        torch.as_tensor(value, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=1e-10,
        atol=1e-11 * scale(example),
    )


def assert_estimates(estimate: Estimate, exact: float) -> None:
    assert estimate.standard_error > 0
    assert abs(estimate.mean - exact) <= ERRORS * estimate.standard_error
