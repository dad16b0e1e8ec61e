"""The theory against slow references, its inequalities on arbitrary features, and wrong programs
that it must catch."""

import itertools
import json
import math
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.losses.contrastive import LOSSES
from crl.theory import bounds as theory
from crl.theory import finite_split as split_losses
from crl.theory.bounds import (
    DEVIATION_CONSTANTS,
    class_distribution,
    collision_probability,
    deviation_weight,
    intraclass_deviation,
    no_collision_probability,
    theory_report,
    violations,
)
from crl.theory.finite_split import (
    PAIR_LOSSES,
    FiniteSplit,
    draw_classes,
    draw_collision_free,
    draw_tasks,
    enumeration_cost,
    finite_split,
    sampled_different_loss,
    sampled_supervised_loss,
    sampled_unsupervised_loss,
    subsample,
    supervised_pair_losses,
    unsupervised_pair_losses,
)

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
    """Features of a few points in shuffled order: arbitrary, duplicated, collapsed to one point a
    class, or zero."""
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


# Slow references: plain Python numbers and loops, points by class, sizes as lists.


def points_by_class(example: Example) -> list[list[list[float]]]:
    found: list[list[list[float]]] = [[] for _ in example.rho]
    for point, label in zip(example.features.tolist(), example.labels.tolist(), strict=True):
        found[label].append(point)
    return found


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
    """Pair losses with every block of every class enumerated (b draws with replacement)."""
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
    """Every tuple of k negatives with its probability: L_un, the terms of theorem 6.1 and of its
    proof."""
    classes, rho = points_by_class(example), example.rho.tolist()
    means = [mean_point(c) for c in classes]
    found = dict.fromkeys(
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
                found["free"] += weight
                found["supervised"] += scored
            if not collisions and len({*others}) == negatives:
                found["distinct"] += weight
                found["tasks"] += scored
            for positive, *drawn in itertools.product(classes[own], *(classes[c] for c in others)):
                each = weight / len(classes[own]) / math.prod(len(classes[c]) for c in others)
                margins = [dot(x, positive) - dot(x, negative) for negative in drawn]
                found["total"] += each * slow_loss(margins, loss)
                kept = [margin for margin, c in zip(margins, others, strict=True) if c != own]
                found["different"] += each * slow_loss(kept, loss)
        found["zero"] += chance * (slow_loss([0.0] * collisions, loss) if collisions else 0.0)
    found["supervised"] /= found["free"]
    found["tasks"] /= found["distinct"] or 1
    return found


def scale(example: Example) -> float:
    return max(1.0, float(example.features.square().sum(1).max()))


def assert_close(found: Tensor | float, expected: object, example: Example) -> None:
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=1e-10,
        atol=1e-11 * scale(example),
    )


# Classes alone.


def test_no_collision_probability_complements_tau_k() -> None:
    rho = class_distribution(torch.tensor([1, 2, 5]))
    for k in (1, 2, 7):
        exact = sum(Fraction(n, 8) * (1 - Fraction(n, 8)) ** k for n in (1, 2, 5))
        assert no_collision_probability(rho, k) == pytest.approx(float(exact), rel=1e-14)
        assert collision_probability(rho, k) == pytest.approx(float(1 - exact), rel=1e-14)
    assert no_collision_probability(torch.tensor([0.5, 0.5]), 60) == 2.0**-60


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_deviation_weight_is_theorem_4_5_at_one_negative_and_k_over_classes_for_many(
    loss: str,
) -> None:
    rho = class_distribution(torch.tensor([1, 3, 4]))
    tau = collision_probability(rho)
    assert deviation_weight(rho, 1, loss) == pytest.approx(
        DEVIATION_CONSTANTS[loss] * tau / (1 - tau), rel=1e-14
    )
    uniform = class_distribution(torch.ones(10_000))
    assert deviation_weight(uniform, 5, loss) == pytest.approx(
        DEVIATION_CONSTANTS[loss] * 5e-4, rel=1e-3
    )


# Exact losses against the slow references.


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_pair_losses_are_the_losses_of_one_margin(loss: str) -> None:
    margins = torch.tensor(
        [-1e6, -700.0, -41.0, -1.0, 0.0, 0.5, 1.0, 41.0, 800.0], dtype=torch.float64
    )
    expected = [slow_loss([v], loss) for v in margins.tolist()]
    for found in (LOSSES[loss](margins[:, None]), PAIR_LOSSES[loss](margins)):
        assert found.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@settings(max_examples=40, deadline=None)
