"""What ends a run, and what is written beside its numbers: in result.json, on the console, in the
report."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_runs import make_run
from PIL import Image
from torch import Tensor

from crl.cli.main import main
from crl.data.dataset import Dataset, Split
from crl.data.files.atomic import write_checked_json
from crl.data.points import Images
from crl.experiments.errors import RunError
from crl.experiments.evaluation import score as scoring
from crl.experiments.evaluation.warnings import check_features, check_numbers, warnings
from crl.experiments.report.write import write_report
from crl.experiments.training.loss_curves import LossCurves

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.steps=2",
]
TINY += ["evaluation.linear_steps=5", "runtime.progress=false"]
LABELS = torch.arange(3).repeat_interleave(20)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def dataset(classes: int = 3, shared: int = 0) -> Dataset:
    """Ten images a class and split, no two alike but so many of test that are of train too."""
    pixels = (
        torch.arange(30 * classes, dtype=torch.int32)
        .view(torch.uint8)
        .view(-1, 4)[:, :3]
        .reshape(-1, 3, 1, 1)
    )
    parts = list(pixels.split(10 * classes))
    parts[2][:shared] = parts[0][:shared]
    offsets = torch.arange(0, 10 * classes + 1, 10)
    return Dataset(
        "made up",
        [f"c{i}" for i in range(classes)],
        *(Split(Images(part), offsets) for part in parts),
    )


def kinds(data: Dataset, test: Tensor) -> list[str]:
    return [warning["kind"] for warning in warnings(data, {"test": (test, LABELS)})]


def test_healthy_features_of_disjoint_splits_give_no_warning() -> None:
    assert warnings(dataset(), {"test": (normal(60, 8), LABELS)}) == []


def test_a_leak_says_how_many_points_of_how_many() -> None:
    (warning,) = warnings(dataset(shared=3), {"test": (normal(60, 8), LABELS)})
    assert warning == {
        "kind": "leak", "message": "3 of 30 test points (10.00%) are train points too",
        "seen": "train", "asked": "test", "shared": 3, "points": 30, "share": 0.1,
    }  # fmt: skip


def test_collapsed_features_are_named() -> None:
    line = normal(60, 1) * normal(1, 8)
    assert kinds(dataset(), torch.full((60, 8), 3.0)) == ["collapse"]
    assert kinds(dataset(), torch.zeros(60, 8)) == ["collapse"]
    assert kinds(dataset(), 1 + 1e-3 * normal(60, 8)) == ["collapse"]
    assert kinds(dataset(), line) == ["line"]
    assert kinds(dataset(classes=2), line) == []  # two classes are told apart on a line
    assert kinds(dataset(), torch.cat([normal(60, 3), torch.zeros(60, 5)], 1)) == ["dead"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("role", ["train", "dev", "test"])
def test_features_that_are_not_finite_are_counted(role: str, value: float) -> None:
    features = {name: (normal(60, 8), LABELS) for name in ("train", "dev", "test")}
    check_features(features)
    features[role][0][[7, 9], 3] = value
    with pytest.raises(
        RunError, match=f"^2 of 60 {role} features are not finite; lower optimizer.lr"
    ):
        check_features(features)


def test_an_encoder_that_was_not_trained_here_has_no_learning_rate_to_lower() -> None:
    features = {"test": (normal(60, 8), LABELS)}
    features["test"][0][0] = math.nan
    with pytest.raises(RunError, match="not finite; nothing was trained here"):
        check_features(features, trained=False)
    with pytest.raises(RunError, match="a is nan; nothing was trained here"):
        check_numbers({"a": math.nan}, trained=False)


def test_numbers_that_are_not_finite_are_named_by_their_place() -> None:
    result = {
        "metrics": {"a": 1.0},
        "theory": {"lemma": {"slack": 0.5}},
        "warnings": [{"share": 0.1}],
        "name": "x",
    }
    check_numbers(result)
    for broken, place in (
        (result | {"metrics": {"a": math.nan}}, "metrics.a is nan"),
        (result | {"theory": {"lemma": {"slack": -math.inf}}}, "theory.lemma.slack is -inf"),
        (result | {"warnings": [{"share": math.inf}]}, "warnings.0.share is inf"),
    ):
        with pytest.raises(RunError, match=f"^{place}; lower optimizer.lr"):
            check_numbers(broken)


def broken_features(function: Any) -> Any:
    """As from an encoder that overflows on one training point."""

    def encoded(*arguments: Any) -> Any:
        found = function(*arguments)
        found["train"][0][0] = math.inf
        return found

    return encoded


def broken_metrics(function: Any) -> Any:
    return lambda *arguments: function(*arguments) | {"test.mean.avg2": math.nan}


def broken_curve(function: Any) -> Any:
    return lambda *arguments: {"supervised_test_loss": math.nan}


@pytest.mark.parametrize(
    ("name", "damage", "line"),
    [
        ("encode_splits", broken_features, "1 of 900 train features are not finite"),
        ("evaluate", broken_metrics, "metrics.test.mean.avg2 is nan"),
        ("measure", broken_curve, "supervised_test_loss is nan at step 1"),
    ],
)
def test_a_run_with_a_broken_number_ends_with_a_line_and_no_result(
    name: str,
    damage: Any,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = LossCurves if name == "measure" else scoring
    monkeypatch.setattr(module, name, damage(getattr(module, name)))
    assert main(["train", *TINY, "training.curve_every=1", f"run_dir={tmp_path}/run"]) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == f"crl: {line}; lower optimizer.lr, or set training.clip_norm=1"
    )
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one image, three times twelve copies of it: every encoder gives one feature."""
    folder = tmp_path_factory.mktemp("alike")
    for name in ("cats", "dogs", "owls"):
        (folder / name).mkdir()
        for number in range(12):
            Image.new("RGB", (9, 9), (90, 120, 40)).save(folder / name / f"{number}.png")
    return folder


