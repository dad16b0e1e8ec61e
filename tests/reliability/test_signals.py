"""A signal leaves a checkpoint, an exit code that names it, and the command that goes on."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from processes import ForkServer, Undisturbed, log_of, same
from waiting import until

from crl.experiments.runtime.signals import (
    DeferredSignals,
    Interrupted,
    deaf_to_ctrl_c,
    ending,
    passed_on,
)

COMMAND = [sys.executable, "-m", "crl.cli.main"]
LONG = "training.checkpoint_seconds=1000"  # a checkpoint is there only because of the signal


def lines(run: Path) -> int:
    log = run / "metrics.jsonl"
    return len(log.read_bytes().splitlines()) if log.exists() else 0


def slowly(wanted: Undisturbed) -> list[str]:
    """The command with more steps, so that a signal comes in time."""
    return [*wanted.command, LONG, "training.steps=600"]


@pytest.fixture(scope="session")
def long_log(
    crl: ForkServer, texts: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, float]]:
    run = tmp_path_factory.mktemp("long") / "run"
    ended = crl.run(*slowly(texts), f"run_dir={run}", cache=texts.cache)
    assert ended.code == 0, ended.text
    return log_of(run)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_in_training(
    signum: signal.Signals,
    crl: ForkServer,
    texts: Undisturbed,
    long_log: list[dict[str, float]],
    tmp_path: Path,
) -> None:
    """Wherever it comes, log and result become those of an undisturbed run."""
    run = tmp_path / "run"
    command = [*slowly(texts), f"run_dir={run}"]
    process = crl.start(*command, cache=texts.cache)
    until(lambda: lines(run) > 5, process)
    process.signal(signum)
    ended = process.wait()
    assert ended.code == 128 + signum
    assert (
        ended.last
        == f"crl: ended by {signum.name}; the same command goes on: {shlex.join(['crl', *command])}"
    )
    assert (run / "checkpoint.pt").exists() and not (run / "result.json").exists()
    assert "Traceback" not in ended.text
    again = crl.run(*command, cache=texts.cache)
    assert again.code == 0, again.text
    assert log_of(run) == long_log


def test_sigterm_to_the_real_command(
    crl: ForkServer, texts: Undisturbed, long_log: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [*slowly(texts), f"run_dir={run}"]
    environment = {**os.environ, "CRL_DATA": str(texts.cache)}
    process = subprocess.Popen(
        [*COMMAND, *command], env=environment, stderr=subprocess.PIPE, text=True
    )
    until(lambda: lines(run) > 2, process)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert (
        error.strip()
        .splitlines()[-1]
        .startswith("crl: ended by SIGTERM; the same command goes on: crl train dataset=")
    )
    assert (run / "checkpoint.pt").exists()
    assert crl.run(*command, cache=texts.cache).code == 0
    assert log_of(run) == long_log


def test_a_second_ctrl_c_ends_at_once() -> None:
    with ending(), DeferredSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals  # heard, and postponed
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            signals.deliver()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_before_decides_what_becomes_of_the_signal() -> None:
    """A launcher has such handlers: one puts the job back into its queue, one ignores a signal."""
    heard: list[int] = []

    def requeue(signum: int, frame: object) -> None:
        heard.append(signum)
        raise SystemExit(-1)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda signum, frame: heard.append(signum)),
        signal.SIGUSR2: signal.signal(signal.SIGUSR2, requeue),
        signal.SIGUSR1: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    }
    try:
        with ending(), DeferredSignals() as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not signals
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR2)
            assert heard == [] and signals
            with pytest.raises(SystemExit):
                signals.deliver()
            assert heard == [signal.SIGTERM, signal.SIGUSR2]
            signals.deliver()  # nothing is left
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(Interrupted) as found:
                signals.deliver()
            assert found.value.signum == signal.SIGINT
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def test_ctrl_c_is_for_this_process_and_not_for_those_that_it_starts() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    with deaf_to_ctrl_c():
        child = subprocess.run([sys.executable, "-c", code], check=False)
    assert child.returncode == 0
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_launcher_that_raises_after_a_signal_does_not_hide_it() -> None:
    """joblib raises if the signal kills a process that has not yet begun its first run."""

    def launch() -> None:
        with passed_on():
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("a worker process was unexpectedly terminated")

    with pytest.raises(Interrupted, match="SIGTERM"):
        launch()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    "where", ["crl.experiments.run.prepare", "crl.experiments.evaluation.score.evaluate"]
)
def test_sigterm_outside_of_training(
    where: str,
    texts: Undisturbed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from crl.cli.main import main

    command = [*texts.command, f"run_dir={tmp_path}/run"]
    monkeypatch.setenv("CRL_DATA", str(texts.cache))
    with monkeypatch.context() as patch:
        patch.setattr(where, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        assert main(command) == 143
    assert (
        "crl: ended by SIGTERM; the same command goes on: crl train dataset=documents"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "run" / "result.json").exists()
    assert main(command) == 0
    assert same(tmp_path / "run", texts)


def test_runs_side_by_side_save_their_checkpoints(texts: Undisturbed, tmp_path: Path) -> None:
    from crl.experiments.launch.launch import launch
    from crl.experiments.launch.run_spec import RunSpec
    from crl.experiments.launch.worker_pool import WorkerPool

    run = tmp_path / "run"
    overrides = (*slowly(texts)[1:], f"run_dir={run}", "training.steps=1000000")
    spec = RunSpec("endless", overrides, run, 1, 1000000, "kind")

    def stop() -> None:
        until(lambda: lines(run) > 3)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Interrupted), ending():
        launch([spec], WorkerPool(1, tmp_path / "log"), print)
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    assert "Traceback" not in (tmp_path / "log").read_text()


def gone(session: int) -> bool:
    """Return whether no process of the session is left."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["reproduce", "joblib", "basic"])
def test_many_runs_at_once(verb: str, signum: signal.Signals, tmp_path: Path) -> None:
    """Each run in progress has a checkpoint, no process is left, the same command completes all."""
    small = ["dataset.points_per_class=10", "dataset.test_per_class=2", "encoder.width=2",
             "evaluation.linear_steps=5", "runtime.progress=false", f"output_dir={tmp_path}",
             LONG]  # fmt: skip
    if verb == "reproduce":
        command = ["reproduce", "only=glyphs,table1", "seeds=1", "workers=2", *small]
    else:
        launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"] if verb == "joblib" else []
        command = ["train", "-m", "seed=0,1,2,3", *small, *launcher]
    long = [*command, "training.steps=800"]
    process = subprocess.Popen(
        [*COMMAND, *long], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wanted = 1 if verb == "basic" else 2
    until(lambda: sum(lines(run) > 2 for run in tmp_path.glob("runs/*/*")) >= wanted, process)
    os.kill(process.pid, signum)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 128 + signum, error
    assert (
        f"crl: ended by {signum.name}; the same command goes on: crl {command[0]}"
        in error.strip().splitlines()[-1]
    )
    assert "Traceback" not in error
    begun = [run for run in tmp_path.glob("runs/*/*") if lines(run)]
    assert len(begun) == wanted and all((run / "checkpoint.pt").exists() for run in begun)
    until(lambda: gone(process.pid), seconds=10)
    steps = [
        json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"] for run in begun
    ]
    assert all(step < 800 for step in steps)
    again = subprocess.run(
        [*COMMAND, *long], check=False, capture_output=True, text=True, timeout=600
    )
    assert again.returncode == 0, again.stderr