@given(examples(), st.sampled_from(LOSS_NAMES))
def test_exact_losses_equal_the_loops(example: Example, loss: str) -> None:
    assert_close(
        unsupervised_pair_losses(example.split, loss), slow_unsupervised(example, loss), example
    )
    assert_close(
        supervised_pair_losses(example.split, loss), slow_supervised(example, loss), example
    )


@settings(max_examples=30, deadline=None)
@given(examples(), st.sampled_from(LOSS_NAMES))
def test_report_averages_pairs_of_classes_as_the_paper_does(example: Example, loss: str) -> None:
    by_size = example._replace(rho=class_distribution(torch.bincount(example.labels)))
    rho = by_size.rho.tolist()
    unsupervised, supervised = slow_unsupervised(by_size, loss), slow_supervised(by_size, loss)
    pairs = {(a, b): rho[a] * rho[b] for a in range(len(rho)) for b in range(len(rho))}
    tau = sum(chance for (a, b), chance in pairs.items() if a == b)
    report = theory_report(*by_size[:2], len(rho), 1, 1, loss, seeded(), draws=2)
    losses = report["unsupervised_loss"]
    assert report["tau"] == report["tau_k"] == pytest.approx(tau, rel=1e-14)
    assert_close(
        losses["total"], sum(p * unsupervised[a][b] for (a, b), p in pairs.items()), example
    )
    assert_close(
        losses["same"],
        sum(p * unsupervised[a][b] for (a, b), p in pairs.items() if a == b) / tau,
        example,
    )
    distinct = {(a, b): p / (1 - tau) for (a, b), p in pairs.items() if a != b}
    assert_close(
        losses["different"], sum(p * unsupervised[a][b] for (a, b), p in distinct.items()), example
    )
    expected = sum(p * supervised[a][b] for (a, b), p in distinct.items())
    assert_close(report["supervised_mean_loss"]["pairs"], expected, example)


@settings(max_examples=30, deadline=None)
@given(examples(), st.sampled_from(LOSS_NAMES), st.sampled_from([0.0, 1.0, 3.0]), st.integers(1, 3))
def test_report_follows_a_rho_that_is_given(
    example: Example, loss: str, power: float, negatives: int
) -> None:
    """Whatever the numbers of points are: every number against the loops, and Lemma 4.3 with the
    rest holds exactly."""
    example = example._replace(rho=example.rho**power / (example.rho**power).sum())
    rho = example.rho.tolist()
    unsupervised, supervised = slow_unsupervised(example, loss), slow_supervised(example, loss)
    report = theory_report(
        *example[:2], len(rho), negatives, 1, loss, seeded(), draws=2, rho=example.rho
    )
    tau = sum(share**2 for share in rho)
    assert report["tau"] == pytest.approx(tau, rel=1e-12)
    assert report["tau_k"] == pytest.approx(
        sum(share * (1 - (1 - share) ** negatives) for share in rho), rel=1e-9
    )
    classes = range(len(rho))
    total = sum(rho[a] * rho[b] * unsupervised[a][b] for a in classes for b in classes)
    same = sum(rho[a] ** 2 * unsupervised[a][a] for a in classes) / tau
    pairs = sum(rho[a] * rho[b] * supervised[a][b] for a in classes for b in classes if a != b) / (
        1 - tau
    )
    assert_close(report["unsupervised_loss"]["total"], total, example)
    assert_close(report["unsupervised_loss"]["same"], same, example)
    assert_close(report["supervised_mean_loss"]["pairs"], pairs, example)
    assert report["intraclass_deviation"] == intraclass_deviation(example.split)
    assert report["bounds"]["lemma_4_3"]["left"] == report["supervised_mean_loss"]["pairs"]
    assert violations(report) == []


def test_enumeration_in_small_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    split = a_split(sizes=(5, 3, 6)).split
    whole = unsupervised_pair_losses(split, "logistic")
    monkeypatch.setattr(split_losses, "ENUMERATED", 20)
    torch.testing.assert_close(
        unsupervised_pair_losses(split, "logistic"), whole, rtol=1e-13, atol=0
    )


