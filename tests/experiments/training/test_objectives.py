"""The objectives on drawn tuples, against losses built point by point."""

from itertools import combinations, permutations

import pytest
import torch
from torch import Tensor

from crl.data.seeding import generator
from crl.experiments.config.compose import compose_config
from crl.experiments.config.objectives import OBJECTIVES
from crl.losses.contrastive import quick_thoughts_loss
from crl.losses.margin_loss import LOSSES


def test_the_configuration_offers_every_loss() -> None:
    for loss in LOSSES:
        assert compose_config([f"objective.loss={loss}"]).objective.loss == loss


def logistic(margins: list[Tensor]) -> Tensor:
    return torch.log2(1 + sum(torch.exp(-margin) for margin in margins))


def test_fresh_negatives_are_read_in_the_order_of_the_points() -> None:
    options = compose_config(
        ["objective.negative_source=fresh", "objective.block_size=3", "objective.negatives=2"]
    )
    objective = OBJECTIVES["contrastive"].load()(options.objective, 4, 3)
    batch = objective.sampler(torch.tensor([0, 6, 11, 20])).draw(6, generator(1, "test", 0))
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = []
    for t in range(6):
        anchor, positive = features[batch.anchors[t]], features[batch.positives[:, t]].mean(0)
        blocks = [features[block].mean(0) for block in batch.negatives[:, :, t].unbind(1)]
        losses.append(logistic([anchor @ (positive - block) for block in blocks]))
    value = objective(features[batch.points], batch)
    torch.testing.assert_close(value, torch.stack(losses).mean())


def test_pooled_negatives_are_the_blocks_of_other_tuples() -> None:
    """Over every order of the tuples, each choice of two other tuples is equally frequent."""
    options = compose_config(
        ["objective.negative_source=pooled", "objective.block_size=3", "objective.negatives=2"]
    )
    objective = OBJECTIVES["contrastive"].load()(options.objective, 4, 3)
    batch = objective.sampler(torch.tensor([0, 6, 11, 20])).draw(5, generator(1, "test", 0))
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = []
    for i in range(4):  # every point of a tuple is an anchor, and the other three are its block
        rest = [other for other in range(4) if other != i]
        blocks = [features[batch.points[rest, t]].mean(0) for t in range(5)]
        for t in range(5):
            anchor = features[batch.points[i, t]]
            others = [blocks[u] for u in range(5) if u != t]
            for negatives in combinations(others, 2):
                losses.append(logistic([anchor @ (blocks[t] - block) for block in negatives]))
    values = [
        objective(features[batch.points[:, order]], batch) for order in permutations(range(5))
    ]
    torch.testing.assert_close(torch.stack(values).mean(), torch.stack(losses).mean())


def test_supervised_loss_is_the_cross_entropy_of_every_point_with_its_own_class() -> None:
    offsets = torch.tensor([0, 3, 5, 9])
    options = compose_config(["objective=supervised", "objective.block_size=2"]).objective
    objective = OBJECTIVES["supervised"].load()(options, 4, 3)
    batch = objective.sampler(offsets).draw(5, generator(0, "test", 0))
    index = batch.points.flatten()
    assert len(index) == 5 * (1 + 2)
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    labels = [0, 0, 0, 1, 1, 2, 2, 2, 2]
    with torch.no_grad():
        objective.head.weight.copy_(torch.eye(3, 4))  # right for some points, wrong for others
    scores = objective.head(features)
    losses = [torch.logsumexp(scores[i], 0) - scores[i, labels[i]] for i in index.tolist()]
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(objective(features[batch.points], batch), expected)
    errors = [int(scores[i].argmax()) != labels[i] for i in index.tolist()]
    assert 0 < sum(errors) < len(errors)
    assert float(objective.dev_loss(features[batch.points], batch)) == pytest.approx(
        sum(errors) / len(errors)
    )


@pytest.mark.parametrize("encoders", [1, 2])
def test_quick_thoughts_takes_an_anchor_and_its_positives_for_a_block(encoders: int) -> None:
    options = compose_config(
        ["objective=quick_thoughts", "objective.block_size=2", f"objective.encoders={encoders}"]
    )
    objective = OBJECTIVES["quick_thoughts"].load()(options.objective, 4, 3)
    batch = objective.sampler(torch.tensor([0, 3, 5, 9])).draw(5, generator(0, "test", 0))
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    rows = batch.points.T.tolist()
    blocks = torch.stack([features[row] for row in rows])
    first, second = (blocks[..., :2], blocks[..., 2:]) if encoders == 2 else (blocks, blocks)
    torch.testing.assert_close(
        objective(features[batch.points], batch), quick_thoughts_loss(first, second)
    )
