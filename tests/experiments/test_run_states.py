"""``crl status`` on run folders in every state, through the real command."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from made_up_runs import CONFIG, make_cell, make_run, make_study

from crl.cli.main import main
from crl.experiments.status import RunStatus, overview, run_status
from crl.experiments.storage.manifest import Cell, Manifest, Study, write_manifest


def begun(root: Path, name: str, seed: int, step: int = 0, **more: Any) -> Path:
    """The folder of a run of 30 steps whose metrics.jsonl reaches this step (0: has no line)."""
    folder = root / "runs" / name / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"seed": seed}))
    (folder / ".lock").touch()
    if step:
        line = {
            "step": step,
            "train_loss": 0.5,
            "points_per_second": 1234.4,
            "seconds": 60.0,
        } | more
        (folder / "metrics.jsonl").write_text(f'{{"step": 1}}\n{json.dumps(line)}\n{{"step": 1')
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["status", *arguments]) == code
    return capsys.readouterr().out


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of 6 runs: 2 complete (1.5 s each), 1 running, 1 failed, 1 interrupted, 1 waiting."""
    cell = make_cell(tmp_path, {"method": "CURL"}, [0.9, 0.8], name="a")
    failed = begun(tmp_path, "b", 1, 3)
    (failed / "failed.json").write_text(
        '{"reason": "the loss is nan", "time": "2026-01-02T03:04:05+00:00"}'
    )
    others = (begun(tmp_path, "b", 0, 10), failed, begun(tmp_path, "b", 2, 15))
    waiting = tmp_path / "runs" / "a" / "seed2"
    make_study(
        tmp_path, "table2", Cell(cell.labels, (*cell.runs, waiting)), Cell({"method": "QT"}, others)
    )
    return tmp_path


def test_every_state_is_told_with_the_time_left(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileLock(study / "runs" / "b" / "seed0" / ".lock"):
        text = printed(capsys, str(study), code=1)
    lines = [re.sub(" {2,}", "  ", line.strip()) for line in text.splitlines()]
    assert lines == [
        # whole runs: 1.5 s twice, at their speed 180 s (running) and 120 s (interrupted), so 75.75
        # s the waiting one; of these 120 s, 60 s and 75.75 s are left, one at a time
        "table2 on glyphs: 2 of 6 complete, 1 running, 1 failed, 1 interrupted, 1 waiting; "
        "about 4 min left",
        "running  method=QT  seed0  step 10/30, 1234 points/s, about 2 min left",
        "failed  method=QT  seed1  the loss is nan (2026-01-02T03:04:05+00:00)",
        "interrupted  method=QT  seed2  step 15/30",
        "waiting  method=CURL  seed2",
        "again: crl reproduce",
    ]


def test_with_nothing_running_the_time_is_that_of_one_after_the_other(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, str(study), code=1)
    assert text.splitlines()[0].endswith(
        "; nothing is running, the rest would take about 4 min, one run at a time"
    )


def test_nothing_is_written_and_no_lock_is_left(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "runs" / "b" / "seed2" / ".lock").unlink()
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in study.rglob("*")}
    printed(capsys, str(study), code=1)
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in study.rglob("*")
    } == before
    FileLock(study / "runs" / "b" / "seed0" / ".lock").acquire(timeout=0).lock.release()


def test_json_says_the_same(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FileLock(study / "runs" / "b" / "seed0" / ".lock"):
        found = json.loads(printed(capsys, str(study), "--json", code=1))
    assert found["counts"] == {
        "complete": 2,
        "running": 1,
        "failed": 1,
        "interrupted": 1,
        "waiting": 1,
    }
    assert found["total"] == 6 and found["seconds_left"] == pytest.approx(255.75)
    (run,) = (run for run in found["runs"] if run["state"] == "running")
    assert (run["study"], run["setting"], run["share"]) == ("table2 on glyphs", "method=QT", 0.3333)
    assert run["path"] == str((study / "runs" / "b" / "seed0").resolve())


def test_runs_side_by_side_share_the_time(tmp_path: Path) -> None:
    runs = [
        begun(tmp_path, "a", seed, step, seconds=10.0) for seed, step in enumerate((10, 10, 29))
    ]
    make_study(
        tmp_path,
        "sweep",
        Cell({}, (*runs, *(tmp_path / "runs" / "a" / f"seed{seed}" for seed in range(3, 10)))),
    )
    with FileLock(runs[0] / ".lock"), FileLock(runs[1] / ".lock"):
        found = overview([tmp_path])
        usual = (30 + 30 + 10 * 30 / 29) / 3
        assert found.seconds_left() == pytest.approx((20 + 20 + 10 / 29 + 7 * usual) / 2)
    make_study(tmp_path, "sweep", Cell({}, tuple(runs[:2])))
    (tmp_path / "runs" / "a" / "seed2").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "config.yaml").unlink()
    with FileLock(runs[0] / ".lock"), FileLock(runs[1] / ".lock"):
        assert overview([tmp_path]).seconds_left() == pytest.approx(20)


def test_without_a_manifest_every_run_below_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, "a", 0, 0.9)
    begun(tmp_path, "b", 0)
    (tmp_path / "runs" / "b" / "seed0" / "wandb").mkdir()
    (tmp_path / "runs" / "b" / "seed0" / "wandb" / "config.yaml").touch()  # of another kind
    text = printed(capsys, str(tmp_path))
    assert text.startswith("runs: 1 of 2 complete, 1 interrupted; ")
    assert f"\n  interrupted   {tmp_path.resolve() / 'runs' / 'b'}   seed0   step 0/30\n" in text
    monkeypatch.chdir(tmp_path)
    assert "\n  interrupted   runs/b   seed0   step 0/30\n" in printed(capsys, ".")
    assert printed(capsys, str(tmp_path / "runs" / "a" / "seed0")) == "runs: 1 of 1 complete\n"