@settings(max_examples=40, deadline=None)
@given(examples())
def test_intraclass_deviation_equals_the_definition(example: Example) -> None:
    deviations = []
    for c in range(len(example.rho)):
        points = example.features[example.labels == c]
        root = torch.linalg.matrix_norm(points - points.mean(0), ord=2) / math.sqrt(len(points))
        deviations.append(root * points.norm(dim=1).mean())
    nu = example.rho**2 / (example.rho**2).sum()
    expected = float((nu * torch.stack(deviations)).sum())
    # The eigenvalue is rounded at eps * norm^2, hence its root at sqrt(eps) * norm.
    assert intraclass_deviation(example.split) == pytest.approx(
        expected, rel=1e-7, abs=1e-7 * scale(example)
    )


def test_float32_features_are_computed_in_float64() -> None:
    example = a_split()
    single = example._replace(features=example.features.float())
    double = example._replace(features=example.features.float().double())
    expected = unsupervised_pair_losses(double.split, "logistic")
    assert torch.equal(unsupervised_pair_losses(single.split, "logistic"), expected)


def test_finite_split_leaves_out_empty_classes_and_refuses_what_has_no_theory() -> None:
    features, labels = torch.eye(4), torch.tensor([3, 0, 3, 0])
    split = finite_split(features, labels, torch.tensor([0.2, 0.3, 0.4, 0.1]))
    assert split.sizes.tolist() == [2, 2]
    assert split.rho.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert torch.equal(split.features, features[[1, 3, 0, 2]].double())
    with pytest.raises(ValueError, match="two classes"):
        finite_split(features, torch.zeros(4, dtype=torch.int64), torch.ones(4) / 4)
    with pytest.raises(ValueError, match="finite"):
        finite_split(features.fill_(math.nan), labels, torch.ones(4) / 4)


# What the paper proves, on arbitrary features.


@settings(max_examples=80, deadline=None)
@given(examples(classes=5, points=6), st.sampled_from(LOSS_NAMES))
def test_exact_bounds_hold_for_all_features(example: Example, loss: str) -> None:
    exact = theory._exact_quantities(example.split, loss)
    for name, bound in theory._exact_bounds(example.split, exact, loss).items():
        assert bound["slack"] >= -1e-9 * max(scale(example), bound["left"]), name
    report = theory_report(*example[:2], len(example.rho), 1, 1, loss, seeded(), draws=2)
    assert violations(report) == []


@settings(max_examples=25, deadline=None)
@given(examples(classes=3, points=3), st.sampled_from(LOSS_NAMES), st.integers(2, 3))
def test_proposition_6_2_holds_with_every_block_enumerated(
    example: Example, loss: str, block_size: int
) -> None:
    block = torch.tensor(slow_unsupervised(example, loss, block_size), dtype=torch.float64)
    rounding = 1e-11 * scale(example)
    # Entry by entry, so that it holds for every rho.
    assert bool((supervised_pair_losses(example.split, loss) <= block + rounding).all())
    assert bool((block <= unsupervised_pair_losses(example.split, loss) + rounding).all())


@settings(max_examples=25, deadline=None)
@given(examples(classes=3, points=2), st.sampled_from(LOSS_NAMES), st.integers(1, 2))
def test_theorem_6_1_and_its_proof_hold_with_every_tuple_enumerated(
    example: Example, loss: str, negatives: int
) -> None:
    found, split = slow_k(example, negatives, loss), example.split
    free = no_collision_probability(split.rho, negatives)
    assert found["free"] == pytest.approx(free, rel=1e-12)
    between = (found["total"] - found["zero"]) / free
    right = found["different"] / free + deviation_weight(
        split.rho, negatives, loss
    ) * intraclass_deviation(split)
    rounding = 1e-9 * scale(example)
    assert found["supervised"] <= between + rounding
    assert between <= right + rounding


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_constant_of_lemma_4_4_holds_and_nothing_below_root_two_thirds_of_it_would(
    loss: str,
) -> None:
    # One dimension, a uniform class at a large scale: the worst case, as Gini's mean difference is
    # 2 sigma / sqrt 3.
    spread = torch.linspace(-1, 1, 41, dtype=torch.float64)[:, None] * 100
    split = finite_split(
        torch.cat([spread, spread]), torch.arange(82) // 41, torch.tensor([0.5, 0.5])
    )
    exact = theory._exact_quantities(split, loss)
    ratio = (exact["same"] - 1) / (DEVIATION_CONSTANTS[loss] * exact["deviation"])
    assert math.sqrt(2 / 3) - 0.01 < ratio < math.sqrt(2 / 3) + 0.01


