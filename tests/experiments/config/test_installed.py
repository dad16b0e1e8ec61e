"""Choices of installed packages in a configuration: found by name, imported when chosen."""

import shutil
import sys
from pathlib import Path

import pytest
from installed_package import offer

from crl.experiments.config.compose import compose_config, load_config, to_yaml
from crl.experiments.config.identity import run_name
from crl.experiments.config.messages import choices
from crl.experiments.config.schema import GROUPS, options_by_name
from crl.experiments.errors import ConfigError
from crl.experiments.storage.subjects import result_options

RINGS = """
@dataclass
class RingsConfig(LabelledConfig):
    noise: float = option(0.1, "spread of a ring", least=0)
    seats: int = option(3, "changes nothing", changes_result=False)

RINGS = Choice(RingsConfig, "rings_parts:load", "features")
"""


def test_a_name_is_known_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {"datasets.quiet": "A", "encoders.quiet": "B", "objectives.quiet": "C"}
    offer(tmp_path, monkeypatch, "quiet_package", points, "raise SystemExit('imported')")
    for group in ("dataset", "encoder", "objective"):
        assert "quiet" in choices(group) and "quiet" in GROUPS[group]
    assert compose_config([]).dataset.name == "glyphs"
    assert "dataset.name" in options_by_name()
    assert "quiet_package" not in sys.modules


def test_a_choice_has_its_typed_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(tmp_path, monkeypatch, "rings_package", {"datasets.rings": "RINGS"}, RINGS)
    config = compose_config(["dataset=rings", "dataset.noise=0.5"])
    assert config.dataset.loader_arguments()["noise"] == 0.5  # type: ignore[index]
    assert run_name(config).startswith("rings-identity-frozen-")
    assert options_by_name()["dataset.noise"][1] == ["rings"]
    other = compose_config(["dataset=rings"])
    seats = compose_config(["dataset=rings", "dataset.seats=9"])
    assert run_name(other) != run_name(config) and run_name(seats) == run_name(other)
    lines = {
        "dataset.noise=-1": "dataset.noise: -1.0 is out of bounds; it must be at least 0",
        "dataset.noise=much": "dataset.noise=much: Value 'much'",
        "dataset.nois=1": "dataset.nois: no such option; did you mean dataset.noise?",
    }
    for override, line in lines.items():
        with pytest.raises(ConfigError, match=line.replace("?", r"\?")):
            compose_config(["dataset=rings", override])
    with pytest.raises(ConfigError, match="no option of this dataset; only of rings"):
        compose_config(["dataset.noise=1"])


def test_a_stored_run_loads_again_and_names_a_package_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    source = RINGS.replace("RINGS", "STORED")
    offer(site, monkeypatch, "stored_package", {"datasets.stored": "STORED"}, source)
    config = compose_config(["dataset=stored", "dataset.noise=0.5"])
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load_config(path) == config
    plain = {"dataset": {"name": "stored", "noise": 0.5, "seats": 3, "root": None}}
    assert set(result_options(plain)) >= {"dataset.noise"}
    assert "dataset.seats" not in result_options(plain)

    shutil.rmtree(site)
    monkeypatch.syspath_prepend(tmp_path)  # another sys.path: packages are looked for anew
    assert "dataset.noise" in result_options(plain)
    with pytest.raises(ConfigError, match=r"dataset.name: stored is no choice"):
        load_config(path)
    (tmp_path / "environment.json").write_text('{"packages": {"dataset=stored": "theirs 1.0"}}')
    with pytest.raises(ConfigError, match=r"stored is a choice of theirs 1.0, which is not"):
        load_config(path)


