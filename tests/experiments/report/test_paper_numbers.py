"""The paper's figures stand beside a run only where the setting is the paper's."""

from typing import Any

import pytest

from crl.cli.tables import result_table
from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import flat_options
from crl.experiments.report.paper_numbers import TABLE_1, table_1


def _result(classes: int) -> dict[str, Any]:
    classifiers, metrics = ("mean", "mean5", "linear"), ("avg2", "avg5", "top1", "top5")
    values = {f"test.{c}.{m}": 0.5 for c in classifiers for m in metrics}
    return {"metrics": values, "dataset": {"classes": classes}}


@pytest.mark.parametrize(
    ("overrides", "shown"),
    [
        (["experiment=table1_cifar100"], True),
        (["experiment=table1_cifar100_supervised"], True),
        (["experiment=table1_cifar100", "encoder=small_cnn"], False),
        (["experiment=table1_cifar100", "objective.block_size=5"], False),
        (["experiment=table1_cifar100", "objective.negatives=1"], False),
        (["experiment=table1_cifar100", "encoder.dimension=10"], False),
        (["experiment=table1_cifar100", "objective.normalize=true"], False),
        (["experiment=table1_cifar100", "dataset.train_fraction=0.1"], False),
        (["experiment=table1_cifar100", "training.steps=39999"], False),
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
    assert table_1(flat_options(config), _result(100)) is not None
    config.objective.collisions = False
    assert table_1(flat_options(config), _result(100)) is None


def test_other_articles_than_the_papers_are_not_set_beside_it() -> None:
    config = compose_config(["experiment=table1_wiki3029", "encoder.glove_path=x"])
    assert table_1(flat_options(config), _result(709)) is None
    assert table_1(flat_options(config), _result(3029)) is not None