# Sampled estimates.


def assert_estimates(estimate: split_losses.Estimate, exact: float) -> None:
    assert estimate.standard_error > 0
    assert abs(estimate.mean - exact) <= ERRORS * estimate.standard_error


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("block_size", [1, 2])
def test_sampled_loss_agrees_with_every_block_enumerated(loss: str, block_size: int) -> None:
    example = a_split(seed=3)
    pairs = torch.tensor(slow_unsupervised(example, loss, block_size), dtype=torch.float64)
    exact = float(example.rho @ pairs @ example.rho)
    tuples = draw_classes(example.split.rho, (DRAWS, 2), seeded())
    assert_estimates(
        sampled_unsupervised_loss(example.split, tuples, block_size, loss, seeded(1)), exact
    )
    apart = theory._sampled_pair_loss(example.split, block_size, loss, DRAWS, seeded(2))
    assert_estimates(apart, exact)


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_sampled_losses_with_two_negatives_agree_with_every_tuple_enumerated(loss: str) -> None:
    example = a_split(seed=5, sizes=(2, 1, 3))
    split, exact = example.split, slow_k(example, 2, loss)
    tuples = draw_classes(split.rho, (DRAWS, 3), seeded())
    assert_estimates(sampled_unsupervised_loss(split, tuples, 1, loss, seeded(1)), exact["total"])
    assert_estimates(sampled_different_loss(split, tuples, loss, seeded(2)), exact["different"])
    free = draw_collision_free(split.rho, 2, DRAWS, seeded(3))
    assert_estimates(sampled_supervised_loss(split, free, loss, seeded(4)), exact["supervised"])
    tasks = draw_tasks(split.rho, 3, DRAWS, seeded(5))
    assert_estimates(sampled_supervised_loss(split, tasks, loss, seeded(6)), exact["tasks"])
    theorem = theory._theorem_6_1(split, intraclass_deviation(split), 2, loss, DRAWS, seeded(7))
    free_chance, beta = no_collision_probability(split.rho, 2), deviation_weight(split.rho, 2, loss)
    right = exact["different"] / free_chance + beta * intraclass_deviation(split)
    slack = split_losses.Estimate(theorem["slack"], theorem["standard_error"])
    assert_estimates(slack, right - exact["supervised"])


def test_sampling_in_small_parts_keeps_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    split = a_split().split
    monkeypatch.setattr(split_losses, "GATHERED", 50)
    tuples = draw_classes(split.rho, (7, 3), seeded())
    assert split_losses._margins(split, tuples, 2, seeded()).shape == (7, 2)


def frequencies(tuples: Tensor, classes: int) -> Tensor:
    codes = (tuples * classes ** torch.arange(tuples.shape[1])).sum(1)
    return torch.bincount(codes, minlength=classes ** tuples.shape[1]).double() / len(tuples)


def conditional(rho: Tensor, size: int, distinct: bool) -> Tensor:
    """Probability of each class tuple i.i.d. from rho, given that all (or the first and the others)
    differ."""
    chances = torch.zeros(len(rho) ** size, dtype=torch.float64)
    for classes in itertools.product(range(len(rho)), repeat=size):
        if len({*classes}) == size if distinct else classes[0] not in classes[1:]:
            code = sum(c * len(rho) ** i for i, c in enumerate(classes))
            chances[code] = math.prod(float(rho[c]) for c in classes)
    return chances / chances.sum()


@pytest.mark.parametrize(
    ("size", "distinct"), [(2, True), (3, True), (4, True), (2, False), (3, False)]
)
def test_class_tuples_have_their_conditional_distribution(size: int, distinct: bool) -> None:
    rho, draws = class_distribution(torch.tensor([1, 2, 3, 6])), 20_000
    if distinct:
        drawn = draw_tasks(rho, size, draws, seeded(size))
    else:
        drawn = draw_collision_free(rho, size - 1, draws, seeded(size))
    assert drawn.shape == (draws, size)
    expected = conditional(rho, size, distinct)
    errors = (expected * (1 - expected) / draws).sqrt()
    assert bool(((frequencies(drawn, 4) - expected).abs() <= ERRORS * errors).all())


