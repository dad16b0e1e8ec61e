"""Mean classifier and draws against loops; logistic regression against scikit-learn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from crl.losses.margin_loss import LOSSES
from crl.scoring import classifiers, task_accuracy
from crl.scoring.classifiers import (
    Classifier,
    best_linear_classifier,
    few_shot_index,
    linear_classifiers,
    mean_classifier,
    mean_classifier_loss,
)

repeated = settings(max_examples=30, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shuffled_labels(seed: int, sizes: list[int]) -> Tensor:
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=seeded(seed))]


def overlapping(seed: int, sizes: list[int], d: int = 8) -> tuple[Tensor, Tensor]:
    """Gaussian classes around fixed centres: features float64 [n, d] and labels [n]."""
    labels = shuffled_labels(seed, sizes)
    centres = torch.randn(len(sizes), d, generator=seeded(0), dtype=torch.float64)
    noise = torch.randn(len(labels), d, generator=seeded(seed), dtype=torch.float64)
    return centres[labels] + noise, labels


def linear_classifier(
    features: Tensor,
    labels: Tensor,
    classes: int,
    l2: float,
    generator: torch.Generator,
    least_steps: int = 1000,
) -> Classifier:
    [classifier] = linear_classifiers(
        features, labels, classes, [l2], generator, least_steps=least_steps
    )
    return classifier


def scores(classifier: Classifier, features: Tensor) -> Tensor:
    return features @ classifier.weights.T + classifier.bias


def accuracy(classifier: Classifier, features: Tensor, labels: Tensor) -> float:
    return float((scores(classifier, features).argmax(1) == labels).double().mean())


@repeated
@given(seeds, st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 4))
def test_mean_classifier_equals_a_loop_over_points(seed, sizes, d):
    """Plain means, no bias: nothing is centred or normalised."""
    labels = shuffled_labels(seed, sizes)
    features = torch.randn(len(labels), d, generator=seeded(seed), dtype=torch.float64)
    classifier = mean_classifier(features, labels, len(sizes))
    assert classifier.bias is None
    assert classifier.weights.shape == (len(sizes), d)
    for own, size in enumerate(sizes):
        total = [0.0] * d
        for point, label in zip(features.tolist(), labels.tolist(), strict=True):
            if label == own:
                total = [x + y for x, y in zip(total, point, strict=True)]
        assert classifier.weights[own].tolist() == pytest.approx([x / size for x in total])


@repeated
@given(st.data(), seeds, st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_few_shot_index_has_the_right_number_of_distinct_points_of_every_class(data, seed, sizes):
    shots = data.draw(st.integers(1, min(sizes)))
    labels = shuffled_labels(seed, sizes)
    index = few_shot_index(labels, len(sizes), shots, seeded(seed))
    assert len(index) == len(set(index.tolist())) == shots * len(sizes)
    assert torch.bincount(labels[index], minlength=len(sizes)).tolist() == [shots] * len(sizes)


def test_few_shot_index_draws_every_point_equally_often():
    labels = shuffled_labels(3, [2, 3, 6])
    draws, shots = 3000, 2
    index = torch.cat([few_shot_index(labels, 3, shots, seeded(seed)) for seed in range(draws)])
    expected = shots / torch.bincount(labels)[labels].double()  # the share of draws with a point
    error = (expected * (1 - expected) / draws).sqrt()
    share = torch.bincount(index, minlength=len(labels)) / draws
    assert ((share - expected).abs() <= 4.5 * error).all()


@pytest.mark.parametrize(
    ("labels", "named"), [([0, 0, 1, 2, 2], "class 1 "), ([0, 0, 1, 1], "class 2 ")]
)
def test_few_shot_index_refuses_a_class_with_too_few_points(labels, named):
    with pytest.raises(ValueError, match=named):
        few_shot_index(torch.tensor(labels), 3, 2, seeded(0))


# A weak penalty's optimum is far from zero and takes more steps. An error within 2e-4 takes small
# last steps.
@pytest.mark.parametrize(("l2", "steps", "within"), [(1e-3, 4000, 0.01), (1e-1, 1000, 2e-4)])
def test_linear_classifier_reaches_the_optimum_of_logistic_regression(l2, steps, within):
    """The objective and accuracy of scikit-learn's exact solver, on classes of unequal size."""
    features, labels = overlapping(1, [300, 200, 100, 60])
    test_features, test_labels = overlapping(2, [500, 500, 500, 500])
    # These features are far from standard: the solution depends on the standardisation.
    scale = torch.logspace(-2, 2, 8, dtype=torch.float64)
    shift = torch.linspace(-5, 5, 8, dtype=torch.float64)
    features, test_features = features * scale + shift, test_features * scale + shift
    classifier = linear_classifier(features, labels, 4, l2, seeded(0), steps)

    mean, std = features.mean(0), features.std(0, correction=0)
    solver = LogisticRegression(C=1 / (l2 * len(labels)), tol=1e-8, max_iter=1000)
    solver.fit(((features - mean) / std).numpy(), labels.numpy())
    weights = torch.from_numpy(solver.coef_) / std
    exact = Classifier(weights, torch.from_numpy(solver.intercept_) - weights @ mean)

    def objective(classifier: Classifier) -> float:
        penalty = l2 / 2 * (classifier.weights * std).square().sum()
        return float(
            torch.nn.functional.cross_entropy(scores(classifier, features), labels) + penalty
        )

    assert objective(classifier) == pytest.approx(objective(exact), rel=within)
    test_accuracy = accuracy(classifier, test_features, test_labels)
    assert test_accuracy == pytest.approx(accuracy(exact, test_features, test_labels), abs=0.01)
    assert test_accuracy > 0.6  # chance gives 0.25


