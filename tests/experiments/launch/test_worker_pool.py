"""The pool of processes: runs side by side."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import until

from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import run_path
from crl.experiments.errors import ConfigError
from crl.experiments.launch.run_spec import RunSpec
from crl.experiments.launch.worker_pool import WorkerPool

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.steps=2",
]
TINY += ["evaluation.linear_steps=5", "training.dev_every=1"]


def test_a_failed_run_and_a_dead_process_leave_the_others_alone(tmp_path: Path) -> None:
    common = [*TINY, f"output_dir={tmp_path}", "runtime.threads=1"]
    runs = [
        RunSpec("", (*common, *options), tmp_path, 1, 1, "")
        for options in (
            ("seed=0",),
            ("seed=1", "dataset=cifar100"),  # these options do not exist there
            ("seed=2", "training.steps=1000000"),  # killed below
            ("seed=3",),
        )
    ]
    victim = run_path(compose_config(runs[2].overrides))

    def kill() -> None:
        """Kill the process of run 2 once it trains."""
        until((victim / "metrics.jsonl").exists)
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    errors = dict(WorkerPool(1, tmp_path / "log").outcomes(runs))
    killer.join(1)
    assert errors[0] is None and errors[3] is None
    assert "dataset.points_per_class" in str(errors[1])
    assert "killed by signal 9 (SIGKILL; the system does so when memory runs out" in str(errors[2])
    done = (tmp_path / "runs").glob("*/*/result.json")
    assert sorted(path.parent.name for path in done) == ["seed0", "seed3"]
    assert not multiprocessing.active_children()


def test_a_log_that_cannot_be_written_is_answered_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    run = RunSpec("", (), tmp_path, 1, 1, "")
    with pytest.raises(ConfigError, match="log cannot be written"):
        list(WorkerPool(1, tmp_path / "log").outcomes([run]))
    assert not multiprocessing.active_children()


def test_a_worker_has_not_loaded_numpy_before_its_threads_are_set() -> None:
    """OpenBLAS counts its threads when NumPy is loaded; word vectors depend on them."""
    code = "import sys, crl.experiments.launch.worker_pool; print('numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
