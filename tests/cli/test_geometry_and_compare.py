"""``crl geometry`` and ``crl compare`` on tiny runs, through the real commands."""

import json
import re
import shutil
from pathlib import Path

import pytest
from made_up_runs import make_run

from crl.cli.main import main
from crl.experiments.analysis.alignment import run_labels
from crl.experiments.storage.results import find_runs

FREE = [
    "dataset=class_ids",
    "objective.normalize=true",
    "objective.block_size=1",
    "objective.negatives=1",
]
FREE += [
    "training.steps=300",
    "training.batch_size=128",
    "optimizer.lr=0.02",
    "optimizer.weight_decay=0",
]
FREE += ["evaluation.linear_steps=20", "runtime.progress=false"]
GLYPHS = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=3",
    "encoder.width=4",
    "training.steps=20",
]
GLYPHS += ["training.dev_every=20", "evaluation.linear_steps=20", "runtime.progress=false"]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Free embeddings of five equally likely classes."""
    folder = tmp_path_factory.mktemp("free")
    assert main(["train", *FREE, f"output_dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of an unsupervised encoder, and a supervised one."""
    folder = tmp_path_factory.mktemp("glyphs")
    for option in ("seed=0", "seed=1", "objective=supervised"):
        assert main(["train", *GLYPHS, option, f"output_dir={folder}"]) == 0
    return folder


def test_free_embeddings_reach_the_predicted_geometry(free, tmp_path, capsys):
    assert main(["geometry", str(free), f"out={tmp_path / 'g'}"]) == 0
    printed = capsys.readouterr().out
    assert "to prediction" in printed and str(tmp_path / "g" / "gram-1.svg") in printed
    (geometry,) = json.loads((tmp_path / "g" / "geometry.json").read_text())
    assert geometry["imbalance"] == pytest.approx(1)
    assert (
        geometry["NC1"] < 1e-6
        and geometry["to prediction"] < 0.05
        and geometry["certificate"] < 1e-5
    )
    assert geometry["loss of means"] == pytest.approx(geometry["least loss"], abs=1e-3)
    assert geometry["minority predicted"] is None  # there is no minority
    assert geometry["predicted_gram"][0][1] == pytest.approx(-0.25, abs=1e-6)
    assert (tmp_path / "g" / "gram-1.svg").read_text().startswith("<?xml")


def test_compare_aligns_runs_beside_a_null(glyphs, tmp_path, capsys):
    assert (
        main(
            [
                "compare",
                str(glyphs),
                "points=100",
                "neighbours=5",
                "permutations=20",
                f"out={tmp_path / 'c'}",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "100 test points" in printed and "1-2" in printed and "supervised" in printed
    comparison = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert len(comparison["runs"]) == 3 and len(comparison["pairs"]) == 3
    assert len({run["label"] for run in comparison["runs"]}) == 3
    for pair in comparison["pairs"]:
        for measure in ("neighbours", "kernels"):
            assert pair[measure]["null_mean"] < 0.2 and 0 < pair[measure]["p_value"] <= 1
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert names == {
        "comparison.json",
        "alignment-neighbours.svg",
        "alignment-kernels.svg",
        "alignment-accuracy.svg",
    }


def test_the_same_comparison_gives_the_same_bytes(glyphs, tmp_path):
    for name in ("a", "b"):
        assert (
            main(["compare", str(glyphs), "points=60", "permutations=5", f"out={tmp_path / name}"])
            == 0
        )
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_copy_is_aligned_perfectly_and_other_test_points_are_refused(glyphs, tmp_path, capsys):
    (run, *_) = sorted(
        path.parent for path in glyphs.rglob("result.json") if "contrastive" in str(path)
    )
    shutil.copytree(run, tmp_path / "a")
    shutil.copytree(run, tmp_path / "b")
    assert (
        main(
            [
                "compare",
                str(tmp_path / "a"),
                str(tmp_path / "b"),
                "permutations=5",
                f"out={tmp_path / 'c'}",
            ]
        )
        == 0
    )
    (pair,) = json.loads((tmp_path / "c" / "comparison.json").read_text())["pairs"]
    assert pair["neighbours"]["value"] == 1 and pair["kernels"]["value"] == pytest.approx(1)
    assert main(["train", *GLYPHS, "dataset.split_seed=1", f"run_dir={tmp_path / 'd'}"]) == 0
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "d")]) == 2
    assert "other test points" in capsys.readouterr().err


