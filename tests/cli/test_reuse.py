"""A changed evaluation reuses the trained encoder; changed files never count as the same run."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crl.cli.main import main

GLYPHS = ["dataset.points_per_class=10", "dataset.test_per_class=2", "encoder.width=2"]
TINY = ["training.steps=2", "training.batch_size=8", "evaluation.linear_steps=5"]
TINY += ["evaluation.l2=[0.001]", "runtime.progress=false", "runtime.threads=1"]
TEXT = ["dataset=documents", "dataset.min_sentences=10"]
TEXT += ["objective.negatives=2", "encoder.dimension=4", "encoder.embedding_dim=4"]


def result_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def write_documents(folder: Path, word: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in "abcdefghijkl":
        lines = [f"This {word} is number {n} of document {name}." for n in range(20)]
        (folder / f"{name}.txt").write_text("\n".join(lines))


def test_a_changed_evaluation_scores_the_same_encoder_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", *GLYPHS, *TINY, f"run_dir={run}"]
    assert main([*command, "evaluation.ks=[2]"]) == 0
    checkpoint, first = (run / "checkpoint.pt").read_bytes(), result_of(run)
    assert main([*command, "evaluation.ks=[2,3]"]) == 0
    said = capsys.readouterr()
    assert "trained already" in said.err and "AVG-3" in said.out
    second = result_of(run)
    assert second["evaluation"]["ks"] == [2, 3] and "test.mean.avg3" in second["metrics"]
    assert (run / "checkpoint.pt").read_bytes() == checkpoint
    assert second["config_hash"] == first["config_hash"]
    same = first["metrics"].keys() & second["metrics"].keys()
    assert {"dev.loss", "test.mean.avg2"} <= same
    assert all(first["metrics"][name] == second["metrics"][name] for name in same)
    # The first evaluation is kept and comes back without scoring anything.
    assert main([*command, "evaluation.ks=[2]"]) == 0
    said = capsys.readouterr()
    assert "complete already" in said.err and "trained already" not in said.err
    assert result_of(run)["metrics"] == first["metrics"]
    assert result_of(run)["timing"] == first["timing"]


def test_what_the_encoder_cannot_do_is_refused_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", *GLYPHS, *TINY, f"run_dir={tmp_path}/run"]
    assert main([*command, "evaluation.attentive=true"]) == 2
    assert "evaluation.attentive" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_sweep_over_evaluations_trains_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["train", "-m", *GLYPHS, *TINY, "evaluation.shots=1,2", "seed=0,1"]
    sweep += [f"output_dir={tmp_path}/out"]
    assert main(sweep) == 0
    said = capsys.readouterr()
    assert len([*(tmp_path / "out").glob("runs/*/*/checkpoint.pt")]) == 2
    rows = [line.split() for line in said.out.splitlines() if line.strip()[:1] in ("1", "2")]
    assert [row[:2] for row in rows] == [["1", "2"], ["2", "2"]]
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert main(sweep) == 0
    assert "4 of them complete already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert main(["report", f"{tmp_path}/out"]) == 0
    assert main(["status", f"{tmp_path}/out"]) == 0


def test_a_moved_folder_of_published_data_is_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_documents(tmp_path / "here", "line")
    command = ["train", "dataset=wiki3029", *TEXT[2:], *TINY]
    command += [f"output_dir={tmp_path}/out"]
    assert main([*command, f"dataset.root={tmp_path}/here"]) == 0
    (tmp_path / "here").rename(tmp_path / "there")
    assert main([*command, f"dataset.root={tmp_path}/there"]) == 0
    assert "complete already" in capsys.readouterr().err
    write_documents(tmp_path / "there", "word")
    assert main([*command, f"dataset.root={tmp_path}/there"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "dataset.root" in error and "changed" in error and "force=true" in error
    assert main([*command, f"dataset.root={tmp_path}/gone"]) == 0
    assert "cannot be compared" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["train"], ["train", "-m", "seed=0,1"]], ids=["run", "sweep"])
def test_changed_files_are_no_complete_run(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_documents(tmp_path / "own", "line")
    command = [*verb, *TEXT, *TINY, f"dataset.root={tmp_path}/own"]
    command += [f"output_dir={tmp_path}/out"]
    assert main(command) == 0
    assert main(command) == 0
    write_documents(tmp_path / "own", "word")
    capsys.readouterr()
    assert main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{tmp_path}/own" in error and "changed" in error and "force=true" in error
    assert main([*command, "force=true"]) == 0


def write_vectors(path: Path, seed: int) -> None:
    words = ["this", "line", "is", "number", "of", "document", *"abcdefghijkl"]
    rows = np.random.default_rng(seed).normal(size=(len(words), 4))
    lines = (" ".join([word, *map(str, row)]) for word, row in zip(words, rows, strict=True))
    path.write_text("\n".join(lines))


def test_changed_word_vectors_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_documents(tmp_path / "own", "line")
    write_vectors(tmp_path / "v.txt", 0)
    command = ["train", *TEXT, *TINY, f"dataset.root={tmp_path}/own"]
    command += ["encoder.embedding=glove", f"encoder.glove_path={tmp_path}/v.txt"]
    command += [f"output_dir={tmp_path}/out"]
    assert main([*command, "seed=0"]) == 0
    write_vectors(tmp_path / "v.txt", 1)
    capsys.readouterr()
    assert main([*command, "seed=0"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "encoder.glove_path" in error and "changed" in error
    # The other seed is a run of its own. It says that its sibling read another file.
    assert main([*command, "seed=1"]) == 0
    assert "seed0" in capsys.readouterr().err


FROZEN = ["dataset=features", "objective=frozen", "evaluation.linear_steps=5"]
FROZEN += ["runtime.progress=false", "evaluation.map=none"]


@pytest.fixture
def three_classes(tmp_path: Path) -> list[str]:
    """The options of a frozen encoder: features of three classes."""
    draws = np.random.default_rng(0)
    arrays = {}
    for role, count in (("train", 30), ("test", 15)):
        arrays[f"{role}_features"] = draws.normal(size=(count, 4)).astype(np.float32)
        arrays[f"{role}_labels"] = np.arange(count) % 3
    np.savez(tmp_path / "f.npz", **arrays)
    return [*FROZEN, f"dataset.root={tmp_path}/f.npz", f"output_dir={tmp_path}/out"]


def test_a_sweep_finds_the_evaluation_whose_defaults_were_made_to_fit(
    three_classes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *three_classes]) == 0
    capsys.readouterr()
    typed = ["evaluation.ks=[2,3],[2]", "evaluation.tops=[1,2]"]
    assert main(["train", "-m", *three_classes, *typed]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\[2, 3\] +1 +\d", said) and re.search(r"\[2\] +1 +\d", said), said


def test_evaluations_go_with_the_result_that_they_belong_to(
    three_classes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", *three_classes]
    assert main(command) == 0
    assert main([*command, "evaluation.shots=2"]) == 0
    (result,) = tmp_path.rglob("result.json")
    result.unlink()
    assert main([*command, "evaluation.shots=2"]) == 0
    assert main(command) == 0
    assert "damaged" not in capsys.readouterr().err


def test_an_encoder_is_not_scored_on_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    write_documents(tmp_path / "here", "line")
    command = ["train", "dataset=wiki3029", *TEXT[2:], *TINY, f"output_dir={tmp_path}/out"]
    assert main([*command, f"dataset.root={tmp_path}/here"]) == 0
    write_documents(tmp_path / "home" / "Wiki-3029", "word")
    for options in ([], ["evaluation.shots=3"]):
        capsys.readouterr()
        assert main([*command, *options]) == 2
        assert "have changed since this run read them" in capsys.readouterr().err


def test_status_knows_the_evaluations_of_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["train", "-m", *GLYPHS, *TINY, "evaluation.shots=1,100", f"output_dir={tmp_path}/out"]
    assert main(sweep) == 1  # no class has 100 points
    capsys.readouterr()
    assert main(["status", f"{tmp_path}/out"]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 complete, 1 failed" in said, said
