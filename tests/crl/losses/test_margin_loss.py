"""The forms of every loss against one another and against the formulas; a third loss."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_losses import normal, slow_loss
from torch import Tensor
from torch.nn.functional import softplus

from crl.losses.contrastive import contrastive_loss
from crl.losses.margin_loss import LOSSES, MarginLoss
from crl.losses.pooled import pooled_contrastive_loss, pooled_loss_by_autograd
from crl.scoring.classifiers import mean_classifier_loss
from crl.theory.bounds import theory_report, violations
from crl.theory.optimal_geometry import optimal_gram, tight_frame

repeated = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)

# A loss that the product does not have: the sum of the logistic losses of single margins.
ADDITIVE = MarginLoss(
    of_margins=lambda v: softplus(-v).sum(-1) / math.log(2),
    of_pair=lambda v: softplus(-v) / math.log(2),
    with_slopes=lambda s: (softplus(s[1:] - s[0]).sum(0), torch.sigmoid(s[1:] - s[0])),
    unit=1 / math.log(2),
    lipschitz=math.log2(math.e),
    of_collapsed_classes=lambda gram, rho, k: k * rho @ softplus(gram - 1) @ rho / math.log(2),
)
EVERY_LOSS = LOSSES | {"additive": ADDITIVE}
names = st.sampled_from(sorted(EVERY_LOSS))


@repeated
@given(seeds, names, st.lists(st.integers(1, 4), max_size=2), st.integers(1, 5))
def test_losses_equal_their_formulas_over_the_last_dimension(seed, loss, outer, k):
    margins = normal(seed, *outer, k, scale=3)
    losses = EVERY_LOSS[loss].of_margins(margins)
    assert losses.shape == margins.shape[:-1]
    for index in itertools.product(*map(range, outer)):
        torch.testing.assert_close(losses[index], slow_loss([*margins[index]], loss))


@pytest.mark.parametrize("loss", sorted(EVERY_LOSS))
def test_pair_losses_are_the_losses_of_one_margin(loss):
    margins = torch.tensor(
        [-1e6, -700.0, -41.0, -1.0, 0.0, 0.5, 1.0, 41.0, 800.0], dtype=torch.float64
    )
    formula = (
        (lambda v: max(0.0, 1 - v))
        if loss == "hinge"
        else (lambda v: (max(0.0, -v) + math.log1p(math.exp(-abs(v)))) / math.log(2))
    )
    expected = pytest.approx([formula(v) for v in margins.tolist()], rel=1e-12, abs=1e-15)
    assert EVERY_LOSS[loss].of_pair(margins).tolist() == expected
    assert EVERY_LOSS[loss].of_margins(margins[:, None]).tolist() == expected


@repeated
@given(seeds, names, st.integers(1, 5), st.lists(st.integers(1, 3), max_size=2))
def test_slopes_are_the_derivatives_by_the_negatives_scores(seed, loss, k, outer):
    record = EVERY_LOSS[loss]
    scores = normal(seed, 1 + k, *outer, scale=3).requires_grad_()
    expected = record.of_margins((scores[0] - scores[1:]).movedim(0, -1))
    (gradient,) = torch.autograd.grad(expected.sum(), scores)
    losses, slopes = record.with_slopes(scores.detach())
    torch.testing.assert_close(record.unit * losses, expected.detach())
    torch.testing.assert_close(record.unit * slopes, gradient[1:])
    torch.testing.assert_close(record.unit * -slopes.sum(0), gradient[0])


@pytest.mark.parametrize("loss", sorted(EVERY_LOSS))
def test_the_lipschitz_constant_is_the_steepest_slope_at_one_negative(loss):
    margins = torch.linspace(-60, 60, 2001, dtype=torch.float64).requires_grad_()
    (slopes,) = torch.autograd.grad(EVERY_LOSS[loss].of_pair(margins).sum(), margins)
    assert float(slopes.abs().max()) == pytest.approx(EVERY_LOSS[loss].lipschitz, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_losses_at_zero_margins(k):
    """1 for one negative, as the theory asks; log2(1 + k), 1 and k for more."""
    zeros = torch.zeros(k)
    assert LOSSES["logistic"].of_margins(zeros).item() == pytest.approx(math.log2(1 + k))
    assert LOSSES["hinge"].of_margins(zeros).item() == 1
    assert ADDITIVE.of_margins(zeros).item() == pytest.approx(k)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_margins_neither_overflow_nor_vanish(dtype):
    rows = [[1e4], [-1e4], [1e4, -1e4], [-1e4, -1e4], [1e4, 1e4]]
    slope = 1 / math.log(2)
    expected = {
        "logistic": [0, 1e4 * slope, 1e4 * slope, 1e4 * slope + 1, 0],
        "hinge": [0, 1 + 1e4, 1 + 1e4, 1 + 1e4, 0],
    }
    # Only the violated margins have a slope; two equal ones share it.
    slopes = {
        "logistic": [[0], [-slope], [0, -slope], [-slope / 2, -slope / 2], [0, 0]],
        "hinge": [[0], [-1], [0, -1], [-0.5, -0.5], [0, 0]],
    }
    for loss in LOSSES:
        for row, value, gradient in zip(rows, expected[loss], slopes[loss], strict=True):
            margins = torch.tensor(row, dtype=dtype, requires_grad=True)
            result = LOSSES[loss].of_margins(margins)
            result.backward()
            assert result.item() == pytest.approx(value, rel=1e-6)
            # A float32 keeps three decimals of a loss of 1e4, and autograd takes its exponential.
            assert margins.grad.tolist() == pytest.approx(
                gradient, rel=1e-3 if dtype == torch.float32 else 1e-9
            )


def random_gram(seed: int, classes: int) -> Tensor:
    unit = torch.nn.functional.normalize(normal(seed, classes, classes), dim=1)
    return (unit @ unit.T).fill_diagonal_(1)


@repeated
@given(seeds, names, st.integers(2, 4), st.integers(1, 3))
def test_the_loss_of_collapsed_classes_is_its_mean_over_every_class_tuple(seed, loss, classes, k):
    gram, rho = random_gram(seed, classes), normal(seed + 1, classes).softmax(0)
    expected = 0.0
    for anchor, *others in itertools.product(range(classes), repeat=1 + k):
        chance = rho[[anchor, *others]].prod()
        expected += float(chance * EVERY_LOSS[loss].of_margins(1 - gram[anchor, others]))
    value = EVERY_LOSS[loss].of_collapsed_classes(gram, rho, k)
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_a_third_loss_is_one_record(monkeypatch):
    """One entry of the registry works in every user: objectives, scoring, theory, geometry."""
    monkeypatch.setitem(LOSSES, "additive", ADDITIVE)
    anchor, positive, negative = normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 2, 3)
    losses = [
        slow_loss([a @ (p - n) for n in block], "additive")
        for a, p, block in zip(anchor, positive, negative, strict=True)
    ]
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(contrastive_loss(anchor, positive, negative, "additive"), expected)

    points = normal(4, 3, 7, 2).requires_grad_()
    values = [
        form(points, 2, "additive") for form in (pooled_contrastive_loss, pooled_loss_by_autograd)
    ]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value, points) for value in values))

    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    features = normal(5, 8, 3) + 2 * torch.eye(3)[labels]
    means = torch.stack([features[labels == c].mean(0) for c in range(3)])
    pair_losses = [
        torch.stack(
            [
                slow_loss([x @ (means[own] - means[other])], "additive")
                for x in features[labels == own]
            ]
        ).mean()
        for own, other in itertools.permutations(range(3), 2)
    ]
    loss = mean_classifier_loss(features, means, labels, "additive")
    assert loss == pytest.approx(float(torch.stack(pair_losses).mean()))

    for k, block_size in ((1, 1), (2, 3)):
        draws = torch.Generator().manual_seed(0)
        report = theory_report(features, labels, 3, k, block_size, "additive", draws, draws=2000)
        assert violations(report) == []
        for bound in report["bounds"].values():
            assert bound["slack"] >= -5 * bound["standard_error"] - 1e-12

    for k in (1, 3):
        gram, certificate = optimal_gram(torch.full((4,), 0.25), k, "additive")
        torch.testing.assert_close(gram, tight_frame(4), atol=1e-4, rtol=0)
        assert certificate < 1e-5