def test_a_run_of_two_studies_and_one_of_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = make_cell(tmp_path, {"k": 4}, [0.9])
    make_run(tmp_path, "single", 0, 0.5)
    studies = (Study("table1", "glyphs", (cell,)), Study("fig2c", "glyphs", (Cell({}, cell.runs),)))
    write_manifest(tmp_path / "m.study.json", Manifest("t", (), studies))
    lines = [line for line in printed(capsys, str(tmp_path)).splitlines() if line]
    assert lines == [
        "table1 on glyphs: 1 of 1 complete",
        "fig2c on glyphs: 1 of 1 complete",
        "runs of no study: 1 of 1 complete",
        "2 of 2 complete",
    ]


def test_what_waits_is_gathered_when_it_is_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        Cell({"k": k}, tuple(tmp_path / "runs" / f"k{k}" / f"seed{seed}" for seed in (0, 1)))
        for k in range(30)
    ]
    make_study(tmp_path, "sweep", *cells[:8])
    assert printed(capsys, str(tmp_path)).count("seed0 seed1") == 8
    make_study(tmp_path, "sweep", *cells)
    text = printed(capsys, str(tmp_path))
    assert "  waiting   30 settings   60 runs\n" in text
    assert text.startswith("test on glyphs: 0 of 60 complete, 60 waiting\n")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "result.json").write_text("{"), "damaged"),
        (lambda run: (run / "result.json").write_bytes(b"\xff\x00"), "damaged"),
        (lambda run: (run / "config.yaml").write_text("[1"), "config.yaml is damaged"),
        (
            lambda run: (run / "config.yaml").write_text("training: {steps: many}"),
            "config.yaml is damaged",
        ),
        (
            lambda run: (run / "config.yaml").write_text("training: {steps: .inf}"),
            "config.yaml is damaged",
        ),
        (
            lambda run: (run / "config.yaml").write_text("training: {steps: 0}"),
            "config.yaml is damaged",
        ),
        (lambda run: (run / "config.yaml").write_text("[" * 100_000), "config.yaml is damaged"),
        (
            lambda run: (run / "config.yaml").write_text("training: &a {steps: 3}\nagain: *a"),
            "config.yaml is damaged",
        ),
        (lambda run: (run / "failed.json").write_text("[]"), "failed.json is damaged"),
        (lambda run: (run / "failed.json").write_text("[" * 100_000), "failed.json is damaged"),
        (lambda run: os.mkfifo(run / "failed.json"), "failed.json is damaged"),
    ],
)
def test_a_damaged_file_is_named(
    damage: Any, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun(tmp_path, "a", 0, 10)
    make_run(tmp_path, "b", 0, 0.5)
    damage(run)
    assert main(["status", str(tmp_path)]) == 1
    found = capsys.readouterr()
    assert words in found.out and str(run) in found.out
    assert found.out.splitlines()[0] == "runs: 1 of 2 complete, 1 failed"
    assert found.err == "crl: 1 of 2 runs failed; the same command starts them again\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]\n",
        '{"step": "x"}\n',
        '{"step": Infinity}\n',
        '{"step": -3}',
        "\xff\xfe\n",
        "[" * 5000,
    ],
)
def test_damaged_metrics_are_no_step(text: str, tmp_path: Path) -> None:
    run = begun(tmp_path, "a", 0)
    (run / "metrics.jsonl").write_text(text, encoding="latin-1")
    assert run_status(run) == RunStatus(run, "interrupted", "step 0/30")


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, -1, "text", 10**400])
def test_seconds_that_no_clock_says_are_not_counted(
    value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun(tmp_path, "a", 0, 10, seconds=value, points_per_second=value)
    with FileLock(run / ".lock"):
        assert "seed0   step 10/30\n" in printed(capsys, str(tmp_path))


def test_metrics_that_are_a_pipe_do_not_block(tmp_path: Path) -> None:
    run = begun(tmp_path, "a", 0)
    os.mkfifo(run / "metrics.jsonl")
    assert run_status(run) == RunStatus(run, "interrupted", "step 0/30")


def test_a_damaged_manifest_is_named_and_the_runs_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "a", 0, 0.5)
    (tmp_path / "m.study.json").write_text("{")
    text = printed(capsys, str(tmp_path), code=1)
    assert text.startswith(f"damaged: {tmp_path / 'm.study.json'} is not a readable manifest")
    assert text.endswith("\nruns: 1 of 1 complete\n")


def test_a_folder_of_which_nothing_is_there_yet_waits(tmp_path: Path) -> None:
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / ".lock").touch()
    assert run_status(tmp_path / "seed0").state == run_status(tmp_path / "seed1").state == "waiting"


def test_bad_input_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    cases = {"file": "no such folder", "nowhere": "no such folder", "empty": "no runs there"}
    for argument, words in [
        *((str(tmp_path / place), words) for place, words in cases.items()),
        ("--fast", "no such option"),
        ("~nobody-of-this-name/x", "no such user"),
    ]:
        assert main(["status", argument]) == 2
        found = capsys.readouterr()
        assert not found.out and found.err.count("\n") == 1 and words in found.err
