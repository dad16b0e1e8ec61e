"""``crl train`` end to end, through the real command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import ForkServer
from waiting import until

from crl.cli.main import main

COMMAND = [sys.executable, "-m", "crl.cli.main"]
IMAGES = [
    "dataset.points_per_class=20",
    "dataset.test_per_class=4",
    "encoder.width=4",
    "training.batch_size=16",
]
TEXT = ["dataset=documents", "dataset.min_sentences=20", "training.batch_size=16",
        "evaluation.ks=[2,3]", "evaluation.tops=[1]", "encoder.dimension=16",
        "encoder.embedding_dim=16", "objective.block_size=3"]  # fmt: skip
QUICK = [
    "evaluation.linear_steps=20",
    "runtime.progress=false",
    "training.log_every=1",
    "training.dev_every=10",
]


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write four documents, each with its own words among common ones."""
    folder = tmp_path_factory.mktemp("documents")
    for topic in ("tea", "sea", "ore", "sky"):
        lines = [
            f"the {topic}{i % 7} and the {topic}{i % 5} are {topic}{i % 3} on day {i} ."
            for i in range(60)
        ]
        (folder / f"{topic}.txt").write_text("\n".join(lines))
    return folder


def metrics(run: Path) -> dict[str, float]:
    return json.loads((run / "result.json").read_text())["metrics"]


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=300
    )


def test_a_run_leaves_its_folder_and_the_same_command_again_only_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", *IMAGES, *QUICK, "training.steps=20", f"output_dir={tmp_path}", "seed=3"]
    first = command_line(*command)
    assert first.returncode == 0, first.stderr
    (run,) = (tmp_path / "runs").glob("glyphs-small_cnn-contrastive-????????/seed3")
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "checkpoint.pt",
        "result.json",
    }
    result = json.loads((run / "result.json").read_text())
    assert result["schema"] == 1
    assert result["seed"] == 3
    assert result["name"] == run.parent.name
    assert result["name"].endswith(result["config_hash"])
    assert result["dataset"] | {"fingerprint": ""} == {
        "name": "glyphs", "classes": 100, "train_points": 1800, "test_points": 400,
        "fingerprint": "",
    }  # fmt: skip
    wanted = {
        f"test.{c}.{m}"
        for c in ("mean", "mean5", "linear")
        for m in ("avg2", "avg5", "top1", "top5")
    }
    assert wanted <= set(result["metrics"])
    assert result["environment"]["command"] == ["crl", *command]
    for theory in (result["theory"], result["theory"]["train"]):
        assert theory["tau"] == pytest.approx(0.01)
        assert theory["lemma_4_3"]["slack"] >= 0
        assert theory["lemma_4_3"]["left"] == pytest.approx(theory["supervised_mean_loss"]["pairs"])
        assert theory["proposition_6_2"]["right"] == pytest.approx(theory["lemma_4_3"]["right"])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert sum("dev_loss" in line for line in lines) == 2

    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    assert main(command) == 0
    second = capsys.readouterr()
    assert "complete already" in second.err
    assert second.out == first.stdout
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before


@pytest.mark.parametrize(
    "extra",
    [["objective.negative_source=fresh"], ["dataset.augment=flip_shift"]],
    ids=["fresh", "pooled"],
)
def test_killed_at_half_way_and_started_again_equals_undisturbed_bit_for_bit(
    extra: list[str], crl: ForkServer, tmp_path: Path
) -> None:
    command = [
        "train",
        *IMAGES,
        *QUICK,
        *extra,
        "training.steps=60",
        "training.checkpoint_seconds=0",
    ]
    for name in ("one", "two"):
        undisturbed = crl.run(*command, f"run_dir={tmp_path / name}")
        assert undisturbed.code == 0, undisturbed.text
    assert metrics(tmp_path / "one") == metrics(tmp_path / "two")

    killed, log = tmp_path / "killed", tmp_path / "killed" / "metrics.jsonl"
    process = crl.start(*command, f"run_dir={killed}")
    until(lambda: log.exists() and len(log.read_text().splitlines()) >= 25, process)
    process.kill()
    assert not (killed / "result.json").exists()
    again = crl.run(*command, f"run_dir={killed}")
    assert again.code == 0, again.text
    assert metrics(killed) == metrics(tmp_path / "one")
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(1, 61))


