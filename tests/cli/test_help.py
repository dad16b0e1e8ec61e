"""Help that teaches: every option with its value in the composed configuration."""

import re
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from installed_package import offer
from omegaconf import MISSING

from crl.cli.arguments import Option
from crl.cli.main import VERBS, main
from crl.data.wikipedia.articles import Rule
from crl.experiments.config.compose import compose_config
from crl.experiments.config.datasets import DATASETS, DatasetConfig
from crl.experiments.config.identity import flat_options
from crl.experiments.config.option import Choice
from crl.experiments.config.schema import GROUPS, SECTIONS

Capture = pytest.CaptureFixture[str]
OPTION = re.compile(r"(?m)^  ([\w.]+=\S+)")


def _help(capsys: Capture, *arguments: str) -> str:
    assert main(["train", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_help_shows_every_option_with_the_value_that_it_has(dataset: str, capsys: Capture) -> None:
    shown = OPTION.findall(_help(capsys, f"dataset={dataset}", "--help"))
    composed = compose_config([f"dataset={dataset}"])
    names = {name for name in flat_options(composed) if not name.endswith(".name")}
    assert {option.partition("=")[0] for option in shown} == names
    # What is shown, typed again, is the same configuration.
    assert compose_config([f"dataset={dataset}", *shown]) == composed


def test_help_shows_the_values_of_the_overrides_beside_it(capsys: Capture) -> None:
    overrides = ["encoder=gru", "dataset=imdb", "training.steps=7", "dataset.root=a b"]
    text = _help(capsys, "--help", *overrides)
    assert "  training.steps=7 " in text and "  training.batch_size=64 " in text
    assert "dataset.root='a b'" in text


def test_help_without_arguments_teaches_the_whole_command(capsys: Capture) -> None:
    text = _help(capsys, "-h")
    for entries in GROUPS.values():
        for name, choice in entries.items():
            about = (choice.options.__doc__ or "").partition("\n")[0]
            assert re.search(rf"(?m)^  [ *] {name} +{re.escape(about[:20])}", text), name
    assert "\n  * glyphs " in text and "table1_cifar100" in text and "\n  seed=0 " in text


@pytest.mark.parametrize("group", GROUPS)
def test_help_on_a_group_shows_each_choice_with_its_options(group: str, capsys: Capture) -> None:
    text = _help(capsys, "--help", group)
    every, *blocks = text.split("\n\n")
    shared = OPTION.findall(every)
    for (name, choice), block in zip(GROUPS[group].items(), blocks, strict=True):
        assert block.startswith(f"{group}={name}")
        assert block.startswith(f"{group}={name} *") == (name in _chosen())
        shown = {option.partition("=")[0] for option in [*shared, *OPTION.findall(block)]}
        above = re.search(r"(?ms)^  as above +(.*?)(^  \S|\Z)", block)
        shown |= {name for name in re.split(r"[,\s]+", above[1]) if name} if above else set()
        names = {f"{group}.{spec.name}" for spec in fields(choice.options) if spec.name != "name"}
        assert shown == names


def _chosen() -> set[str]:
    config = compose_config([])
    return {getattr(config, group).name for group in GROUPS}


def test_the_choices_of_a_group_have_the_values_of_the_other_choices(capsys: Capture) -> None:
    text = _help(capsys, "encoder=gru", "--help", "optimizer")
    assert re.findall(r"optimizer.lr=(\S+)", text) == ["0.003", "0.1"]
    text = _help(capsys, "dataset=imdb", "--help", "objective")
    assert re.findall(r"objective.block_size=(\S+)", text) == ["10"]


@pytest.mark.parametrize("section", SECTIONS)
def test_help_on_a_section_shows_its_options_alone(section: str, capsys: Capture) -> None:
    shown = OPTION.findall(_help(capsys, "--help", section))
    names = [f"{section}.{spec.name}" for spec in fields(SECTIONS[section])]
    assert [option.partition("=")[0] for option in shown] == names


def test_help_on_an_option_shows_it_alone(capsys: Capture) -> None:
    for name in ("training.steps", "seed"):
        (option,) = OPTION.findall(_help(capsys, "--help", name))
        assert option.startswith(f"{name}=")
    text = _help(capsys, "--help", "dataset.image_size")  # glyphs have none
    assert text.startswith("dataset=image_folder ") and len(OPTION.findall(text)) == 1


def test_help_finds_an_option_of_an_installed_choice_that_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    source = """
@dataclass
class ToldConfig(ObjectiveConfig):
    leeway: float = option(1.0, "How much is let pass.", above=0)

TOLD = Choice(ToldConfig, "told_parts:Told")
"""
    offer(tmp_path, monkeypatch, "told_package", {"objectives.told": "TOLD"}, source)
    assert "Package told_package 1.0." in _help(capsys, "--help")
    text = _help(capsys, "--help", "objective.leeway")
    assert text.startswith("objective=told\n") and OPTION.findall(text) == ["objective.leeway=1.0"]


def test_help_shows_unit_bounds_choices_and_what_null_means(capsys: Capture) -> None:
    text = " ".join(_help(capsys, "--help").split())
    for limits in (
        "[steps, at least 1]",
        "[steps, at least 1; null: never]",
        "[above 0 and at most 1]",
        "[each at least 2]",
        "[pca|tsne|umap|none]",
        "[null: off; needs wandb]",
    ):
        assert limits in text


def test_help_on_experiments_says_what_they_are(capsys: Capture) -> None:
    text = _help(capsys, "--help", "experiment")
    assert re.search(r"(?m)^  table1_cifar100\s+Table 1, CIFAR-100, unsupervised", text)


def test_help_can_show_several_topics_and_the_first_run_of_a_sweep(capsys: Capture) -> None:
    sweep = ["-m", "objective.block_size=3,4", "hydra/launcher=joblib"]
    text = _help(capsys, *sweep, "--help", "objective.block_size", "seed")
    assert [o.partition("=")[0] for o in OPTION.findall(text)] == ["objective.block_size", "seed"]
    assert "objective.block_size=3 " in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["dataset=image_folder"],  # without dataset.root
        ["dataset=docstrings", "encoder.embedding=glove"],  # without encoder.glove_path
        ["dataset=image_folder", "dataset.root=/no/such/folder"],
        ["encoder=gru"],  # which does not read the images of the default data set
        ["runtime.wandb=mine", "evaluation.map=umap"],  # perhaps not installed
        ["experiment=table1_wiki3029"],
    ],
)
def test_help_does_not_ask_whether_a_run_could_start(arguments: list[str], capsys: Capture) -> None:
    assert "training.steps=" in _help(capsys, *arguments, "--help")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["training.steps=0"], "training.steps: 0 is out of bounds; it must be at least 1"),
        (["training.stepz=1"], "did you mean training.steps?"),
        (["dataset=imbd"], "dataset: no choice 'imbd'"),
        (["encoder.bidirectional=true"], "no option of this encoder; only of gru"),
        (["dataset.name=imdb"], "dataset.name: 'imdb' cannot be set"),
        (["seed=1,2"], "add -m"),
        (["objectiv"], "--help objectiv: no such group or option; did you mean objective?"),
        (["imdb"], "this is a choice; see crl train dataset=imdb --help"),
        (["dataset.name"], "--help dataset.name: no such group or option"),
        (["xyzzy"], "choose one of dataset, encoder, objective"),
        (["--fast"], "--fast: no such option"),
    ],
)
def test_a_wrong_argument_beside_help_is_named_in_one_line(
    arguments: list[str], line: str, capsys: Capture
) -> None:
    assert main(["train", "--help", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and line in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("width", [72, 80, 100, 200])
def test_help_fits_the_terminal(
    width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = _help(capsys, "dataset=imdb", "--help") + _help(capsys, "--help", "objective")
    assert max(map(len, text.splitlines())) <= min(width, 100)
    assert max(map(len, _help(capsys, "--help").splitlines())) <= 100


@dataclass
class _Theirs(DatasetConfig):
    place: str = MISSING
    size: int = 3


def test_options_of_another_package_are_shown_even_without_a_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS.own, "theirs", Choice(_Theirs, "theirs:load", "images"))
    text = _help(capsys, "dataset=theirs", "--help")
    assert "\n  dataset.size=3\n" in text
    assert re.search(r"\n  dataset.place=\?\?\? +\[must be given\]\n", text)
    assert "dataset=theirs" in _help(capsys, "--help", "dataset.place")


@pytest.mark.parametrize("verb", sorted({*VERBS} - {"train"}))
def test_the_help_of_a_verb_has_a_line_for_each_of_its_options(verb: str) -> None:
    module: Any = import_module(f"crl.cli.{verb}")
    values = [v for value in vars(module).values() for v in _flat(value)]
    options = [v.start for v in values if isinstance(v, Option)]
    if verb == "data":
        options += [f"{spec.name}=" for spec in fields(Rule)]
    rows = re.sub(r"\n {10,}", "  ", module.USAGE).splitlines()
    for start in options:
        row = next(row for row in rows if re.match(rf"  (\S+ )*{re.escape(start)}", row))
        assert re.search(r" {2,}\S.{10,}", row), start


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_the_window_and_says_the_same(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    shown = {}
    for width in (80, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main([*filter(None, [verb]), "--help"]) == 0
        shown[width] = capsys.readouterr().out
        wide = [line for line in shown[width].splitlines() if len(line) > width]
        assert all(re.match(r" *crl \S+ ", line) for line in wide)  # a command stays on its line
    assert shown[80].split() == shown[100].split()


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]
