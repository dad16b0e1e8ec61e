"""``crl`` on labelled and unlabelled documents, end to end."""

import json
from pathlib import Path
from typing import Any

import pytest

import crl.experiments.run
from crl.cli.main import main
from crl.experiments.config.schema import Config
from crl.experiments.training.build import Prepared
from crl.experiments.training.progress import Progress

SMALL = ["training.batch_size=16", "encoder.dimension=8", "encoder.embedding_dim=8",
         "objective.negatives=2", "evaluation.linear_steps=200", "training.log_every=5",
         "training.dev_every=10", "runtime.progress=false"]  # fmt: skip
TOPICS = {"pos": ["fine", "bright", "lovely"], "neg": ["dull", "grey", "awful"]}


def review(label: str, number: int) -> str:
    """Return sentences with words of the label and of this review."""
    words = TOPICS[label]
    return "<br /><br />".join(
        f"It was {words[(number + i) % 3]} and {words[i % 3]} on day {number % 7}."
        for i in range(4)
    )


def write(folder: Path) -> Path:
    for label in TOPICS:
        for role, count in (("train", 20), ("test", 10)):
            for i in range(count):
                path = folder / role / label / f"{i}_1.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(review(label, i))
        for i in range(30):
            path = folder / "train" / "unsup" / f"{i}{label}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(review(label, i))
    return folder


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("reviews") / "aclImdb").parent


def result(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.mark.parametrize("review", ["mean", "whole"])
def test_imdb_is_learned_from_unlabelled_reviews_and_evaluated_again(
    reviews: Path, tmp_path: Path, review: str
) -> None:
    run = tmp_path / "run"
    command = [
        "train",
        "dataset=imdb",
        f"dataset.root={reviews}",
        f"dataset.review={review}",
        *SMALL,
        "training.steps=60",
    ]
    assert main([*command, "optimizer.lr=0.02", f"run_dir={run}"]) == 0
    found = result(run / "result.json")
    assert found["metrics"]["test.linear.avg2"] > 0.9  # chance is 0.5
    assert found["dataset"] | {"fingerprint": ""} == {
        "name": "imdb", "classes": 2, "train_points": 36, "test_points": 20,
        "unlabelled_points": 54 * 4, "fingerprint": "",
    }  # fmt: skip
    # Latent classes are reviews. There are 54 to draw from; the theory on train uses 6 of them, as
    # many as are held out.
    assert found["theory"]["classes"] == found["theory"]["train"]["classes"] == 6
    assert found["theory"]["all_points"]["tau"] == pytest.approx(1 / 54)
    assert main(["evaluate", str(run)]) == 0
    (again,) = (run / "evaluations").iterdir()
    assert (
        result(again)["metrics"] == found["metrics"] and result(again)["theory"] == found["theory"]
    )


def test_another_copy_is_read_in_the_words_of_training(reviews: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [
        "train",
        "dataset=labelled_documents",
        f"dataset.root={reviews}/aclImdb",
        *SMALL,
        "training.steps=60",
    ]
    assert main([*command, "optimizer.lr=0.02", f"run_dir={run}"]) == 0
    other = write(tmp_path / "other")
    for path in other.rglob("*.txt"):  # new words, which shift every id
        path.write_text(path.read_text().replace("It was", "It was the zebra that zebra was"))
    assert main(["evaluate", str(run), f"dataset.root={other}"]) == 0
    (again,) = (run / "evaluations").iterdir()
    assert result(again)["metrics"]["test.linear.avg2"] > 0.9


def test_the_share_that_training_sees_is_of_whole_reviews(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fit = crl.experiments.run.fit

    def spy(config: Config, fabric: Any, prepared: Prepared, *others: Any) -> Progress:
        seen.append((prepared.train.sizes.tolist(), prepared.dev.sizes.tolist()))
        return fit(config, fabric, prepared, *others)

    monkeypatch.setattr(crl.experiments.run, "fit", spy)
    command = ["train", "dataset=imdb", f"dataset.root={reviews}", *SMALL, "training.steps=3"]
    assert main([*command, "dataset.train_fraction=0.5", f"run_dir={tmp_path}/half"]) == 0
    whole = ["dataset.review=whole", "objective=supervised", "evaluation.shots=3"]
    assert main([*command, *whole, f"run_dir={tmp_path}/supervised"]) == 0
    assert seen == [([4] * 27, [4] * 6), ([18, 18], [2, 2])]


@pytest.mark.parametrize("objective", ["contrastive", "quick_thoughts", "supervised"])
def test_the_curve_has_the_loss_of_reviews_and_that_of_sentiment(
    reviews: Path, tmp_path: Path, objective: str
) -> None:
    command = [
        "train",
        "dataset=imdb",
        f"dataset.root={reviews}",
        *SMALL,
        "training.steps=20",
        f"objective={objective}",
    ]
    command += ["dataset.review=whole"] * (objective == "supervised")
    assert main([*command, "training.curve_every=10", f"run_dir={tmp_path}/run"]) == 0
    lines = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    curve = [line for line in lines if "supervised_test_loss" in line]
    assert [line["step"] for line in curve] == [10, 20]
    for line in curve:
        assert all(
            0 < line[f"{name}_loss"] < 50
            for name in ("unsupervised_train", "unsupervised_test", "supervised_test")
        )


def test_the_supervised_baseline_refuses_means(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "dataset=imdb",
        f"dataset.root={reviews}",
        "objective=supervised",
        f"output_dir={tmp_path}/out",
    ]
    assert main(command) == 2
    assert "dataset.review=whole" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_folder_without_unlabelled_reviews_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (tmp_path / "root" / place).mkdir(parents=True)
        (tmp_path / "root" / place / "0.txt").write_text("A text. Of two.")
    command = [
        "train",
        "dataset=labelled_documents",
        f"dataset.root={tmp_path}/root",
        f"output_dir={tmp_path}/out",
    ]
    assert main(command) == 2
    assert "holds no unlabelled documents" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_real_sentiment_is_learned(some_reviews: Path, tmp_path: Path) -> None:
    command = [
        "train",
        "dataset=imdb",
        f"dataset.root={some_reviews}",
        "training.steps=100",
        "training.batch_size=64",
    ]
    command += [
        "encoder.embedding_dim=100",
        "evaluation.linear_steps=200",
        "runtime.progress=false",
    ]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    assert (
        result(tmp_path / "run" / "result.json")["metrics"]["test.linear.avg2"] > 0.65
    )  # chance is 0.5
