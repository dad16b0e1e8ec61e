"""Paths of any characters work as they are typed, or a line shows how to type them."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crl.cli.main import main
from crl.experiments.config.compose import combinations, compose_config, load_config, to_yaml
from crl.experiments.config.quoting import PATHS
from crl.experiments.config.schema import options_by_name
from crl.experiments.errors import ConfigError

ODD = ["ä", "my data", "a=b", "a'b", "007", "1_0", "true", "nan", "[x]", "{a: 1}", "(x)", "a;b#c",
       "50%", "*", "a:b", "日本", "x\\'", " blank ", "~"]  # fmt: skip
FOLDER = ["dataset=image_folder"]
GLOVE = ["dataset=docstrings", "encoder.embedding=glove"]
MODEL = ["encoder=torchvision:resnet18"]
GROUPS = {"dataset.root": FOLDER, "encoder.glove_path": GLOVE, "encoder.weights": MODEL}


def value_of(config, name):  # type: ignore[no-untyped-def]
    group, _, option = name.rpartition(".")
    return getattr(getattr(config, group) if group else config, option)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("path", ODD)
def test_a_path_is_taken_as_it_is_typed(name: str, path: str, tmp_path: Path) -> None:
    given = [*GROUPS.get(name, []), f"{name}={path}"]
    config = compose_config(given)
    assert value_of(config, name) == path
    (overrides,) = combinations(given)[1]  # as a run of a sweep
    assert value_of(compose_config(overrides), name) == path


@pytest.mark.parametrize("path", ODD)
def test_a_stored_run_takes_another_root_as_it_is_typed(path: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(compose_config([*FOLDER, "dataset.root=x"])))
    config = load_config(tmp_path / "config.yaml", [f"dataset.root={path}"])
    assert value_of(config, "dataset.root") == path


def test_the_options_that_take_a_path_exist() -> None:
    assert set(PATHS) <= set(options_by_name())


def test_references_and_several_values_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRL_PLACE", "/there")
    config = compose_config([*FOLDER, "dataset.root=${oc.env:CRL_PLACE}/ä"])
    assert value_of(config, "dataset.root") == "/there/ä"
    assert len(combinations([*FOLDER, "dataset.root=a,b"])[1]) == 2


@pytest.mark.parametrize("path", ["a,b", "ä,b", "a'b,c"])
def test_where_quotes_are_needed_the_line_shows_them(path: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose_config([*FOLDER, f"dataset.root={path}"])
    typed = str(error.value)
    typed = typed[min(i for i in (typed.find('"dataset'), typed.find("'dataset")) if i >= 0) :]
    assert value_of(compose_config([*FOLDER, *shlex.split(typed)]), "dataset.root") == path


def test_a_folder_with_a_comma_that_is_there_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ä,b").mkdir()
    assert value_of(compose_config([*FOLDER, "dataset.root=ä,b"]), "dataset.root") == "ä,b"


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("~nosuchuser/x", "there is no such user"),
        ("", "a path is missing"),
        ("x" * 300, "too long"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(name: str, path: str, why: str) -> None:
    if (name, path) == ("encoder.weights", ""):
        pytest.skip("no weights")
    with pytest.raises(ConfigError) as error:
        compose_config([*GROUPS.get(name, []), f"{name}={path}"])
    assert str(error.value).startswith(f"{name}: ") and why in str(error.value)


def test_a_file_whose_name_begins_with_a_tilde_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~images").mkdir()
    config = compose_config([*FOLDER, "dataset.root=~images", "output_dir=./~new"])
    assert value_of(config, "dataset.root") == "~images" and config.output_dir == "./~new"


@pytest.mark.parametrize("path", ["${x}", "${x}.npz", "'${x}'", "\\${x}", "'${oops'"])
def test_a_path_that_reads_as_a_reference_is_named(path: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose_config([*FOLDER, f"dataset.root={path}"])
    message = str(error.value)
    assert message.startswith("dataset.root=") and message.endswith("rename such a file or folder")
    assert "${...} stands for the value of another option" in message and "\n" not in message


def test_a_text_with_characters_that_hydra_cannot_read_is_shown_in_quotes() -> None:
    with pytest.raises(ConfigError, match=r"needs quotes: \"runtime\.wandb='ä'\""):
        compose_config(["runtime.wandb=ä"])


def test_a_file_of_features_with_an_umlaut_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    points = np.random.default_rng(0).normal(size=(40, 8)).astype("f4")
    arrays = {f"{role}_features": points + i for i, role in enumerate(("train", "test"))}
    labels = {f"{role}_labels": np.repeat([0, 1], 20) for role in ("train", "test")}
    np.savez("features ä=1.npz", **arrays, **labels)
    quick = ["evaluation.linear_steps=5", "runtime.progress=false"]
    assert main(["evaluate", "features=features ä=1.npz", "output_dir=aus gänge", *quick]) == 0
    assert list((tmp_path / "aus gänge" / "runs").iterdir())


def test_the_current_folder_as_root_works_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        for shade in range(10):
            Image.new("RGB", (9, 9), (80 * number, 20 * shade, 0)).save(f"{name}/{shade}.png")
    tiny = ["encoder.width=2", "training.steps=2", "training.batch_size=8", "evaluation.shots=1"]
    tiny += ["evaluation.linear_steps=5", "runtime.progress=false"]
    given = ["train", "dataset=image_folder", "dataset.root=.", *tiny]
    for seed in (0, 1):
        assert main([*given, f"seed={seed}"]) == 0
    error = capsys.readouterr().err
    assert "passed over, crl's output: outputs" in error
    assert main([*given, "seed=2", "run_dir=mine"]) == 0
    shutil.rmtree("outputs")
    assert main([*given, "seed=3"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "mine", "outputs"]