def test_folded_standardisation_gives_the_scores_of_standardised_features():
    """Raw features have the scores of standardised ones, for which folding does nothing."""
    features, labels = overlapping(1, [40, 30, 20])
    features = features * torch.logspace(-1, 3, 8, dtype=torch.float64) - 70
    standard = (features - features.mean(0)) / features.std(0, correction=0)
    raw = linear_classifier(features, labels, 3, 1e-2, seeded(0), least_steps=60)
    reference = linear_classifier(standard, labels, 3, 1e-2, seeded(0), least_steps=60)
    assert scores(reference, standard).std() > 0.5
    torch.testing.assert_close(scores(raw, features), scores(reference, standard))


def test_a_constant_feature_does_no_harm():
    """A dead unit of an encoder has no spread to divide by."""
    features, labels = overlapping(1, [40, 30, 20])
    dead = torch.cat([features, torch.full((len(features), 1), 0.3, dtype=torch.float64)], 1)
    with_dead = linear_classifier(dead, labels, 3, 1e-2, seeded(0), least_steps=60)
    without = linear_classifier(features, labels, 3, 1e-2, seeded(0), least_steps=60)
    torch.testing.assert_close(scores(with_dead, dead), scores(without, features))


def test_penalties_fitted_together_give_what_each_gives_alone():
    features, labels = overlapping(1, [40, 30, 20])
    together = linear_classifiers(features, labels, 3, [1.0, 1e-2, 1e-4], seeded(0), least_steps=60)
    assert len(together) == 3
    for l2, classifier in zip([1.0, 1e-2, 1e-4], together, strict=True):
        alone = linear_classifier(features, labels, 3, l2, seeded(0), least_steps=60)
        torch.testing.assert_close(classifier, alone)


def test_a_direction_in_which_training_points_do_not_vary_gets_no_weight():
    """One feature appears twice, in float32: rounding between the two must teach nothing."""
    features, labels = overlapping(1, [40, 30, 20])
    features = features.float()
    twice = torch.cat([features, 3 * features[:, :1]], 1)
    weights = linear_classifier(twice, labels, 3, 0.0, seeded(0)).weights
    torch.testing.assert_close(weights[:, 0], 3 * weights[:, -1], rtol=1e-3, atol=1e-4)
    assert float(weights[:, 0].abs().max()) > 0.1


def test_directions_of_little_variance_count_however_many_points_there_are():
    """The direction that parts the classes has 1/2000 of the other's variance, in float32."""
    labels = torch.arange(40_000) % 2
    noise = torch.randn(40_000, 2, generator=seeded(0))
    apart = 0.02 * (labels - 0.5 + 0.1 * noise[:, 1])
    features = torch.stack([noise[:, 0] + apart, noise[:, 0] - apart], 1)
    classifier = linear_classifier(features, labels, 2, 1e-6, seeded(0))
    assert accuracy(classifier, features, labels) > 0.95