DEFAULTS = {
    "text": ('Choice(TextConfig, "p:f", "sentences")', "bag_of_words", "contrastive"),
    "features": ('Choice(LabelledConfig, "p:f", "features")', "identity", "frozen"),
    "images": ('Choice(ImagesConfig, "p:f", "images")', "small_cnn", "contrastive"),
    "its own": (
        'Choice(ImagesConfig, "p:f", "images", {"encoder": "vgg16", "objective": "supervised", '
        '"training.steps": 7, "optimizer.lr": 0.5, "evaluation.ks": [2]})',
        "vgg16",
        "supervised",
    ),
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_a_data_set_brings_an_encoder_that_fits(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, encoder, objective = DEFAULTS[kind]
    name = f"brings_{kind.replace(' ', '_')}"
    offer(tmp_path, monkeypatch, name, {f"datasets.{name}": "A"}, f"A = {source}")
    config = compose_config([f"dataset={name}"])
    assert (config.encoder.name, config.objective.name) == (encoder, objective)
    if kind == "its own":
        assert (config.training.steps, config.optimizer.lr, config.evaluation.ks) == (7, 0.5, [2])
        given = [f"dataset={name}", "encoder=small_cnn", "training.steps=3"]
        config = compose_config(given)
        assert (config.encoder.name, config.training.steps) == ("small_cnn", 3)


CONFIG = "@dataclass\nclass C({base}):\n    x: {type} = {value}\n"
FAULTS = {
    "an import that fails": ("datasets", "import no_such", "cannot be imported (ModuleNotFound"),
    "an import that exits": ("datasets", "raise SystemExit(3)", "cannot be imported (SystemExit"),
    "nothing there": ("datasets", "", "cannot be imported (AttributeError"),
    "no Choice": ("datasets", "A = {}", "is a dict; a Choice of crl.extending is wanted"),
    "a callable": ("encoders", "A = print", "choose encoder=installed:{name}"),
    "options of another group": (
        "datasets", 'A = Choice(EncoderConfig, "p:f", "images")', "derived from DatasetConfig",
    ),
    "text without vectors": (
        "encoders", 'A = Choice(EncoderConfig, "p:f", "sentences")', "SentenceEncoderConfig",
    ),
    "no dataclass": (
        "objectives",
        'class C(ObjectiveConfig):\n    x: int = option(1, "x")\nA = Choice(C, "p:f")',
        "C lacks its @dataclass",
    ),
    "a bare field": (
        "objectives",
        CONFIG.format(base="ObjectiveConfig", type="int", value=1) + 'A = Choice(C, "p:f")',
        "C.x is not made by option(...)",
    ),
    "a type that no option has": (
        "objectives",
        CONFIG.format(base="ObjectiveConfig", type="set", value="option(None, 'x')")
        + 'A = Choice(C, "p:f")',
        "C cannot be used (",
    ),
    "other points": (
        "datasets", 'A = Choice(ImagesConfig, "p:f", "sounds")', "points are 'sounds'; one of 'im",
    ),
    "a target of no form": (
        "datasets", 'A = Choice(ImagesConfig, "load", "images")', "target is 'load'; a function",
    ),
    "defaults of an encoder": (
        "encoders",
        'A = Choice(EncoderConfig, "p:f", "images", {"training.steps": 1})',
        "has defaults; only a data set",
    ),
    "an unknown default": (
        "datasets",
        'A = Choice(ImagesConfig, "p:f", "images", {"training.stepz": 1})',
        "gives training.stepz=1 as a default, which no run takes",
    ),
    "a default of another type": (
        "datasets",
        'A = Choice(ImagesConfig, "p:f", "images", {"training.steps": "many"})',
        "gives training.steps=many as a default, which no run takes",
    ),
    "a default choice that nobody offers": (
        "datasets",
        'A = Choice(ImagesConfig, "p:f", "images", {"encoder": "alexa"})',
        "gives encoder=alexa as a default, which no run takes",
    ),
    "another data set as a default": (
        "datasets",
        'A = Choice(ImagesConfig, "p:f", "images", {"dataset": "glyphs"})',
        "gives dataset=glyphs as a default, which no run takes",
    ),
    "an option that one encoder has": (
        "datasets",
        'A = Choice(ImagesConfig, "p:f", "images", {"encoder.width": 3})',
        "gives encoder.width=3 as a default, which no run takes",
    ),
    "a method that fails": (
        "datasets",
        "@dataclass\nclass C(ImagesConfig):\n    def most_classes(self):\n        return 1 / 0\n"
        'A = Choice(C, "p:f", "images")',
        "C.most_classes of {package} 1.0 fails (ZeroDivisionError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_choice_is_one_line_that_names_its_package(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, source, wanted = FAULTS[kind]
    name = f"faulty{[*FAULTS].index(kind)}"
    offer(tmp_path, monkeypatch, f"{name}_package", {f"{group}.{name}": "A"}, source)
    assert compose_config([]).dataset.name == "glyphs"
    with pytest.raises(ConfigError) as raised:
        compose_config([f"{group[:-1]}={name}"])
    line = str(raised.value)
    assert wanted.format(name=name, package=f"{name}_package") in line
    assert f"{name}_package 1.0" in line and "\n" not in line


def test_two_packages_with_a_choice_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        place, package = tmp_path / str(number), f"twice_package{number}"
        offer(place, monkeypatch, package, {"datasets.twice": "RINGS"}, RINGS)
    with pytest.raises(ConfigError, match=r"2 packages offer it .twice_package1 1.0, twice_p"):
        compose_config(["dataset=twice"])
    assert compose_config(["dataset=class_ids"]).dataset.name == "class_ids"


def test_a_choice_with_the_name_of_ours_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(tmp_path, monkeypatch, "shadow_package", {"datasets.class_ids": "RINGS"}, RINGS)
    line = "dataset=class_ids: crl has its own, and shadow_package 1.0 offers another"
    with pytest.raises(ConfigError, match=line):
        compose_config(["dataset=class_ids"])
    assert compose_config(["dataset=docstrings"]).dataset.name == "docstrings"


def test_an_encoder_without_options_may_have_the_name_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(tmp_path, monkeypatch, "plain_package", {"encoders.vgg16": "build"}, "build = print")
    assert compose_config(["encoder=vgg16"]).encoder.name == "vgg16"


def test_a_package_whose_metadata_cannot_be_read_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = offer(tmp_path, monkeypatch, "unreadable_package", {"datasets.unreadable": "A"})
    (about / "entry_points.txt").write_text("[crl.datasets]\nunreadable\n\n[crl.encoders\n")
    assert compose_config([]).dataset.name == "glyphs"
    with pytest.raises(ConfigError, match="no choice 'unreadable'"):
        compose_config(["dataset=unreadable"])