def test_a_run_on_one_image_says_so_everywhere(
    alike: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "dataset=image_folder",
        f"dataset.root={alike}",
        "dataset.image_size=8",
        *TINY[2:],
    ]
    command += [
        "evaluation.ks=[2,3]",
        "evaluation.tops=[1]",
        "training.batch_size=8",
        f"run_dir={tmp_path}/run",
    ]
    says = [
        "6 of 6 test points (100.00%) are train points too",
        "3 of 3 dev points (100.00%) are train points too",
        "6 of 6 test points (100.00%) are dev points too",
        "features have collapsed: those of test points differ from their mean by",
    ]
    for _ in range(2):  # the second time the stored result is read
        assert main(command) == 0
        lines = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")
        ]
        assert [
            line.startswith(f"warning: {wanted}") for line, wanted in zip(lines, says, strict=True)
        ] == [True] * 4
    stored = json.loads((tmp_path / "run" / "result.json").read_text())["warnings"]
    assert [warning["kind"] for warning in stored] == ["leak", "leak", "leak", "collapse"]
    assert main(["evaluate", f"{tmp_path}/run"]) == 0
    assert "warning: features have collapsed" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 0
    assert "configurations with warnings: 1" in capsys.readouterr().out
    page, text = ((tmp_path / "report" / name).read_text() for name in ("index.html", "report.md"))
    for wanted in says:
        assert f"image_folder: {wanted}" in page
        assert wanted in text


def test_glyphs_have_no_warning(tmp_path: Path) -> None:
    assert main(["train", *TINY, f"run_dir={tmp_path}/run"]) == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["warnings"] == []


def warn(folder: Path, *messages: str) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text())
    result["warnings"] = [{"kind": "leak", "message": message} for message in messages]
    del result["checksum"]
    write_checked_json(path, result)


def test_the_report_gathers_warnings_and_marks_their_runs(tmp_path: Path) -> None:
    for seed in (0, 1):
        warn(make_run(tmp_path, "glyphs-a-0000000a", seed, 0.9), "3 of 9 <test> points")
    warn(make_run(tmp_path, "glyphs-b-0000000b", 0, 0.8), "3 of 9 <test> points", "something else")
    make_run(tmp_path, "glyphs-c-0000000c", 0, 0.7)
    assert write_report([tmp_path], tmp_path / "out").warned == 2
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "warnings.csv").open()))
    assert [(row["kind"], row["what"], row["how many runs"], row["runs"]) for row in rows] == [
        ("leak", "glyphs: 3 of 9 <test> points", "3", "glyphs-a-0000000a glyphs-b-0000000b"),
        ("leak", "glyphs: something else", "1", "glyphs-b-0000000b"),
    ]
    page = (tmp_path / "out" / "index.html").read_text()
    marks = {
        name: page.count(f'>0000000{name}</a><a href="#warnings" class="warned"') for name in "abc"
    }
    assert marks["a"] and marks["b"] and not marks["c"]
    assert "3 of 9 &lt;test&gt; points" in page
    assert 'id="warnings"' in page
    assert "## Warnings" in (tmp_path / "out" / "report.md").read_text()


def test_a_report_without_warnings_does_not_speak_of_them(tmp_path: Path) -> None:
    make_run(tmp_path, "glyphs-c-0000000c", 0, 0.7)
    assert write_report([tmp_path], tmp_path / "out").warned == 0
    assert 'id="warnings"' not in (tmp_path / "out" / "index.html").read_text()
    assert not (tmp_path / "out" / "tables" / "warnings.csv").exists()


def test_the_report_says_why_a_run_failed(tmp_path: Path) -> None:
    """A diverged run has no result: its folder says why, and the report repeats it."""
    make_run(tmp_path, "glyphs-a-0000000a", 0, 0.9)
    for name, reason in (
        ("b", {"reason": "the training loss is nan by step 10"}),
        ("c", None),
        ("d", ["damaged"]),
    ):
        folder = make_run(tmp_path, f"glyphs-{name}-0000000{name}", 0, 0.9)
        (folder / "result.json").unlink()
        if reason is not None:
            (folder / "failed.json").write_text(json.dumps(reason))
        (folder / "wandb" / "files").mkdir(parents=True)
        (folder / "wandb" / "files" / "config.yaml").touch()  # of W&B's, no run's
    notes = write_report([tmp_path], tmp_path / "out").missing
    assert [note.partition("seed0: ")[2] for note in notes] == [
        "failed: the training loss is nan by step 10",
        "not finished",
        "not finished",
    ]
    for name in ("index.html", "report.md"):
        assert (
            "failed: the training loss is nan by step 10" in (tmp_path / "out" / name).read_text()
        )