def test_large_tasks_are_drawn_without_rejection() -> None:
    rho = class_distribution(torch.arange(1, 301))
    tasks = draw_tasks(rho, 300, 3, seeded())
    assert tasks.sort(1).values.tolist() == [list(range(300))] * 3
    with pytest.raises(ValueError, match="301 distinct"):
        draw_tasks(rho, 301, 3, seeded())


# Subsample.


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=12).filter(
        lambda sizes: sum(n > 0 for n in sizes) > 1
    ),
    st.integers(4, 100_000),
    st.integers(1, 12),
    st.integers(0, 99),
)
def test_subsample_spends_its_budget_and_no_more(
    sizes: list[int], budget: int, least: int, seed: int
) -> None:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=seeded(seed))]
    index = subsample(labels, len(sizes), budget, seeded(seed), least)
    assert torch.equal(index, subsample(labels, len(sizes), budget, seeded(seed), least))
    assert index.tolist() == sorted({*index.tolist()})
    full = torch.bincount(labels, minlength=len(sizes))
    counts = torch.bincount(labels[index], minlength=len(sizes))
    kept = counts > 0
    assert int(kept.sum()) >= 2
    assert enumeration_cost(counts) <= budget
    cap = int(counts.max())
    assert torch.equal(counts[kept], full[kept].clamp(max=cap))
    if enumeration_cost(full.clamp(max=least)) <= budget:
        assert torch.equal(kept, full > 0)
    if cap < int(full[kept].max()):  # one point more a class would be too dear
        assert enumeration_cost(full[kept].clamp(max=cap + 1)) > budget


def test_subsample_draws_at_random_and_keeps_all_where_it_can() -> None:
    labels = torch.arange(200) % 5
    assert subsample(labels, 5, math.inf, seeded()).tolist() == list(range(200))
    drawn = [subsample(labels, 5, 2000, seeded(seed), least=1).tolist() for seed in range(60)]
    assert {len(index) for index in drawn} == {
        20
    }  # 4 points of 5 classes: 5 * 4^2 * 20 = 1600 margins
    assert len({*itertools.chain(*drawn)}) == 200
    with pytest.raises(ValueError, match="budget"):
        subsample(labels, 5, 3, seeded())


# The report, and programs that are wrong.


def test_report_is_plain_reproducible_and_complete() -> None:
    example = a_split(sizes=(12, 9, 14, 3), spread=0.5)
    reports = [
        theory_report(*example[:2], 5, 2, 3, "logistic", seeded(), 10_000, 500) for _ in range(2)
    ]
    assert reports[0] == reports[1] == json.loads(json.dumps(reports[0], allow_nan=False))
    report = reports[0]
    assert violations(report) == []
    assert set(report["bounds"]) == {
        "same_at_least_one",
        "lemma_4_3",
        "lemma_4_4",
        "theorem_4_5",
        "theorem_6_1",
        "proposition_6_2",
    }
    for bound in report["bounds"].values():
        assert bound["slack"] == bound["right"] - bound["left"]
        assert bound["exact"] == (bound["standard_error"] == 0)
    assert report["tau"] == collision_probability(
        example.rho
    )  # rho is that of all points, not of the subsample
    assert report["points"] == 10 + 9 + 10 + 3  # ten points a class at most, by the budget


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_report_with_one_negative_and_blocks_of_one_is_exact(loss: str) -> None:
    bounds = theory_report(*a_split()[:2], 3, 1, 1, loss, seeded())["bounds"]
    assert all(bound["exact"] for bound in bounds.values())
    assert bounds["theorem_6_1"] == bounds["theorem_4_5"]
    assert bounds["proposition_6_2"]["slack"] == 0


def test_report_without_enough_classes_for_a_task_leaves_tasks_out() -> None:
    example = a_split(sizes=(3, 4))
    assert (
        "tasks"
        not in theory_report(*example[:2], 2, 2, 1, "hinge", seeded(), draws=50)[
            "supervised_mean_loss"
        ]
    )
    with_task = theory_report(*example[:2], 2, 1, 1, "hinge", seeded())["supervised_mean_loss"]
    error = with_task["tasks"]["standard_error"]
    assert with_task["tasks"]["mean"] == pytest.approx(with_task["pairs"], abs=ERRORS * error)


