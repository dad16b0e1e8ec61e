"""``crl status`` on real runs: in progress, interrupted, failed and complete."""

import json
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from processes import ForkServer
from waiting import until

from crl.cli.main import main
from crl.experiments.status import run_status

TINY = [
    "train",
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.batch_size=8",
]
TINY += [
    "training.steps=4",
    "training.log_every=1",
    "evaluation.linear_steps=5",
    "runtime.progress=false",
]


def status(capsys: pytest.CaptureFixture[str], *folders: Path, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["status", *map(str, folders)]) == code
    return capsys.readouterr().out


def test_a_run_under_way_is_running_and_interrupted_when_it_is_stopped(
    crl: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    process = crl.start(*TINY, "training.steps=1000000", f"run_dir={run}")
    try:
        metrics = run / "metrics.jsonl"
        until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) > 9, process)
        text = status(capsys, tmp_path)
        line = next(line for line in text.splitlines() if line.startswith("  running "))
        assert "/1000000, " in line and " points/s, about " in line and line.endswith(" left")
        assert text.startswith("runs: 0 of 1 complete, 1 running; about ")
        assert process.poll() is None
    finally:
        process.signal(signal.SIGINT)
        process.wait()
    assert "0 of 1 complete, 1 interrupted" in status(capsys, tmp_path)
    assert not (run / "failed.json").exists()


def test_a_failed_run_says_why_until_it_is_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from crl.experiments.evaluation import score as module

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug\nof two lines")

    command = [*TINY, f"output_dir={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", broken)
        with pytest.raises(ZeroDivisionError):
            main(command)
    (failed,) = tmp_path.glob("runs/*/seed0/failed.json")
    assert json.loads(failed.read_text())["reason"] == "ZeroDivisionError: a bug of two lines"
    text = status(capsys, tmp_path, code=1)
    assert "ZeroDivisionError: a bug of two lines (20" in text
    assert text.startswith("runs: 0 of 1 complete, 1 failed\n")
    assert text.splitlines()[-1] == f"  again: {shlex.join(['crl', *command])}"

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", interrupt)
        assert main(command) == 130
    assert not failed.exists()
    assert "1 interrupted" in status(capsys, tmp_path)
    assert main(command) == 0
    assert not failed.exists()
    assert status(capsys, tmp_path) == "runs: 1 of 1 complete\n"


def test_a_diverged_run_of_a_sweep_is_found_by_its_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "-m", "optimizer.lr=0.001,1e30", f"output_dir={tmp_path}"]) == 1
    (sweep,) = (tmp_path / "sweeps").iterdir()
    capsys.readouterr()
    assert main(["status", str(sweep)]) == 1
    text, last = capsys.readouterr()
    again = shlex.join(["crl", *TINY, "-m", "optimizer.lr=0.001,1e30", f"output_dir={tmp_path}"])
    assert last == f"crl: 1 of 2 runs failed; to start again: {again}\n"
    assert f"  again: {again}" in text
    assert text.startswith(
        "sweep optimizer.lr=0.001,1e30 on glyphs: 1 of 2 complete, 1 failed\n"
        "  failed   optimizer.lr=1e+30"
    )
    assert "loss is" in text and "lower optimizer.lr" in text


def test_a_run_starts_although_its_lock_is_looked_at(tmp_path: Path) -> None:
    from crl.experiments.config.compose import compose_config
    from crl.experiments.storage.run_folder import RunFolder

    config, look = compose_config([]), FileLock(tmp_path / ".lock", thread_local=False)
    look.acquire()
    threading.Timer(0.05, look.release).start()
    with RunFolder(tmp_path).open(config):
        assert run_status(tmp_path).state == "running"
    assert run_status(tmp_path).state == "interrupted"


def test_a_complete_run_took_all_its_parts(finished_run: Path) -> None:
    timing = json.loads((finished_run / "result.json").read_text())["timing"]
    parts = [timing[f"{part}_seconds"] for part in ("prepare", "train", "evaluate")]
    assert run_status(finished_run).seconds == pytest.approx(sum(parts))


def test_torch_is_never_imported_and_help_says_what_there_is(finished_run: Path) -> None:
    code = f"""
import sys
from crl.cli.main import main
assert main(["status", {str(finished_run)!r}]) == 0
assert main(["status", "--help"]) == 0
assert not {{"torch", "hydra", "omegaconf"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("runs: 1 of 1 complete\ncrl status [DIR ...] [--json]\n")
    assert all(
        f"\n  {state} " in done.stdout
        for state in ("complete", "running", "failed", "interrupted", "waiting")
    )
