"""Learning rate, optimiser, supervised objective, run folder and table."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from crl.losses.quick_thoughts import quick_thoughts_loss
from data.files.atomic import write_json
from data.points import Images
from data.seeding import generator
from data.split import Split
from experiments.config.compose import compose_config
from experiments.evaluation.accuracy import _first_share
from experiments.storage.run_folder import RunFolder
from experiments.training.objectives import OBJECTIVES
from experiments.training.optimizers import build_optimizer, learning_rate


@given(st.integers(1, 300), st.floats(0, 0.9), st.sampled_from(["cosine", "constant"]))
def test_the_learning_rate_rises_once_then_never_again(
    steps: int, warmup: float, schedule: str
) -> None:
    options = OmegaConf.create({"lr": 0.1, "warmup": warmup, "schedule": schedule})
    rates = [learning_rate(options, step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 0.1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_weight_decay_spares_biases_and_norms() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for name in ("adamw", "sgd"):
        optimizer = build_optimizer(
            compose_config([f"optimizer={name}"]).optimizer, model.parameters()
        )
        decayed = {
            id(p)
            for group in optimizer.param_groups
            if group["weight_decay"] > 0
            for p in group["params"]
        }
        assert decayed == {id(model[0].weight)}


def test_supervised_loss_is_the_cross_entropy_of_every_point_with_its_own_class() -> None:
    offsets = torch.tensor([0, 3, 5, 9])
    options = compose_config(["objective=supervised", "objective.block_size=2"]).objective
    objective = OBJECTIVES["supervised"](options, 4, 3)
    batch = objective.sampler(offsets).draw(5, generator(0, "test", 0))
    index = batch.points.flatten()
    assert len(index) == 5 * (1 + 2)
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    labels = [0, 0, 0, 1, 1, 2, 2, 2, 2]
    with torch.no_grad():
        objective.head.weight.copy_(torch.eye(3, 4))  # some right, some wrong
    scores = objective.head(features)
    slow = torch.stack(
        [torch.logsumexp(scores[i], 0) - scores[i, labels[i]] for i in index.tolist()]
    ).mean()
    torch.testing.assert_close(objective(features[batch.points], batch), slow)
    errors = [int(scores[i].argmax()) != labels[i] for i in index.tolist()]
    assert 0 < sum(errors) < len(errors)
    assert float(objective.dev_loss(features[batch.points], batch)) == pytest.approx(
        sum(errors) / len(errors)
    )


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_a_share_of_the_labels_is_of_the_points_that_a_share_of_the_data_keeps(
    sizes: list[int], share: float
) -> None:
    points = torch.arange(sum(sizes))
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    split = Split.from_labels(Images(points.view(-1, 1, 1, 1)), labels, len(sizes)).fraction(share)
    found, classes = _first_share((points, labels), len(sizes), share)
    assert torch.equal(found, split.points.tensors()[0].flatten())
    assert torch.equal(classes, split.labels)


@pytest.mark.parametrize("encoders", [1, 2])
def test_quick_thoughts_takes_an_anchor_and_its_positives_for_a_block(encoders: int) -> None:
    options = compose_config(
        ["objective=quick_thoughts", "objective.block_size=2", f"objective.encoders={encoders}"]
    )
    objective = OBJECTIVES["quick_thoughts"](options.objective, 4, 3)
    batch = objective.sampler(torch.tensor([0, 3, 5, 9])).draw(5, generator(0, "test", 0))
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    rows = batch.points.T.tolist()
    blocks = torch.stack([features[row] for row in rows])
    first, second = (blocks[..., :2], blocks[..., 2:]) if encoders == 2 else (blocks, blocks)
    torch.testing.assert_close(
        objective(features[batch.points], batch), quick_thoughts_loss(first, second)
    )


@pytest.mark.parametrize("source", ["fresh", "pooled"])
def test_contrastive_reads_features_in_the_order_of_the_points(source: str) -> None:
    """Against margins built point by point from the drawn indices."""
    offsets = torch.tensor([0, 6, 11, 20])
    options = compose_config(
        [f"objective.negative_source={source}", "objective.block_size=3", "objective.negatives=2"]
    )
    objective = OBJECTIVES["contrastive"](options.objective, 4, 3)
    batch = objective.sampler(offsets).draw(6, generator(1, "test", 0))
    features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = []
    for t in range(6):
        column = batch.points[:, t].tolist()
        if source == "fresh":
            pairs = [(column[-1], batch.positives[:, t], batch.negatives[:, :, t].unbind(1))]
        else:  # every point of a tuple is an anchor, the other three are its block
            pairs = []
            for place in range(4):
                rest = [i for i in range(4) if i != place]
                others = [
                    5 if u == t else u for u in range(5)
                ]  # the last one in the place of its own
                for draw in (others[0:4:2], others[1:4:2]):
                    blocks = [batch.points[rest, u] for u in draw]
                    pairs.append((column[place], batch.points[rest, t], blocks))
        for anchor, positive, negatives in pairs:
            own = features[positive].mean(0)
            margins = [features[anchor] @ (own - features[block].mean(0)) for block in negatives]
            losses.append(torch.log2(1 + sum(torch.exp(-margin) for margin in margins)))
    found = objective(features[batch.points], batch)
    torch.testing.assert_close(found, torch.stack(losses).mean())


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(self: Path, other: Path) -> None:
        raise OSError("disk")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="disk"):
            write_json(target, {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_metrics_past_the_checkpoint_and_broken_lines_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    lines = [{"step": step, "train_loss": 1 / step} for step in (1, 2, 3)]
    for line in lines:
        folder.append_metrics(line)
    with folder.metrics.open("a") as stream:
        stream.write('{"step": 4, "tr')
    folder.write_metrics(lines[:2])
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == lines[:2]
