"""Learning rate, optimiser, run folder and table."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from cli.result_table import result_table
from data.points import Images
from data.split import Split
from experiments.config.compose import compose_config
from experiments.evaluation.accuracy import _first_share
from experiments.report.paper_numbers import TABLE_1, table_1
from experiments.storage.run_folder import RunFolder
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


def test_metrics_past_the_checkpoint_and_broken_lines_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    lines = [{"step": step, "train_loss": 1 / step} for step in (1, 2, 3)]
    for line in lines:
        folder.append_metrics(line)
    with folder.metrics.open("a") as stream:
        stream.write('{"step": 4, "tr')
    folder.write_metrics(lines[:2])
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == lines[:2]


def _result(classes: int) -> dict[str, Any]:
    metrics = {
        f"test.{c}.{m}": 0.5
        for c in ("mean", "mean5", "linear")
        for m in ("avg2", "avg5", "top1", "top5")
    }
    return {"metrics": metrics, "dataset": {"classes": classes}}


@pytest.mark.parametrize(
    ("overrides", "shown"),
    [
        (["experiment=table1_cifar100"], True),
        (["experiment=table1_cifar100_supervised"], True),
        (["experiment=table1_cifar100", "encoder=small_cnn"], False),
        (["experiment=table1_cifar100", "objective.block_size=5"], False),
        (["experiment=table1_cifar100", "objective.negatives=1"], False),
        (["experiment=table1_cifar100", "dataset.train_fraction=0.1"], False),
        ([], False),
    ],
)
def test_the_papers_figures_stand_beside_ours_only_in_the_papers_setting(
    overrides: list[str], shown: bool
) -> None:
    config = compose_config(overrides)
    table = result_table(config, _result(100))
    assert ("paper" in table) == shown
    if shown:
        for value in TABLE_1["cifar100", config.objective.name]["avg2"]:
            assert f"{value:.1f}" in table


def test_without_collisions_nothing_of_the_papers_stands_beside_ours() -> None:
    config = compose_config(["experiment=table1_cifar100"])
    assert table_1(config, _result(100)) is not None
    config.objective.collisions = False
    assert table_1(config, _result(100)) is None


def test_other_articles_than_the_papers_are_not_set_beside_it() -> None:
    config = compose_config(["experiment=table1_wiki3029", "encoder.glove_path=x"])
    assert table_1(config, _result(709)) is None
    assert table_1(config, _result(3029)) is not None
