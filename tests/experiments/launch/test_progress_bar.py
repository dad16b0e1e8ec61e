"""How far many runs are, read off their folders."""

import json
from pathlib import Path

import pytest
from made_up_runs import make_run

from crl.experiments.launch.launch import OneByOne, do_run, launch
from crl.experiments.launch.progress_bar import ProgressBar
from crl.experiments.launch.run_spec import RunSpec


def runs_in(folder: Path, *points: int) -> list[RunSpec]:
    return [
        RunSpec(f"run {seed}", (), folder / "runs" / "a" / f"seed{seed}", count, 10, "kind")
        for seed, count in enumerate(points)
    ]


def begin(run: RunSpec, step: int, seconds: float) -> None:
    """Write metrics.jsonl up to that step, and a line that is being written."""
    run.folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"step": step, "seconds": seconds})
    (run.folder / "metrics.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"st')


def test_time_left_follows_from_the_runs_that_ended_and_those_in_progress(tmp_path: Path) -> None:
    runs, lines = runs_in(tmp_path, 100, 100, 400), list[str]()
    progress = ProgressBar(runs, 3, 2, lines.append, bar=False)
    assert progress.seconds_left() is None
    make_run(tmp_path, "a", 0, 0.9)  # took 1.5 s
    progress.look()  # 0.015 s a point: two workers share 500 points
    assert progress.seconds_left() == pytest.approx(3.75)
    assert lines == ["[4/6] run 0: mu AVG-2 90.0 %, trained in 2 s"]
    begin(runs[2], 5, 3.0)  # at the same speed
    assert progress.seconds_left() == pytest.approx(3.0)  # no worker can help with the last run
    progress.ended(1, "reason")
    assert progress.seconds_left() == pytest.approx(3.0)
    progress.ended(1, "once is enough")
    assert lines[1:] == ["[5/6] run 1: failed: reason"]


def test_the_speed_of_a_run_in_progress_is_better_than_none(tmp_path: Path) -> None:
    runs = runs_in(tmp_path, 100, 100, 100)
    progress = ProgressBar(runs, 0, None, print, bar=False)
    begin(runs[0], 10, 20.0)  # the last tenth is left for the evaluation
    assert progress.seconds_left() == pytest.approx(2 + 20 + 20)
    begin(runs[1], 5, 10.0)  # as many at a time as run now
    assert progress.seconds_left() == pytest.approx((2 + 10 + 20) / 2)


def test_what_an_earlier_start_left_is_no_progress(tmp_path: Path) -> None:
    runs, lines = runs_in(tmp_path, 100, 100), list[str]()
    begin(runs[1], 5, 10.0)
    make_run(tmp_path, "a", 0, 0.9)
    progress = ProgressBar(runs, 0, 1, lines.append, bar=False)
    progress.look()
    assert progress.seconds_left() is None and not lines
    (runs[0].folder / "result.json").touch()  # force=true: another result, and its end
    progress.look()
    assert lines == ["[1/2] run 0: mu AVG-2 90.0 %, trained in 2 s"]


def test_a_result_of_the_last_moment_counts(tmp_path: Path) -> None:
    runs, lines = runs_in(tmp_path, 100), list[str]()
    with ProgressBar(runs, 0, None, lines.append, bar=False):
        make_run(tmp_path, "a", 0, 0.9)
    assert lines == ["[1/1] run 0: mu AVG-2 90.0 %, trained in 2 s"]


def test_only_a_bug_leaves_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise errors.pop()

    errors: list[Exception] = [OSError("no disk"), TypeError("a bug")]
    monkeypatch.setattr("crl.experiments.run.run", fail)
    assert do_run(["seed=0"], print) == "TypeError: a bug"
    assert "Traceback" in capsys.readouterr().err
    assert do_run(["seed=1"], print) == "OSError: no disk"
    assert not capsys.readouterr().err


def test_without_runs_nothing_is_launched() -> None:
    assert launch([], OneByOne(), print) == {}
