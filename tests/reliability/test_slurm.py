"""Sweeps and reproductions as jobs of a real SLURM, a node of which is started on this machine."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_node import CannotStart, slurm_node
from waiting import until

from crl.cli.main import main

pytestmark = pytest.mark.slow

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.batch_size=8",
]
TINY += [
    "training.dev_every=100",
    "training.log_every=10",
    "training.checkpoint_seconds=0",
    "runtime.device=cpu",
]
TINY += ["evaluation.linear_steps=5", "evaluation.l2=[0.001]", "runtime.threads=1"]
LONG = [*TINY, "training.steps=400"]
JOBS = [
    "hydra/launcher=submitit_slurm",
    "hydra.launcher.partition=test",
    "hydra.launcher.timeout_min=9",
]
# Below 10 minutes submitit takes every SIGUSR2 for the one that announces the time limit.


class Cluster:
    """Commands against the node; each is printed with what it says (pytest -s shows a
    transcript)."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        )
        print(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}", flush=True)
        return done.stdout

    def crl(self, *arguments: str) -> "subprocess.Popen[str]":
        print(f"$ crl {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", "crl.cli.main", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def job(self, number: int | None = None) -> str:
        """Id of the newest job, or of the newest array's job of that number."""
        asked = ["squeue", "-h", "-o", "%F"]
        queue = subprocess.run(
            asked, env=self.environment, check=True, capture_output=True, text=True
        ).stdout
        newest = str(max(map(int, queue.split())))
        return newest if number is None else f"{newest}_{number}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        with slurm_node() as environment:
            yield Cluster(environment)
    except CannotStart as error:
        pytest.skip(f"no SLURM: {error}")


def outcome(process: "subprocess.Popen[str]", timeout: float = 300) -> tuple[str, str]:
    """(standard output, standard error) of a command once it has ended well."""
    out, err = process.communicate(timeout=timeout)
    print(err, out, sep="\n", flush=True)
    assert process.returncode == 0, err
    return out, err


def metrics(output: Path) -> dict[str, dict[str, float]]:
    """seed<k> -> metrics of every complete run."""
    return {
        path.parent.name: json.loads(path.read_text())["metrics"]
        for path in output.glob("runs/*/*/result.json")
    }


def lines(output: Path, seed: int) -> int:
    """How many lines of metrics the run has written."""
    return sum(
        len(path.read_text().splitlines())
        for path in output.glob(f"runs/*/seed{seed}/metrics.jsonl")
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Metrics of the runs that are disturbed below, made one after the other by ``crl train``
    here."""
    output = tmp_path_factory.mktemp("undisturbed")
    assert (
        main(["train", "-m", *LONG, "seed=0,1,2", "runtime.progress=false", f"output_dir={output}"])
        == 0
    )
    return metrics(output)


def test_jobs_that_are_signalled_and_requeued_end_as_undisturbed_ones(
    cluster: Cluster, undisturbed: dict[str, dict[str, float]], tmp_path: Path
) -> None:
    """One gets the signal that SLURM sends before a time limit, one is killed and requeued as for a
    pre-emption."""
    cluster.run("sinfo")
    command = [
        "train",
        "-m",
        *LONG,
        *JOBS,
        "hydra.launcher.array_parallelism=2",
        "seed=0,1,2",
        f"output_dir={tmp_path}",
    ]
    sweep = cluster.crl(*command)
    until(lambda: min(lines(tmp_path, 0), lines(tmp_path, 1)) >= 10, sweep)
    cluster.run("squeue")
    signalled, requeued = cluster.job(0), cluster.job(1)
    cluster.run("scancel", "--signal=USR2", signalled)
    cluster.run("scontrol", "requeue", requeued)
    time.sleep(2)
    cluster.run("squeue")
    out, err = outcome(sweep)
    for job in (signalled, requeued):
        assert "Restarts=1" in cluster.run("scontrol", "show", "job", job)
    (log,) = tmp_path.glob(f"sweeps/*/.submitit/{signalled}/*_log.out")
    assert f"Requeued job {signalled} (19 remaining timeouts)" in log.read_text()
    assert metrics(tmp_path) == undisturbed
    assert len(re.findall(r"^\[\d/3\] seed=\d: mu AVG-2 ", err, re.MULTILINE)) == 3
    assert re.search(r"^ *3 +\d+\.\d ± ", out, re.MULTILINE)
    outcome(cluster.crl("report", str(tmp_path), f"out={tmp_path}/report"))
    assert (tmp_path / "report" / "index.html").exists()


def test_jobs_go_on_without_the_command_that_submitted_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    longer = [
        *LONG,
        "training.steps=4000",
        "seed=0,1",
    ]  # both still run when the second command is there
    command = ["train", "-m", *longer, *JOBS, f"output_dir={tmp_path}"]
    sweep = cluster.crl(*command)
    until(lambda: min(lines(tmp_path, 0), lines(tmp_path, 1)) >= 1, sweep)
    sweep.kill()
    sweep.communicate()
    again = cluster.crl(*command)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 1
    assert (
        len(re.findall(r"^failed: seed=\d: .* is in use by another crl process", err, re.MULTILINE))
        == 2
    )
    until(lambda: len(metrics(tmp_path)) == 2)
    _, err = outcome(cluster.crl(*command))
    assert "2 of them complete already" in err
    assert (
        main(["train", "-m", *longer, "runtime.progress=false", f"output_dir={tmp_path}/alone"])
        == 0
    )
    assert metrics(tmp_path) == metrics(tmp_path / "alone")


def test_reproduce_hands_its_runs_to_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    asked = [
        "only=glyphs,table1",
        "seeds=1",
        *TINY,
        "training.steps=20",
        "training.dev_every=10",
        f"output_dir={tmp_path}",
    ]
    _, err = outcome(cluster.crl("reproduce", *asked, *JOBS))
    assert "2 runs in 1 studies, 0 complete already" in err
    assert (tmp_path / "report" / "index.html").exists()
    assert len(list(tmp_path.glob("runs/*/*/result.json"))) == 2
    _, err = outcome(cluster.crl("reproduce", *asked))
    assert "2 complete already" in err


def test_a_run_whose_time_is_up_too_often_is_named_and_goes_on_later(
    cluster: Cluster, undisturbed: dict[str, dict[str, float]], tmp_path: Path
) -> None:
    command = [
        "train",
        "-m",
        *LONG,
        *JOBS,
        "hydra.launcher.max_num_timeout=0",
        "seed=0",
        f"output_dir={tmp_path}",
    ]
    sweep = cluster.crl(*command)
    until(lambda: lines(tmp_path, 0) >= 10, sweep)
    cluster.run("scancel", "--signal=USR2", cluster.job())
    _, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 1
    assert re.search(r"^failed: seed=0: .*timed-out too many times", err, re.MULTILINE)
    assert not metrics(tmp_path) and lines(tmp_path, 0) >= 10
    outcome(cluster.crl(*command))
    assert metrics(tmp_path) == {"seed0": undisturbed["seed0"]}