def test_the_default_number_of_steps_is_as_accurate_as_more_at_a_weak_penalty():
    """Four times as many steps lower the objective by up to a fifth, but not the new errors."""
    features, labels = overlapping(1, [300, 200, 100, 60])
    new, new_labels = overlapping(2, [500, 500, 500, 500])

    def scored(steps: int) -> tuple[float, float]:
        classifier = linear_classifier(features, labels, 4, 1e-4, seeded(0), least_steps=steps)
        spread = classifier.weights * features.std(0, correction=0)
        loss = torch.nn.functional.cross_entropy(scores(classifier, features), labels)
        objective = float(loss + 1e-4 / 2 * spread.square().sum())
        return objective, accuracy(classifier, new, new_labels)

    short, long = scored(1000), scored(4000)
    assert long[0] < short[0] < 1.2 * long[0]
    assert abs(short[1] - long[1]) < 0.01


def test_correlated_features_of_very_unequal_spread_are_no_harder():
    """Some directions vary 300 times as much as others; the optimum is scikit-learn's."""
    features, labels = overlapping(1, [300, 200, 100, 60])
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=seeded(3), dtype=torch.float64)).Q
    features = (features * torch.logspace(0, 2.5, 8, dtype=torch.float64)) @ rotation
    standard = (features - features.mean(0)) / features.std(0, correction=0)
    solver = LogisticRegression(C=1 / (1e-3 * len(labels)), tol=1e-8, max_iter=5000).fit(
        standard.numpy(), labels.numpy()
    )
    exact = Classifier(torch.from_numpy(solver.coef_), torch.from_numpy(solver.intercept_))
    classifier = linear_classifier(standard, labels, 4, 1e-3, seeded(0))

    def objective(classifier: Classifier) -> float:
        loss = torch.nn.functional.cross_entropy(scores(classifier, standard), labels)
        return float(loss + 1e-3 / 2 * classifier.weights.square().sum())

    assert objective(classifier) == pytest.approx(objective(exact), rel=0.01)


def test_few_points_of_many_features_have_no_full_set_of_axes():
    features, labels = torch.randn(9, 40, generator=seeded(0)), torch.arange(3).repeat(3)
    classifier = linear_classifier(features, labels, 3, 1e-3, seeded(0), least_steps=300)
    assert accuracy(classifier, features, labels) == 1


def test_a_larger_penalty_gives_smaller_weights():
    features, labels = overlapping(1, [40, 30, 20])
    norms = [
        float(linear_classifier(features, labels, 3, l2, seeded(0), least_steps=300).weights.norm())
        for l2 in (1e-3, 1e-1, 10)
    ]
    assert norms[0] > 1.5 * norms[1] > 3 * norms[2]


# 25 points in batches of 10 take 3 steps a pass, and every pass is completed.
@pytest.mark.parametrize(
    ("least_steps", "least_epochs", "expected"), [(7, 1, 9), (9, 1, 9), (1, 4, 12)]
)
def test_linear_classifier_takes_at_least_so_many_steps_and_passes(
    monkeypatch, least_steps, least_epochs, expected
):
    steps = []

    class Counting(torch.optim.Adam):
        def step(self, *arguments, **options):
            steps.append(1)
            return super().step(*arguments, **options)

    monkeypatch.setattr(torch.optim, "Adam", Counting)
    features, labels = overlapping(1, [15, 10])
    linear_classifiers(features, labels, 2, [1e-2, 1], seeded(0), 10, least_steps, least_epochs)
    assert len(steps) == expected


def test_linear_classifier_leaves_nothing_to_differentiate_and_repeats_itself():
    features, labels = overlapping(1, [15, 10])
    first, second = (
        linear_classifier(features, labels, 2, 1e-2, seeded(4), least_steps=20) for _ in range(2)
    )
    assert not first.weights.requires_grad and not first.bias.requires_grad
    assert torch.equal(first.weights, second.weights) and torch.equal(first.bias, second.bias)