@pytest.mark.parametrize("encoder", ["bag_of_words", "gru"])
def test_text_interrupted_and_resumed_equals_undisturbed(
    encoder: str, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "train",
        *TEXT,
        *QUICK,
        f"dataset.root={documents}",
        f"encoder={encoder}",
        "encoder.dropout=0.3",
    ]
    command += ["training.steps=20", "training.checkpoint_seconds=0", "objective.negatives=3"]
    assert main([*command, f"run_dir={tmp_path}/one"]) == 0

    from crl.experiments.storage.run_folder import RunFolder

    append = RunFolder.append_metrics

    def interrupt(folder: RunFolder, line: dict[str, Any]) -> None:
        if line["step"] == 13:
            raise KeyboardInterrupt
        append(folder, line)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append_metrics", interrupt)
        assert main([*command, f"run_dir={tmp_path}/two"]) == 130
    assert main([*command, f"run_dir={tmp_path}/two"]) == 0
    assert metrics(tmp_path / "two") == metrics(tmp_path / "one")


@pytest.mark.parametrize("embedding", ["corpus", "learned", "glove"])
@pytest.mark.parametrize("objective", ["contrastive", "supervised"])
def test_text_is_learned_with_every_kind_of_vectors(
    objective: str,
    embedding: str,
    documents: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["tea", "sea", "ore", "sky", "the", "and", "are", "on", "day"]
    values = [
        " ".join(str((7 * row + 3 * column) % 11 / 5 - 1) for column in range(16))
        for row in range(len(words))
    ]
    glove = tmp_path / "glove.txt"
    glove.write_text(
        "\n".join(f"{word} {value}" for word, value in zip(words, values, strict=True))
    )
    command = [
        "train",
        *TEXT,
        *QUICK,
        f"dataset.root={documents}",
        f"objective={objective}",
        "training.steps=60",
    ]
    command += [
        f"encoder.embedding={embedding}",
        f"encoder.glove_path={glove}",
        "objective.negatives=2",
        "optimizer.lr=0.02",
    ]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    assert metrics(tmp_path / "run")["test.mean.avg2"] > 0.8  # chance is 0.5
    assert ("words of the vocabulary" in capsys.readouterr().err) == (embedding == "glove")


def test_the_supervised_baseline_goes_through_the_same_code(tmp_path: Path) -> None:
    command = ["train", *IMAGES, *QUICK, "objective=supervised", "training.steps=300"]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    found = metrics(tmp_path / "run")
    assert found["test.mean.avg2"] > 0.55
    assert found["test.linear.top5"] >= found["test.linear.top1"]


@pytest.mark.parametrize("encoders", [1, 2])
def test_quick_thoughts_learns_goes_on_and_is_evaluated_again(
    encoders: int, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "train",
        *TEXT,
        *QUICK,
        f"dataset.root={documents}",
        "objective=quick_thoughts",
        "training.steps=40",
    ]
    command += [f"objective.encoders={encoders}", "objective.negatives=2", "optimizer.lr=0.02"]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    assert metrics(tmp_path / "run")["test.mean.avg2"] > 0.8  # chance is 0.5
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    (again,) = (tmp_path / "run" / "evaluations").iterdir()
    assert json.loads(again.read_text())["metrics"] == metrics(tmp_path / "run")


def test_the_curve_of_figure_2c_and_a_share_of_the_labels(tmp_path: Path) -> None:
    """The loss curves and the additional fit change no other number."""
    command = [
        "train",
        *IMAGES,
        *QUICK,
        "training.steps=60",
        "training.curve_every=25",
        "evaluation.label_fraction=0.25",
    ]
    assert main([*command, f"run_dir={tmp_path}/run"]) == 0
    lines = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    curve = [line for line in lines if "supervised_test_loss" in line]
    assert [line["step"] for line in curve] == [25, 50, 60]
    assert [line["epoch"] for line in curve] == pytest.approx(
        [step * 16 * 3 / 1800 for step in (25, 50, 60)]
    )
    for name in ("unsupervised_train_loss", "unsupervised_test_loss", "supervised_test_loss"):
        assert all(0 < line[name] < 4 for line in curve)
    found = metrics(tmp_path / "run")
    assert found["train.mean25pct.top1"] != found["train.mean.top1"]
    assert {"test.linear25pct.avg2", "test.mean25pct.top5", "linear25pct.l2"} <= set(found)
    plain = ["train", *IMAGES, *QUICK, "training.steps=60", f"run_dir={tmp_path}/plain"]
    assert main(plain) == 0
    assert metrics(tmp_path / "plain").items() <= found.items()


def test_force_starts_over(tmp_path: Path) -> None:
    command = ["train", *IMAGES, *QUICK, "training.steps=3", f"run_dir={tmp_path}/run"]
    assert main(command) == 0
    assert main([*command, "optimizer.lr=0.01", "force=true"]) == 0
    assert (
        json.loads((tmp_path / "run" / "result.json").read_text())["environment"]["command"][-1]
        == "force=true"
    )
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_two_processes_do_not_share_a_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        assert main(["train", *IMAGES, *QUICK, f"run_dir={tmp_path}/run"]) == 2
    assert "in use by another crl process" in capsys.readouterr().err


def test_evaluate_repeats_the_stored_metrics_and_takes_other_tasks(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(finished_run)]) == 0
    assert (
        main(["evaluate", str(finished_run), "evaluation.ks=[2,3,100]", "evaluation.tops=[7]"]) == 0
    )
    assert "AVG-100" in capsys.readouterr().out
    stored = metrics(finished_run)
    found = [json.loads(p.read_text())["metrics"] for p in (finished_run / "evaluations").iterdir()]
    assert stored in found
    (other,) = (f for f in found if f != stored)
    assert other["test.mean.avg2"] == stored["test.mean.avg2"]
    # AVG-100 is over all classes, so it is TOP-1.
    assert other["test.mean.avg100"] == pytest.approx(stored["test.mean.top1"])


