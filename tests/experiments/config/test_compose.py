"""Composing, naming and checking configurations."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from crl.experiments.config import precision
from crl.experiments.config.checks import check_config
from crl.experiments.config.compose import compose_config, load_config, to_yaml
from crl.experiments.config.datasets import DATASETS, ImagesConfig
from crl.experiments.config.encoders import ENCODERS, EncoderConfig
from crl.experiments.config.identity import (
    config_hash,
    evaluation_of,
    first_difference,
    run_name,
    run_path,
)
from crl.experiments.config.messages import CONFIG_DIR, choices
from crl.experiments.config.objectives import OBJECTIVES, ObjectiveConfig
from crl.experiments.config.option import Choice
from crl.experiments.config.schema import GROUPS, Config
from crl.experiments.errors import ConfigError
from crl.losses.contrastive import LOSSES

# The name of every run that configs/ gives, by its overrides. A name that changes would train
# everything anew.
RUN_NAMES: dict[str, str] = json.loads(Path(__file__).with_name("run_names.json").read_text())
# The names of crl when the evaluation was part of them.
EARLIER: dict[str, str] = json.loads(Path(__file__).with_name("earlier_names.json").read_text())


def test_every_run_keeps_its_name_and_one_of_an_earlier_crl_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_computes_bf16", lambda options: False)  # on any machine
    for overrides, name in RUN_NAMES.items():
        composed = compose_config(overrides.split())
        assert run_name(composed) == name, overrides
        if overrides in EARLIER:
            composed.output_dir = str(tmp_path)
            earlier = tmp_path / "runs" / EARLIER[overrides] / f"seed{composed.seed}"
            earlier.mkdir(parents=True, exist_ok=True)
            assert run_path(composed) == earlier, overrides


@pytest.mark.parametrize("dataset", sorted(DATASETS))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_data_set_composes_with_every_encoder_of_its_modality(
    dataset: str, encoder: str
) -> None:
    overrides = [f"dataset={dataset}", f"encoder={encoder}"]
    if DATASETS[dataset].points != ENCODERS[encoder].points:
        with pytest.raises(ConfigError, match="choose encoder="):
            compose_config(overrides)
        return
    config = compose_config(overrides)
    assert (config.dataset.name, config.encoder.name) == (dataset, encoder)


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_every_data_set_has_an_encoder_that_fits(dataset: str) -> None:
    encoder = compose_config([f"dataset={dataset}"]).encoder.name
    assert ENCODERS[encoder].points == DATASETS[dataset].points


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(experiment: str) -> None:
    of_images = {"cifar100", "glyphs"}.intersection(experiment.split("_"))
    vectors = [] if of_images else ["encoder.glove_path=x"]
    config = compose_config([f"experiment={experiment}", *vectors])
    assert config.objective.name == ("supervised" if "supervised" in experiment else "contrastive")


def test_table_1_has_the_papers_setting() -> None:
    config = compose_config(["experiment=table1_cifar100"])
    assert (config.dataset.name, config.encoder.name) == ("cifar100", "vgg16")
    objective = config.objective
    assert (objective.block_size, objective.negatives, objective.loss) == (2, 4, "logistic")
    config = compose_config(["experiment=table1_wiki3029", "encoder.glove_path=x"])
    assert (config.encoder.name, config.encoder.dimension) == ("gru", 300)
    assert config.encoder.arguments()["bidirectional"] is True
    assert (config.objective.block_size, config.objective.negatives) == (10, 8)


def test_the_command_line_wins_over_experiment_data_set_and_preset() -> None:
    given = ["encoder=small_cnn", "training.steps=7", "objective.block_size=3"]
    config = compose_config(["experiment=table1_cifar100", *given])
    assert config.encoder.name == "small_cnn"
    assert (config.training.steps, config.objective.block_size) == (7, 3)


def test_the_hash_ignores_what_cannot_change_a_result_and_nothing_else() -> None:
    plain = config_hash(compose_config([]))
    same = ["seed=5", "runtime.progress=false", "run_dir=x", "output_dir=y", "force=true"]
    same += ["evaluation.ks=[2]", "evaluation.label_fraction=0.5", "evaluation.attentive=true"]
    for override in [*same, "training.checkpoint_seconds=1"]:
        assert config_hash(compose_config([override])) == plain, override
    different = [
        "optimizer.lr=0.5", "objective.loss=hinge", "training.steps=5",
        "dataset.train_fraction=0.5", "encoder.width=3", "runtime.precision=bf16",
        "objective.negative_source=fresh",
    ]  # fmt: skip
    hashes = {config_hash(compose_config([override])) for override in different}
    assert len(hashes | {plain}) == len(different) + 1


def test_an_evaluation_has_a_hash_of_its_own() -> None:
    plain = evaluation_of(compose_config([]))
    for override in ["training.steps=5", "evaluation.batch_size=7", "seed=5"]:
        assert evaluation_of(compose_config([override])) == plain, override
    different = ["evaluation.ks=[2]", "evaluation.shots=1", "evaluation.map=none"]
    hashes = {evaluation_of(compose_config([override])) for override in different}
    assert len(hashes | {plain}) == len(different) + 1


@pytest.mark.parametrize("dataset", ["cifar100", "imdb", "wiki3029"])
def test_the_place_of_published_data_is_not_part_of_a_run(dataset: str) -> None:
    here, there = (compose_config([f"dataset={dataset}", f"dataset.root={p}"]) for p in "ab")
    assert config_hash(here) == config_hash(there)


@pytest.mark.parametrize("dataset", ["image_folder", "documents", "labelled_documents", "features"])
def test_the_place_of_own_data_is_part_of_a_run(dataset: str) -> None:
    here, there = (
        compose_config([f"dataset={dataset}", f"dataset.root={p}", "objective=frozen"])
        for p in "ab"
    )
    assert config_hash(here) != config_hash(there)


def test_a_new_option_changes_no_name_at_its_default_and_counts_otherwise() -> None:
    data = ["dataset=documents", "dataset.root=x"]
    old = compose_config(data)
    given = compose_config([*data, "dataset.encoding=cp1250"])
    assert config_hash(compose_config([*data, "dataset.encoding=guess"])) == config_hash(old)
    assert config_hash(given) != config_hash(old)
    assert first_difference(old, given) == "dataset.encoding is guess there, cp1250 here"
    assert first_difference(given, old) == "dataset.encoding is cp1250 there, guess here"


def test_a_run_name_says_what_was_run() -> None:
    name = run_name(compose_config(["dataset=docstrings"]))
    assert name.startswith("docstrings-bag_of_words-contrastive-")


@pytest.mark.parametrize(
    "overrides",
    [[], ["dataset=docstrings", "encoder=gru"], ["experiment=table1_cifar100_supervised"]],
)
def test_a_stored_configuration_loads_as_it_was(overrides: list[str], tmp_path: Path) -> None:
    config = compose_config([*overrides, "seed=4", "evaluation.ks=[2,3]"])
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    loaded = load_config(tmp_path / "config.yaml")
    assert loaded == config
    assert config_hash(loaded) == config_hash(config)
    assert load_config(tmp_path / "config.yaml", ["evaluation.ks=[4]"]).evaluation.ks == [4]


def test_an_encoder_with_only_an_entry_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Choice(EncoderConfig, "crl.encoders.small_cnn:SmallCNN", "images")
    monkeypatch.setitem(ENCODERS.own, "mine", mine)
    assert compose_config(["encoder=mine", "encoder.dimension=5"]).encoder.dimension == 5
    assert "mine" in choices("encoder")


def test_a_data_set_with_only_an_entry_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS.own, "ours", Choice(ImagesConfig, "ours:load", "images"))
    config = compose_config(["dataset=ours", "dataset.augment=shift"])
    assert (config.dataset.name, config.dataset.augment) == ("ours", "shift")


def test_every_file_of_a_group_is_a_choice() -> None:
    for group, entries in GROUPS.items():
        files = {path.stem for path in (CONFIG_DIR / group).glob("*.yaml")}
        assert files <= set(entries), group


def test_every_target_can_be_imported() -> None:
    for entries in GROUPS.values():
        for name, choice in entries.items():
            assert not choice.target or callable(choice.load()), name


def test_the_losses_that_can_be_chosen_are_those_there_are() -> None:
    spec = next(spec for spec in fields(ObjectiveConfig) if spec.name == "loss")
    assert set(spec.metadata["choices"]) == set(LOSSES)


def test_points_of_a_tuple_are_those_that_its_sampler_draws() -> None:
    sources = ("objective.negative_source=fresh", "objective.negative_source=pooled")
    for name, choice in OBJECTIVES.items():
        for source in sources if choice.target else ():
            sizes = [source, "objective.block_size=3", "objective.negatives=5"]
            options = compose_config([f"objective={name}", *sizes]).objective
            import torch

            sampler = choice.load()(options, 4, 3).sampler(torch.tensor([0, 4, 9, 12]))
            assert sampler.points_per_tuple == options.points_per_tuple, (name, source)


def test_check_names_the_bounds() -> None:
    config = compose_config([])
    config.training.steps = 0
    with pytest.raises(ConfigError, match=r"training.steps: 0 is out of bounds; .* at least 1"):
        check_config(config)


def test_a_place_may_be_called_like_what_is_never_imported() -> None:
    assert compose_config(["run_dir=/tmp/my_target_runs"]).run_dir == "/tmp/my_target_runs"
    targets = ("_target_=a", "+_target_=a", "~training._target_")
    for override in (*targets, "evaluation.ks=[{a: 1, _target_ : a}]"):
        with pytest.raises(ConfigError, match="nothing is imported"):
            compose_config([override])


def _composed(*overrides: str) -> Config:
    return compose_config(list(overrides))


def test_the_difference_that_is_named_is_one_that_changes_the_result() -> None:
    stored = _composed("training.checkpoint_seconds=1", "optimizer.lr=0.1")
    wanted = _composed("training.checkpoint_seconds=2", "optimizer.lr=0.2")
    assert first_difference(stored, wanted) == "optimizer.lr is 0.1 there, 0.2 here"
    other_seed = _composed("optimizer.lr=0.1", "seed=3")
    assert first_difference(stored, other_seed) == "seed is 0 there, 3 here"
    assert first_difference(stored, _composed("optimizer.lr=0.1", "run_dir=x")) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 1\n", r"dataset.name: None is no choice"),
        ("dataset: {name: glyphs}\n", r"encoder.name: None is no choice"),
        ("dataset: [1]\n", r"dataset.name: None is no choice"),
    ],
)
def test_a_stored_configuration_without_a_group_says_which(
    text: str, line: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=line):
        load_config(tmp_path / "config.yaml")


def test_a_list_in_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"evaluation.ks: \[2\] is not a single value"):
        compose_config(["evaluation.ks=[[2]]"])


def test_several_experiments_can_be_laid_over_each_other() -> None:
    config = compose_config(["experiment=[quick_glyphs,imbalance_glyphs]"])
    assert config.dataset.class_distribution == "step"


def test_a_list_is_expected_in_a_stored_configuration_too(tmp_path: Path) -> None:
    stored = to_yaml(compose_config([])).replace("ks:\n  - 2\n  - 5\n", "ks: 2\n")
    (tmp_path / "config.yaml").write_text(stored)
    with pytest.raises(ConfigError, match="a list is expected"):
        load_config(tmp_path / "config.yaml")
