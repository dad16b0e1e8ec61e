"""The optimal geometry against enumeration, closed forms and gradient descent on embeddings."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.theory.finite_split import finite_split
from crl.theory.optimal_geometry import (
    class_geometry,
    collapse_threshold,
    collapsed_loss,
    duality_gap,
    mean_cosine,
    optimal_gram,
    step_distribution,
    tight_frame,
)

repeated = settings(max_examples=20, deadline=None, derandomize=True)


def random_gram(seed: int, classes: int) -> Tensor:
    vectors = torch.randn(
        classes, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    return (vectors @ vectors.T).fill_diagonal_(1)


def random_rho(seed: int, classes: int) -> Tensor:
    weights = (
        torch.rand(classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + 0.05
    )
    return weights / weights.sum()


def slow_loss(gram: Tensor, rho: Tensor, negatives: int, loss: str) -> float:
    """Every anchor class with every choice of negative classes."""
    total = 0.0
    for anchor, *others in itertools.product(range(len(rho)), repeat=1 + negatives):
        chance = math.prod(float(rho[c]) for c in (anchor, *others))
        margins = torch.stack([gram[anchor, anchor] - gram[anchor, other] for other in others])
        total += chance * float(LOSSES[loss].of_margins(margins))
    return total


def free_embeddings(rho: Tensor, negatives: int, steps: int = 1500) -> Tensor:
    """The Gram matrix that gradient descent on N unit vectors reaches.

    The rate of each vector is 1 / its probability. Up to k = 3 the loss is enumerated.
    """
    vectors = torch.randn(
        len(rho), len(rho), generator=torch.Generator().manual_seed(3), dtype=torch.float64
    ).requires_grad_()
    tuples = torch.cartesian_prod(*[torch.arange(len(rho))] * (1 + min(negatives, 3)))
    chances = rho[tuples].prod(1)

    def loss_of(gram: Tensor) -> Tensor:
        if negatives > 3:
            return collapsed_loss(gram, rho, negatives)
        # No gradient flows through a length of 1.
        gram = torch.where(torch.eye(len(rho), dtype=torch.bool), 1.0, gram)
        return chances @ LOSSES["logistic"].of_margins(1 - gram[tuples[:, :1], tuples[:, 1:]])

    for _ in range(steps):
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        (gradient,) = torch.autograd.grad(loss_of(unit @ unit.T), vectors)
        with torch.no_grad():
            vectors.copy_(unit - gradient / rho[:, None])
    unit = (vectors / vectors.norm(dim=1, keepdim=True)).detach()
    return (unit @ unit.T).fill_diagonal_(1)


@repeated
@given(st.integers(0, 1000), st.integers(2, 4), st.integers(1, 4), st.sampled_from(sorted(LOSSES)))
def test_the_loss_of_collapsed_classes_equals_enumeration(seed, classes, negatives, loss):
    gram, rho = random_gram(seed, classes), random_rho(seed, classes)
    value = collapsed_loss(gram, rho, negatives, loss)
    assert float(value) == pytest.approx(slow_loss(gram, rho, negatives, loss), rel=1e-12)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("negatives", [1, 4])
@pytest.mark.parametrize("classes", [3, 10, 50])
def test_balanced_classes_have_the_tight_frame(classes, negatives, loss):
    gram, certificate = optimal_gram(torch.full((classes,), 1 / classes), negatives, loss)
    torch.testing.assert_close(gram, tight_frame(classes), atol=1e-4, rtol=0)
    assert certificate < 1e-5


@pytest.mark.parametrize(
    ("rho", "negatives"),
    [
        ([0.5, 0.3, 0.2], 1),
        ([0.7, 0.1, 0.1, 0.1], 1),
        ([0.4, 0.3, 0.2, 0.1], 2),
        ([0.45, 0.45, 0.04, 0.03, 0.03], 1),
        ([0.6, 0.25, 0.15], 3),
    ],
)
def test_gradient_descent_on_free_embeddings_reaches_the_optimum(rho, negatives):
    rho = torch.tensor(rho, dtype=torch.float64)
    gram, certificate = optimal_gram(rho, negatives)
    assert certificate < 1e-5
    reached = free_embeddings(rho, negatives)
    optimum = float(collapsed_loss(gram, rho, negatives))
    assert float(collapsed_loss(reached, rho, negatives)) == pytest.approx(optimum, abs=1e-3)
    # Nothing is below the bound.
    assert float(collapsed_loss(reached, rho, negatives)) >= optimum - certificate - 1e-12
    torch.testing.assert_close(reached, gram, atol=0.01, rtol=0)


def test_minority_cosines_rise_with_the_imbalance():
    """Two majority and three minority classes, k = 1: the values that free embeddings reach."""
    cosines = [
        mean_cosine(optimal_gram(step_distribution(2, 3, r), 1).gram, torch.arange(2, 5))
        for r in (1, 3, 10, 100)
    ]
    assert cosines == pytest.approx([-0.250, 0.115, 0.633, 1.000], abs=6e-4)


@pytest.mark.parametrize("negatives", [1, 4, 16])
def test_minority_classes_collapse_on_the_predicted_side_of_the_threshold_alone(negatives):
    threshold = collapse_threshold(2, 3, negatives)
    assert 10 < threshold < 100
    minority = torch.arange(2, 5)
    below = optimal_gram(step_distribution(2, 3, 0.8 * threshold), negatives)
    above = optimal_gram(step_distribution(2, 3, 1.25 * threshold), negatives)
    assert mean_cosine(below.gram, minority) < 0.99
    assert mean_cosine(above.gram, minority) > 1 - 1e-4
    assert max(below.certificate, above.certificate) < 1e-5


@pytest.mark.parametrize("negatives", [1, 4, 16])
def test_gradient_descent_collapses_on_the_predicted_side_alone(negatives):
    threshold, minority = collapse_threshold(2, 3, negatives), torch.arange(2, 5)
    below, above = (
        free_embeddings(step_distribution(2, 3, f * threshold), negatives, 2000) for f in (0.7, 1.4)
    )
    assert mean_cosine(below, minority) < 0.97
    assert mean_cosine(above, minority) > 0.999


def test_the_threshold_grows_with_k_and_is_infinite_for_the_hinge_loss():
    thresholds = [collapse_threshold(2, 3, k) for k in (1, 4, 16)]
    assert thresholds == sorted(thresholds)
    assert collapse_threshold(2, 3, 4, "hinge") == math.inf


@repeated
@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 20))
def test_the_duality_gap_bounds_how_far_any_geometry_is_from_the_optimum(seed, classes, negatives):
    rho = random_rho(seed, classes)
    gram, certificate = optimal_gram(rho, negatives)
    optimum = float(collapsed_loss(gram, rho, negatives))
    feasible = random_gram(seed + 1, classes)
    loss = float(collapsed_loss(feasible, rho, negatives))
    assert loss >= optimum - certificate - 1e-12
    assert loss - duality_gap(feasible, rho, negatives) <= optimum + 1e-12
    assert float(torch.linalg.eigvalsh(gram)[0]) > -1e-9
    torch.testing.assert_close(gram.diagonal(), torch.ones(classes, dtype=torch.float64))


@repeated
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(1, 5))
def test_no_geometry_has_a_smaller_hinge_loss_than_the_tight_frame(seed, classes, negatives):
    rho = random_rho(seed, classes)
    gram, certificate = optimal_gram(rho, negatives, "hinge")
    assert certificate == pytest.approx(0, abs=1e-9)
    feasible = collapsed_loss(random_gram(seed, classes), rho, negatives, "hinge")
    assert float(collapsed_loss(gram, rho, negatives, "hinge")) <= float(feasible) + 1e-12


def test_geometry_of_collapsed_classes_in_a_frame():
    values, vectors = torch.linalg.eigh(tight_frame(4))
    frame = 3 * vectors * values.clamp(min=0).sqrt()
    features = frame.repeat_interleave(5, 0)
    geometry = class_geometry(
        finite_split(features, torch.arange(4).repeat_interleave(5), torch.full((4,), 0.25))
    )
    assert geometry.within_class_collapse == pytest.approx(0, abs=1e-12)
    assert geometry.frame_distance == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(geometry.gram, tight_frame(4))
    torch.testing.assert_close(geometry.norms, torch.full((4,), 3.0, dtype=torch.float64))


def test_geometry_equals_its_definition_on_uneven_classes():
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(9, 3, generator=draws, dtype=torch.float64)
    labels, rho = (
        torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2]),
        torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    )
    geometry = class_geometry(finite_split(features, labels, rho))
    means = [features[labels == c].mean(0) for c in range(3)]
    centre = sum(float(rho[c]) * means[c] for c in range(3))
    within = sum(
        float(rho[c])
        * sum(float((x - means[c]).norm()) ** 2 for x in features[labels == c])
        / int((labels == c).sum())
        for c in range(3)
    )
    between = sum(float(rho[c]) * float((means[c] - centre).norm()) ** 2 for c in range(3))
    assert geometry.within_class_collapse == pytest.approx(within / between)
    for i, j in itertools.product(range(3), repeat=2):
        assert float(geometry.gram[i, j]) == pytest.approx(
            float(means[i] @ means[j] / means[i].norm() / means[j].norm())
        )
    frame = tight_frame(3)
    assert geometry.frame_distance == pytest.approx(
        float((geometry.gram - frame).norm() / frame.norm())
    )


def test_features_that_are_all_one_point_have_no_spread_to_collapse_to():
    geometry = class_geometry(
        finite_split(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]), torch.tensor([0.5, 0.5]))
    )
    assert geometry.within_class_collapse == math.inf
    assert torch.equal(geometry.gram, torch.zeros(2, 2, dtype=torch.float64))


@pytest.mark.parametrize("rho", [[1.0], [0.5, 0.6], [-0.5, 1.5], [[0.5, 0.5]]])
def test_a_rho_that_is_no_distribution_is_refused(rho):
    with pytest.raises(ValueError, match="distribution"):
        optimal_gram(torch.tensor(rho), 1)


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="negatives"):
        optimal_gram(torch.tensor([0.5, 0.5]), 0)
    with pytest.raises(KeyError):
        optimal_gram(torch.tensor([0.5, 0.5]), 1, "squared")
    with pytest.raises(ValueError, match="minority"):
        collapse_threshold(2, 1, 1)
    with pytest.raises(ValueError, match="two classes"):
        tight_frame(1)