def test_class_means_are_measured_where_theory_predicts_nothing(free, glyphs, tmp_path, capsys):
    assert main(["geometry", str(free), str(glyphs), f"out={tmp_path / 'g'}"]) == 0
    assert capsys.readouterr().err.count("nothing is predicted: raw features") == 3
    geometries = json.loads((tmp_path / "g" / "geometry.json").read_text())
    assert [g["predicted_gram"] is None for g in geometries] == [False, True, True, True]
    for g in geometries:
        assert g["NC1"] >= 0 and len(g["reached_gram"]) == len(g["rho"])
    assert (tmp_path / "g" / "gram-4.svg").exists()


BAD = {
    "geometry of nothing": (["geometry"], "crl geometry RUN_DIR"),
    "geometry of no folder": (["geometry", "nowhere"], "not a folder"),
    "geometry with an option": (["geometry", "FREE", "colour=red"], "no such option"),
    "geometry of an empty folder": (["geometry", "EMPTY"], "no finished run"),
    "compare of one run": (["compare", "FREE"], "2 are needed"),
    "compare of different data": (["compare", "FREE", "GLYPHS"], "other test points"),
    "compare of nothing": (["compare"], "crl compare RUN_DIR"),
    "too many neighbours": (["compare", "GLYPHS", "points=10", "neighbours=10"], "at most 9"),
    "a count that is none": (["compare", "GLYPHS", "permutations=no"], "permutations: 'no'"),
}


def test_shapes_of_rho_and_numbers_of_classes_have_a_curve_each(tmp_path, capsys):
    few = ["training.steps=1", "training.batch_size=8", "evaluation.ks=[2]", "evaluation.tops=[1]"]
    for options in (
        ["dataset.class_distribution=step", "dataset.imbalance=4"],
        ["dataset.class_distribution=step", "dataset.imbalance=9"],
        ["dataset.class_distribution=step", "dataset.imbalance=4", "dataset.classes=6"],
        ["dataset.class_distribution=longtail", "dataset.imbalance=4"],
    ):
        assert main(["train", *FREE, *few, *options, f"output_dir={tmp_path}"]) == 0
    damaged = tmp_path / "damaged" / "result.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert main(["geometry", str(tmp_path)]) == 0
    assert f"left out: {damaged}" in capsys.readouterr().err
    figure = (tmp_path / "geometry" / "minority-cosine.svg").read_text(encoding="utf-8")
    labels = {text.rpartition(": ")[0] for text in re.findall(">(k = [^<]*)<", figure)}
    assert labels == {
        "k = 1, 5 classes, 2 of 5 rare",
        "k = 1, 6 classes, 3 of 6 rare",
        "k = 1, 5 classes, longtail",
    }


def test_runs_that_differ_in_their_folder_only_have_labels_of_their_own(tmp_path):
    for name in ("a", "b"):
        make_run(tmp_path / name, "glyphs-a-00000001", 0, 0.9)
    make_run(tmp_path, "glyphs-f-00000002", 0, 0.9, encoder__model="resnet18")
    labels = run_labels(find_runs([tmp_path]).runs)
    assert len(set(labels)) == 3 and sum("resnet18" in label for label in labels) == 1


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, free, glyphs, tmp_path, capsys):
    arguments, wanted = BAD[name]
    places = {"FREE": str(free), "GLYPHS": str(glyphs), "EMPTY": str(tmp_path)}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert wanted in printed.err.strip().splitlines()[-1]
    assert "Traceback" not in printed.err
    assert not list(tmp_path.iterdir())
