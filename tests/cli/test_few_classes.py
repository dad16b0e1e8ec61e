"""Data sets of few classes: default tasks become smaller, typed ones are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from crl.cli.main import main

TINY = ["encoder.width=2", "training.steps=2", "training.batch_size=8", "evaluation.shots=1"]
TINY += ["evaluation.linear_steps=5", "runtime.progress=false", "dataset=image_folder"]


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """Return the arguments of a tiny run on a folder of three classes."""
    for number, name in enumerate("abc"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for shade in range(10):
            image = Image.new("RGB", (9, 9), (80 * number, 20 * shade, 0))
            image.save(tmp_path / "images" / name / f"{shade}.png")
    return ["train", *TINY, f"dataset.root={tmp_path}/images", f"run_dir={tmp_path}/run"]


def test_default_tasks_become_smaller_and_it_is_said_once(
    three: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(three) == 0
    said = "there are 3 classes, so evaluation.ks=[2, 3] instead of [2, 5] and evaluation.tops="
    error = capsys.readouterr().err
    assert error.count(f"{said}[1, 2] instead of [1, 5]") == 1
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["evaluation"]
    assert stored["ks"] == [2, 3] and stored["tops"] == [1, 2]
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert {"test.mean.avg3", "test.mean.top2"} <= set(metrics)
    assert not {"test.mean.avg5", "test.mean.top5"} & set(metrics)
    # The same command, and one that types what was done, find the run complete.
    for typed in ([], ["evaluation.ks=[2,3]", "evaluation.tops=[1,2]"]):
        assert main([*three, *typed]) == 0
        error = capsys.readouterr().err
        assert "complete already" in error and "classes, so" not in error
    assert main(["evaluate", str(tmp_path / "run"), "evaluation.linear_steps=4"]) == 0


def test_an_interrupted_run_goes_on_with_the_smaller_tasks(
    three: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(three) == 0
    before = (tmp_path / "run" / "result.json").read_text()
    (tmp_path / "run" / "result.json").unlink()
    assert main(three) == 0
    after = (tmp_path / "run" / "result.json").read_text()
    assert json.loads(before)["metrics"] == json.loads(after)["metrics"]


@pytest.mark.parametrize(
    "typed", ["evaluation.ks=[5]", "evaluation.tops=[1,4]", "evaluation={ks:[2,5]}"]
)
def test_typed_tasks_are_refused_before_an_image_is_read(
    three: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
) -> None:
    monkeypatch.setattr("crl.data.datasets.image_folder.load_image_folder", None)
    assert main([*three, typed]) == 2
    assert "exceeds the 3 classes of image_folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("dataset", "classes"), [("glyphs", 100), ("cifar100", 100), ("imdb", 2), ("class_ids", 5)]
)
def test_typed_tasks_are_refused_where_the_number_of_classes_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dataset: str, classes: int
) -> None:
    given = ["train", f"dataset={dataset}", f"evaluation.tops=[{classes + 1}]"]
    if dataset in ("cifar100", "imdb"):
        given.append(f"dataset.root={tmp_path}")  # nothing is there
    assert main([*given, f"output_dir={tmp_path}/out"]) == 2
    said = f"evaluation.tops: {classes + 1} exceeds the {classes} classes of {dataset}"
    assert said in capsys.readouterr().err


def test_tasks_of_features_become_smaller_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
    arrays = {f"{role}_features": points + i for i, role in enumerate(("train", "test"))}
    labels = {f"{role}_labels": np.arange(40) % 2 for role in ("train", "test")}
    np.savez(tmp_path / "f.npz", **arrays, **labels)
    given = ["evaluate", f"features={tmp_path}/f.npz", f"output_dir={tmp_path}/out", *TINY[4:5]]
    assert main(given) == 0
    said = "there are 2 classes, so evaluation.ks=[2] instead of [2, 5] and evaluation.tops=[1]"
    assert said in capsys.readouterr().err
    assert main([*given, "evaluation.ks=[3]"]) == 2