@repeated
@given(st.permutations([(1.0, 3), (0.1, 5), (0.01, 5), (0.001, 4)]))
def test_best_linear_classifier_takes_the_best_on_dev_and_the_larger_penalty_on_a_tie(penalties):
    """Whatever the order of the penalties: each has a classifier with a known number of hits."""
    dev = torch.arange(6), torch.zeros(6, dtype=torch.int64)
    dev = torch.nn.functional.one_hot(dev[0]).double(), dev[1]
    train = dev[0][:2], dev[1][:2]
    right = dict(penalties)

    def known(features, labels, classes, penalties, generator, least_steps):
        assert features is train[0] and labels is train[1] and (classes, least_steps) == (2, 9)
        # Class 0 scores 1 on the first points and -1 on the others; class 1 scores 0.
        weights = [
            torch.stack([2.0 * (torch.arange(6) < right[l2]), torch.zeros(6)]).double()
            for l2 in penalties
        ]
        bias = torch.tensor([-1.0, 0.0], dtype=torch.float64)
        return [Classifier(matrix, bias) for matrix in weights]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "linear_classifiers", known)
        best, l2, dev_accuracy = best_linear_classifier(
            train, dev, 2, [l2 for l2, _ in penalties], seeded(0), 9
        )
    assert l2 == 0.1
    assert dev_accuracy == 5 / 6 == accuracy(best, *dev)


def test_best_linear_classifier_on_a_problem_with_one_good_penalty():
    """The weak penalty fits noise in many dimensions, the strong one fits the classes."""
    sets = []
    for seed, size in ((1, 60), (2, 400)):
        labels = shuffled_labels(seed, [size // 2, size // 2])
        features = 3 * torch.randn(size, 60, generator=seeded(seed), dtype=torch.float64)
        features[:, 0] += 6 * labels
        sets.append((features, labels))
    train, dev = sets
    weak, _, weak_accuracy = best_linear_classifier(
        train, dev, 2, [1e-6], seeded(0), least_steps=300
    )
    best, l2, dev_accuracy = best_linear_classifier(
        train, dev, 2, [1e-6, 1.0], seeded(0), least_steps=300
    )
    assert l2 == 1.0
    assert accuracy(best, *dev) == dev_accuracy > weak_accuracy
    assert accuracy(weak, *train) == 1


def test_best_linear_classifier_needs_a_penalty():
    data = overlapping(1, [3, 3])
    with pytest.raises(ValueError, match="at least one penalty"):
        best_linear_classifier(data, data, 2, [], seeded(0))


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("chunk", [1, 2**25])  # bytes: a point at a time, all at once
def test_mean_classifier_loss_equals_a_loop_over_tasks(monkeypatch, loss, chunk):
    """The means are of other points than those scored; a class without points does not count."""
    monkeypatch.setattr(task_accuracy, "CHUNK_BYTES", chunk)
    labels = torch.tensor([0, 0, 1, 3, 3, 3])
    features = torch.randn(6, 3, generator=seeded(1), dtype=torch.float64)
    means = torch.randn(4, 3, generator=seeded(2), dtype=torch.float64)
    by_class = []
    for c in (0, 1, 3):
        others = [other for other in range(4) if other != c]
        margins = [x @ (means[c] - means[other]) for x in features[labels == c] for other in others]
        tasks = [float(LOSSES[loss].of_margins(margin[None])) for margin in margins]
        by_class.append(sum(tasks) / len(tasks))
    assert mean_classifier_loss(features, means, labels, loss) == pytest.approx(sum(by_class) / 3)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_mean_classifier_loss_weighs_pairs_of_classes_by_the_product_of_their_rho(loss):
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    features = torch.randn(6, 3, generator=seeded(1), dtype=torch.float64)
    means = torch.randn(3, 3, generator=seeded(2), dtype=torch.float64)
    rho = [0.6, 0.3, 0.1]
    total = weight = 0.0
    for c in range(3):
        for other in {0, 1, 2} - {c}:
            tasks = [
                float(LOSSES[loss].of_pair(x @ (means[c] - means[other])))
                for x in features[labels == c]
            ]
            total += rho[c] * rho[other] * sum(tasks) / len(tasks)
            weight += rho[c] * rho[other]
    assert mean_classifier_loss(features, means, labels, loss, torch.tensor(rho)) == pytest.approx(
        total / weight, rel=1e-6
    )


def test_dev_accuracy_counts_classes_by_rho():
    features, labels = overlapping(3, [40, 40, 40])
    dev = overlapping(4, [30, 5, 25])
    rho = torch.tensor([0.05, 0.9, 0.05], dtype=torch.float64)
    best, _, dev_accuracy = best_linear_classifier(
        (features, labels), dev, 3, [1e-3, 1.0], seeded(0), 50, rho
    )
    solved = scores(best, dev[0]).argmax(1) == dev[1]
    expected = sum(float(rho[c] * solved[dev[1] == c].double().mean()) for c in range(3))
    assert dev_accuracy == pytest.approx(expected)