def test_evaluate_in_another_precision_says_that_of_training(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(finished_run), "runtime.precision=bf16"]) == 0
    assert "bf16" not in capsys.readouterr().out


def test_evaluate_reads_text_in_the_words_of_training(documents: Path, tmp_path: Path) -> None:
    command = [
        "train",
        *TEXT,
        *QUICK,
        f"dataset.root={documents}",
        "training.steps=30",
        f"run_dir={tmp_path}/run",
    ]
    assert main([*command, "objective.negatives=2"]) == 0
    other = tmp_path / "other"
    other.mkdir()
    for path in documents.iterdir():  # the same sentences among new words, which shift every id
        (other / path.name).write_text(
            "\n".join(f"zebra {line}" for line in path.read_text().splitlines())
        )
    assert main(["evaluate", str(tmp_path / "run"), f"dataset.root={other}"]) == 0
    (file,) = (tmp_path / "run" / "evaluations").iterdir()
    assert json.loads(file.read_text())["metrics"]["test.mean.avg2"] > 0.8


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["train", "dataset=imdb", "encoder=gru", "--help", "encoder"],
        ["evaluate", "--help"],
        ["--version"],
    ],
)
def test_help_needs_no_torch(arguments: list[str]) -> None:
    code = f"""
import sys
from crl.cli.main import main
assert main({arguments!r}) == 0
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "crl" in done.stdout