@pytest.mark.parametrize(("negatives", "block_size", "draws"), [(0, 1, 9), (1, 0, 9), (1, 1, 1)])
def test_report_refuses_counts_that_mean_nothing(
    negatives: int, block_size: int, draws: int
) -> None:
    with pytest.raises(ValueError, match="needs k, b"):
        theory_report(*a_split()[:2], 3, negatives, block_size, "hinge", seeded(), draws=draws)
    with pytest.raises(KeyError):
        theory_report(*a_split()[:2], 3, 1, 1, "quadratic", seeded())


def report_of(points: list[list[list[float]]], loss: str = "hinge") -> dict[str, Any]:
    labels = torch.arange(len(points)).repeat_interleave(torch.tensor([len(c) for c in points]))
    return theory_report(
        torch.tensor([x for c in points for x in c]), labels, len(points), 1, 1, loss, seeded()
    )


COLLAPSED = [
    [[3.0, 0.0]] * 2,
    [[0.0, 3.0]] * 2,
]  # every class one point, far from the other: all bounds are tight
OPPOSITE = [[[3.0], [-3.0]], [[2.0], [-2.0]]]


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_bounds_are_tight_on_collapsed_classes(loss: str) -> None:
    report = report_of(COLLAPSED, loss)
    assert violations(report) == []
    for name in ("same_at_least_one", "lemma_4_3", "lemma_4_4", "theorem_4_5"):
        assert report["bounds"][name]["slack"] == pytest.approx(0, abs=1e-12)


def test_loss_without_collisions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = theory._exact_quantities

    def wrong(split: FiniteSplit, loss: str) -> dict[str, float]:
        exact = right(split, loss)
        return exact | {"total": exact["different"]}

    monkeypatch.setattr(theory, "_exact_quantities", wrong)
    assert violations(report_of(COLLAPSED)) == ["lemma_4_3", "decomposition"]


def enumerate_triples(split: FiniteSplit, loss: str, keep: tuple[int, int]) -> Tensor:
    """Pair losses over the triples (x, x+, x-) whose two named members are different points."""
    labels = torch.arange(len(split.sizes)).repeat_interleave(split.sizes)
    losses = torch.zeros(len(split.sizes), len(split.sizes), dtype=torch.float64)
    counts = torch.zeros_like(losses)
    for triple in itertools.product(range(len(labels)), repeat=3):
        own, positive, negative = triple
        if labels[own] == labels[positive] and triple[keep[0]] != triple[keep[1]]:
            margin = split.features[own] @ (split.features[positive] - split.features[negative])
            losses[labels[own], labels[negative]] += PAIR_LOSSES[loss](margin)
            counts[labels[own], labels[negative]] += 1
    return losses / counts


@pytest.mark.parametrize(
    ("keep", "caught"),
    [((0, 1), "lemma_4_4"), ((0, 2), "same_at_least_one")],
    ids=["x=x+ left out", "x=x- left out"],
)
def test_loss_that_leaves_out_equal_points_is_caught(
    monkeypatch: pytest.MonkeyPatch, keep: tuple[int, int], caught: str
) -> None:
    assert violations(report_of(OPPOSITE)) == []
    monkeypatch.setattr(
        theory, "unsupervised_pair_losses", lambda split, loss: enumerate_triples(split, loss, keep)
    )
    assert caught in violations(report_of(OPPOSITE))


def test_dropped_factors_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    unsupervised, supervised = unsupervised_pair_losses, supervised_pair_losses
    with monkeypatch.context() as patch:  # the natural logarithm in place of base 2
        patch.setattr(
            theory, "unsupervised_pair_losses", lambda *args: math.log(2) * unsupervised(*args)
        )
        assert "same_at_least_one" in violations(report_of(COLLAPSED, "logistic"))
    with monkeypatch.context() as patch:  # margins of the mean classifier halved
        patch.setattr(
            theory,
            "supervised_pair_losses",
            lambda split, loss: supervised(split._replace(features=split.features / 2), loss),
        )
        assert violations(report_of(COLLAPSED, "logistic")) == [
            "lemma_4_3",
            "theorem_4_5",
            "theorem_6_1",
        ]


def test_a_number_that_is_not_one_is_a_violation() -> None:
    report = report_of(COLLAPSED)
    report["bounds"]["lemma_4_4"]["slack"] = math.nan
    assert violations(report) == ["lemma_4_4"]
