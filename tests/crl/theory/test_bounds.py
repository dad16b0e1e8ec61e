"""The theory report against loops, the bounds on arbitrary features, and wrong programs.

The report must catch each of the wrong programs.
"""

import itertools
import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theory_examples import (
    ERRORS,
    LOSS_NAMES,
    Example,
    a_split,
    assert_close,
    examples,
    scale,
    seeded,
    slow_k,
    slow_supervised,
    slow_unsupervised,
)
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory import bounds as theory
from crl.theory.bounds import (
    deviation_constant,
    deviation_weight,
    theory_report,
    violations,
)
from crl.theory.collision_probability import (
    class_distribution,
    collision_probability,
    no_collision_probability,
)
from crl.theory.finite_split import FiniteSplit, finite_split, intraclass_deviation
from crl.theory.split_losses import supervised_pair_losses, unsupervised_pair_losses


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_deviation_weight_is_theorem_4_5_at_one_negative_and_k_over_classes_for_many(
    loss: str,
) -> None:
    rho = class_distribution(torch.tensor([1, 3, 4]))
    tau = collision_probability(rho)
    assert deviation_weight(rho, 1, loss) == pytest.approx(
        deviation_constant(loss) * tau / (1 - tau), rel=1e-14
    )
    uniform = class_distribution(torch.ones(10_000))
    assert deviation_weight(uniform, 5, loss) == pytest.approx(
        deviation_constant(loss) * 5e-4, rel=1e-3
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
    """Whatever the class sizes, the numbers equal the loops and the bounds hold exactly."""
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
@given(examples(classes=3, points=2), st.sampled_from(LOSS_NAMES), st.integers(1, 2))
def test_theorem_6_1_and_its_proof_hold_with_every_tuple_enumerated(
    example: Example, loss: str, negatives: int
) -> None:
    terms, split = slow_k(example, negatives, loss), example.split
    free = no_collision_probability(split.rho, negatives)
    assert terms["free"] == pytest.approx(free, rel=1e-12)
    between = (terms["total"] - terms["zero"]) / free
    right = terms["different"] / free + deviation_weight(
        split.rho, negatives, loss
    ) * intraclass_deviation(split)
    rounding = 1e-9 * scale(example)
    assert terms["supervised"] <= between + rounding
    assert between <= right + rounding


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_constant_of_lemma_4_4_holds_and_nothing_below_root_two_thirds_of_it_would(
    loss: str,
) -> None:
    # The worst case: a uniform class in one dimension at a large scale. Its mean difference (Gini)
    # is 2 sigma / sqrt 3.
    spread = torch.linspace(-1, 1, 41, dtype=torch.float64)[:, None] * 100
    split = finite_split(
        torch.cat([spread, spread]), torch.arange(82) // 41, torch.tensor([0.5, 0.5])
    )
    exact = theory._exact_quantities(split, loss)
    ratio = (exact.same - 1) / (deviation_constant(loss) * exact.deviation)
    assert math.sqrt(2 / 3) - 0.01 < ratio < math.sqrt(2 / 3) + 0.01


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
    # rho is that of all points, not of the subsample.
    assert report["tau"] == collision_probability(example.rho)
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


# Each class is one point, far from the other: all bounds are tight.
COLLAPSED = [[[3.0, 0.0]] * 2, [[0.0, 3.0]] * 2]
OPPOSITE = [[[3.0], [-3.0]], [[2.0], [-2.0]]]


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_bounds_are_tight_on_collapsed_classes(loss: str) -> None:
    report = report_of(COLLAPSED, loss)
    assert violations(report) == []
    for name in ("same_at_least_one", "lemma_4_3", "lemma_4_4", "theorem_4_5"):
        assert report["bounds"][name]["slack"] == pytest.approx(0, abs=1e-12)


def test_loss_without_collisions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = theory._exact_quantities

    def wrong(split: FiniteSplit, loss: str) -> theory._Exact:
        exact = right(split, loss)
        return exact._replace(total=exact.different)

    monkeypatch.setattr(theory, "_exact_quantities", wrong)
    assert violations(report_of(COLLAPSED)) == ["lemma_4_3", "decomposition"]


def enumerate_triples(split: FiniteSplit, loss: str, differ: tuple[int, int]) -> Tensor:
    """Pair losses over the triples (x, x+, x-) whose two named members are different points."""
    labels = torch.arange(len(split.sizes)).repeat_interleave(split.sizes)
    losses = torch.zeros(len(split.sizes), len(split.sizes), dtype=torch.float64)
    counts = torch.zeros_like(losses)
    for triple in itertools.product(range(len(labels)), repeat=3):
        own, positive, negative = triple
        if labels[own] == labels[positive] and triple[differ[0]] != triple[differ[1]]:
            margin = split.features[own] @ (split.features[positive] - split.features[negative])
            losses[labels[own], labels[negative]] += LOSSES[loss].of_pair(margin)
            counts[labels[own], labels[negative]] += 1
    return losses / counts


@pytest.mark.parametrize(
    ("differ", "caught"),
    [((0, 1), "lemma_4_4"), ((0, 2), "same_at_least_one")],
    ids=["x=x+ left out", "x=x- left out"],
)
def test_loss_that_leaves_out_equal_points_is_caught(
    monkeypatch: pytest.MonkeyPatch, differ: tuple[int, int], caught: str
) -> None:
    assert violations(report_of(OPPOSITE)) == []
    monkeypatch.setattr(
        theory,
        "unsupervised_pair_losses",
        lambda split, loss: enumerate_triples(split, loss, differ),
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
