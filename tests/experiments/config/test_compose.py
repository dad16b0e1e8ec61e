"""Composition, naming and checking of configurations."""

from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from crl.encoders import ENCODERS, Entry
from experiments.config.compose import CONFIG_DIR, choices, compose_config, load_config
from experiments.config.datasets import DATASETS
from experiments.config.help import option_lines
from experiments.config.identity import config_hash, run_name
from experiments.config.schema import SCHEMAS, check
from experiments.errors import ConfigError
from experiments.storage.run_folder import first_difference


@pytest.mark.parametrize("dataset", sorted(DATASETS))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_data_set_composes_with_every_encoder_of_its_modality(
    dataset: str, encoder: str
) -> None:
    overrides = [f"dataset={dataset}", f"encoder={encoder}"]
    if DATASETS[dataset].holds != ENCODERS[encoder].reads:
        with pytest.raises(ConfigError, match="choose encoder="):
            compose_config(overrides)
        return
    config = compose_config(overrides)
    assert (config.dataset.name, config.encoder.name) == (dataset, encoder)


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_every_data_set_has_an_encoder_that_fits(dataset: str) -> None:
    assert (
        ENCODERS[compose_config([f"dataset={dataset}"]).encoder.name].reads
        == DATASETS[dataset].holds
    )


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(experiment: str) -> None:
    vectors = (
        []
        if {"cifar100", "glyphs"}.intersection(experiment.split("_"))
        else ["encoder.glove_path=x"]
    )
    config = compose_config([f"experiment={experiment}", *vectors])
    assert config.objective.name == ("supervised" if "supervised" in experiment else "contrastive")


def test_table_1_has_the_papers_setting() -> None:
    config = compose_config(["experiment=table1_cifar100"])
    assert (config.dataset.name, config.encoder.name) == ("cifar100", "vgg16")
    assert (config.objective.block_size, config.objective.negatives, config.objective.loss) == (
        2,
        4,
        "logistic",
    )
    config = compose_config(["experiment=table1_wiki3029", "encoder.glove_path=x"])
    assert (config.encoder.name, config.encoder.dimension, config.encoder.bidirectional) == (
        "gru",
        300,
        True,
    )
    assert (config.objective.block_size, config.objective.negatives) == (10, 8)


def test_the_command_line_wins_over_experiment_data_set_and_preset() -> None:
    config = compose_config(
        [
            "experiment=table1_cifar100",
            "encoder=small_cnn",
            "training.steps=7",
            "objective.block_size=3",
        ]
    )
    assert (config.encoder.name, config.training.steps, config.objective.block_size) == (
        "small_cnn",
        7,
        3,
    )


def test_the_hash_ignores_what_cannot_change_a_result_and_nothing_else() -> None:
    plain = config_hash(compose_config([]))
    same = [
        "seed=5",
        "runtime.progress=false",
        "run_dir=x",
        "output_dir=y",
        "force=true",
        "training.checkpoint_seconds=1",
    ]
    for override in same:
        assert config_hash(compose_config([override])) == plain, override
    different = [
        "optimizer.lr=0.5",
        "objective.loss=hinge",
        "evaluation.ks=[2]",
        "dataset.train_fraction=0.5",
    ]
    different += [
        "encoder.width=3",
        "training.steps=5",
        "runtime.precision=bf16",
        "objective.negative_source=fresh",
    ]
    hashes = {config_hash(compose_config([override])) for override in different}
    assert len(hashes | {plain}) == len(different) + 1


def test_a_run_name_says_what_was_run() -> None:
    assert run_name(compose_config(["dataset=docstrings"])).startswith(
        "docstrings-bag_of_words-contrastive-"
    )


@pytest.mark.parametrize(
    "overrides",
    [[], ["dataset=docstrings", "encoder=gru"], ["experiment=table1_cifar100_supervised"]],
)
def test_a_stored_configuration_loads_as_it_was(overrides: list[str], tmp_path) -> None:  # type: ignore[no-untyped-def]
    config = compose_config([*overrides, "seed=4", "evaluation.ks=[2,3]"])
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(config))
    loaded = load_config(tmp_path / "config.yaml")
    assert loaded == config
    assert config_hash(loaded) == config_hash(config)
    assert list(load_config(tmp_path / "config.yaml", ["evaluation.ks=[4]"]).evaluation.ks) == [4]


def test_an_encoder_with_only_a_line_in_the_registry_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ENCODERS, "mine", Entry("small_cnn", "SmallCNN", "images"))
    assert compose_config(["encoder=mine", "encoder.dimension=5"]).encoder.dimension == 5
    assert "mine" in choices("encoder")


def test_every_file_of_a_group_has_its_schema_and_the_reverse() -> None:
    for group in ("dataset", "encoder", "objective", "optimizer", "evaluation", "runtime"):
        assert {path.stem for path in (CONFIG_DIR / group).glob("*.yaml")} == set(SCHEMAS[group]), (
            group
        )
    assert set(SCHEMAS["dataset"]) == set(DATASETS)
    assert set(SCHEMAS["encoder"]) <= set(ENCODERS)


def test_help_lists_every_option_of_every_schema() -> None:
    text = "\n".join(option_lines())
    for group, schemas in SCHEMAS.items():
        for schema in schemas.values():
            for spec in fields(schema):
                assert spec.name == "name" or f"{group}.{spec.name}=" in text, (group, spec.name)


def test_check_names_the_bounds() -> None:
    config = compose_config([])
    config.encoder.width = 0
    with pytest.raises(
        ConfigError, match=r"encoder.width: 0 is out of bounds; it must be at least 1"
    ):
        check(config)


def test_a_place_may_be_called_like_what_is_never_imported() -> None:
    assert compose_config(["run_dir=/tmp/my_target_runs"]).run_dir == "/tmp/my_target_runs"
    for override in (
        "_target_=a",
        "+_target_=a",
        "~training._target_",
        "evaluation.ks=[{a: 1, _target_ : a}]",
    ):
        with pytest.raises(ConfigError, match="nothing is imported"):
            compose_config([override])


def test_the_difference_that_is_named_is_one_that_changes_the_result() -> None:
    stored, wanted = (
        compose_config([f"training.checkpoint_seconds={n}", f"optimizer.lr=0.{n}"]) for n in (1, 2)
    )
    assert first_difference(stored, wanted) == "optimizer.lr is 0.1 there, 0.2 here"
    assert (
        first_difference(stored, compose_config(["optimizer.lr=0.1", "seed=3"]))
        == "seed is 0 there, 3 here"
    )
    assert first_difference(stored, compose_config(["optimizer.lr=0.1", "run_dir=x"])) == ""
