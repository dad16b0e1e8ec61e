"""The attentive probe against the formula, and on a task that means cannot solve."""

import pytest
import torch

from crl.scoring.attentive_probe import AttentiveProbe, attend, fit_attentive_probe, linear_part
from crl.scoring.classifiers import mean_classifier


def tokens_with_one_that_matters(points: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens [n, 6, 8], labels): one token lies at the centre of the point's class.

    Its last component marks it. The other tokens lie at the centres of random classes.
    """
    centres = 3 * torch.eye(4, 8)
    draws = torch.Generator().manual_seed(seed)
    labels = torch.arange(points) % 4
    classes = torch.randint(4, (points, 6), generator=draws)
    place = torch.randint(6, (points,), generator=draws)
    classes[torch.arange(points), place] = labels
    tokens = centres[classes] + 0.3 * torch.randn(points, 6, 8, generator=draws)
    tokens[..., 7] = 0
    tokens[torch.arange(points), place, 7] = 3
    return tokens, labels


def test_the_probe_is_softmax_attention_of_one_query():
    torch.manual_seed(0)
    probe = AttentiveProbe(8, 3, 1)
    tokens = torch.randn(5, 4, 8)
    scaled = probe.scale(tokens)
    weight, bias = probe.attention.in_proj_weight, probe.attention.in_proj_bias
    query = weight[:8] @ probe.query[0, 0] + bias[:8]
    keys, values = scaled @ weight[8:16].T + bias[8:16], scaled @ weight[16:].T + bias[16:]
    shares = torch.softmax(keys @ query / 8**0.5, dim=1)
    mixed = torch.stack([shares[i] @ values[i] for i in range(5)])
    expected = probe.out(mixed @ probe.attention.out_proj.weight.T + probe.attention.out_proj.bias)
    torch.testing.assert_close(probe(tokens), expected)


def test_it_finds_the_token_that_matters_where_the_mean_cannot():
    train, dev, test = (
        tokens_with_one_that_matters(n, seed) for n, seed in ((400, 0), (100, 1), (400, 2))
    )
    probe, accuracy = fit_attentive_probe(train, dev, 4, torch.Generator().manual_seed(0))
    classifier = linear_part(probe)
    scores = attend(probe, test[0]) @ classifier.weights.T + classifier.bias
    assert accuracy > 0.95
    assert float((scores.argmax(1) == test[1]).float().mean()) > 0.95
    means = mean_classifier(train[0].mean(1), train[1], 4).weights
    assert float(((test[0].mean(1) @ means.T).argmax(1) == test[1]).float().mean()) < 0.8


def test_the_same_draws_give_the_same_probe_and_leave_the_global_generator_alone():
    train, dev = tokens_with_one_that_matters(40, 0), tokens_with_one_that_matters(20, 1)
    before = torch.get_rng_state()
    first, _ = fit_attentive_probe(train, dev, 4, torch.Generator().manual_seed(5), rates=[1e-3])
    second, _ = fit_attentive_probe(train, dev, 4, torch.Generator().manual_seed(5), rates=[1e-3])
    assert torch.equal(torch.get_rng_state(), before)
    for parameter, same in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(parameter, same)


@pytest.mark.parametrize("dimension", [7, 12, 16])
def test_any_dimension_has_a_number_of_heads_that_divides_it(dimension):
    draws = torch.Generator().manual_seed(0)
    train = torch.randn(8, 2, dimension, generator=draws), torch.arange(8) % 2
    probe, _ = fit_attentive_probe(train, train, 2, draws, rates=[1e-3])
    assert attend(probe, train[0]).shape == (8, dimension)
